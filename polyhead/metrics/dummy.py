"""The rival that looks at no picture: a score that does not beat it has learned nothing."""

from collections.abc import Sequence

import torch

from polyhead.errors import PolyheadError
from polyhead.types import Annotation, Detections


def trivial(train_truths: Sequence[Annotation], test_truths: Sequence[Annotation]) -> dict[str, Detections]:
    """The same answer for every test picture: each class's mean box in training, stretched to the picture.

    The score of a class is the share of the training pictures that show it; classes that were never seen are not
    predicted. Of the test truth only ids and sizes are read.

    Raises:
        PolyheadError: when there is no training picture.
    """
    if not train_truths:
        raise PolyheadError("the trivial rival needs the training truth, but there is no training picture")
    classes = train_truths[0].annotated.shape[0]
    boxes, shown, objects = torch.zeros(classes, 4), torch.zeros(classes), torch.zeros(classes)
    for truth in train_truths:
        labels = truth.labels[~truth.ignore]
        boxes.index_add_(0, labels, truth.boxes[~truth.ignore] / _edges(truth))
        counts = torch.bincount(labels, minlength=classes)
        objects += counts
        shown += counts > 0
    seen = objects.nonzero().flatten()
    order = seen[shown[seen].argsort(descending=True, stable=True)]
    mean, scores = boxes[order] / objects[order, None], shown[order] / len(train_truths)
    return {truth.id: Detections(mean * _edges(truth), scores.clone(), order.clone()) for truth in test_truths}


def _edges(truth: Annotation) -> torch.Tensor:
    height, width = truth.size
    return torch.tensor([width, height, width, height], dtype=torch.float32)
