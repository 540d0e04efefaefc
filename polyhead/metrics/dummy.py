"""The dummy baseline of detection, which looks at no image: a model that does not beat it has learned nothing."""

from collections.abc import Mapping

import torch

from polyhead.errors import PolyheadError
from polyhead.types import Boxes, Detections


def dummy_predictions(train_targets: Mapping[str, Boxes], test_targets: Mapping[str, Boxes]) -> dict[str, Detections]:
    """Return the same detections for every test image: the mean training box of each class, scaled to the image.

    The score of a class is the fraction of training images that show it; classes without a training object are not
    predicted. Of the test targets only ids and image sizes are read.

    Raises:
        PolyheadError: when there is no training image.
    """
    if not train_targets:
        raise PolyheadError("the dummy baseline needs training targets, but the training split has no images")
    classes = next(iter(train_targets.values())).annotated.shape[0]
    box_sums = torch.zeros(classes, 4)  # in fractions of the image's sides
    image_counts, object_counts = torch.zeros(classes), torch.zeros(classes)
    for target in train_targets.values():
        labels = target.labels[~target.ignore]
        box_sums.index_add_(0, labels, target.boxes[~target.ignore] / _sides(target))
        counts = torch.bincount(labels, minlength=classes)
        object_counts += counts
        image_counts += counts > 0
    present = object_counts.nonzero().flatten()
    order = present[image_counts[present].argsort(descending=True, stable=True)]  # classes, most frequent first
    mean_boxes, scores = box_sums[order] / object_counts[order, None], image_counts[order] / len(train_targets)
    return {
        image_id: Detections(mean_boxes * _sides(target), scores.clone(), order.clone())
        for image_id, target in test_targets.items()
    }


def _sides(target: Boxes) -> torch.Tensor:
    """Return the scale of an xyxy box: ``[width, height, width, height]`` of the image."""
    height, width = target.size
    return torch.tensor([width, height, width, height], dtype=torch.float32)
