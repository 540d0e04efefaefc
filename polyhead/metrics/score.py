"""The scores of a task on a validation set; which they are is decided by what its head decodes to."""

from collections.abc import Mapping, Sequence

from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.labels import labels
from polyhead.metrics.masks import Answer, Pixels, masks
from polyhead.types import Annotation, Detections, Labels


def score(truths: Sequence[Annotation], predictions: Mapping[str, Answer], names: Sequence[str]) -> dict[str, float]:
    """Named scores in 0..1, the main one first: what best weights and plateaus are judged by.

    Raises:
        PolyheadError: when the predictions are of a kind that has no score here, or of several kinds.
    """
    boxes = {name: value for name, value in predictions.items() if isinstance(value, Detections)}
    classes = {name: value for name, value in predictions.items() if isinstance(value, Labels)}
    counts = [value for value in predictions.values() if isinstance(value, Pixels)]
    if len(boxes) == len(predictions):
        result = coco(truths, boxes, names)
        return {"ap50": result.ap50, "ap": result.ap}
    if len(classes) == len(predictions):
        scores = labels(truths, classes, names)
        return {"accuracy": scores.accuracy, "f1": scores.macro_f1}
    if len(counts) == len(predictions):
        found = masks(counts, names)
        return {"miou": found.miou, "pixel_accuracy": found.pixel_accuracy}
    kinds = sorted({type(value).__name__ for value in predictions.values()})
    raise PolyheadError(
        f"predictions of one task must be all Detections, all Labels or all Pixels to be scored, got {', '.join(kinds)}"
    )
