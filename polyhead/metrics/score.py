"""The validation scores of a task, chosen by the type of its predictions."""

from collections.abc import Mapping, Sequence

from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.labels import labels
from polyhead.metrics.masks import PixelCounts, ReducedPrediction, masks
from polyhead.types import Annotation, Detections, Labels


def score(
    targets: Sequence[Annotation], predictions: Mapping[str, ReducedPrediction], names: Sequence[str]
) -> dict[str, float]:
    """Compute named scores in 0..1, the main one first: it selects the best weights and detects plateaus.

    Raises:
        PolyheadError: when the predictions are of a type that has no score here, or of several types.
    """
    boxes = {image_id: value for image_id, value in predictions.items() if isinstance(value, Detections)}
    classes = {image_id: value for image_id, value in predictions.items() if isinstance(value, Labels)}
    counts = [value for value in predictions.values() if isinstance(value, PixelCounts)]
    if len(boxes) == len(predictions):
        box_scores = coco(targets, boxes, names)
        return {"ap50": box_scores.ap50, "ap": box_scores.ap}
    if len(classes) == len(predictions):
        label_scores = labels(targets, classes, names)
        return {"accuracy": label_scores.accuracy, "f1": label_scores.macro_f1}
    if len(counts) == len(predictions):
        mask_scores = masks(counts, names)
        return {"miou": mask_scores.miou, "pixel_accuracy": mask_scores.pixel_accuracy}
    types = sorted({type(value).__name__ for value in predictions.values()})
    raise PolyheadError(
        "the predictions of one task cannot be scored (expected all Detections, all Labels or all PixelCounts, "
        f"got {', '.join(types)})"
    )
