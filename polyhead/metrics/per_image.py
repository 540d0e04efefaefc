"""Predictions of labels and masks as sums for each image, so that scores can be computed on any resample of the images.

Box predictions cannot be reduced to sums; see :mod:`polyhead.metrics.pooled`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from polyhead.errors import PolyheadError
from polyhead.metrics.masks import PixelCounts, PixelSums, sum_pixels
from polyhead.metrics.store import LabelPredictions, StoredKind


class ImagePredictions(NamedTuple):
    """The predictions of one run for one task of labels or masks.

    Attributes:
        task: task name.
        kind: ``"labels"`` or ``"pixels"``.
        names: class names.
        ids: image ids.
        sums: correct, target and predicted pixels of each image by class; a label counts as one pixel.
    """

    task: str
    kind: StoredKind
    names: list[str]
    ids: list[str]
    sums: PixelSums

    def take(self, ids: Sequence[str]) -> "ImagePredictions":
        """Return the same images in the order of ``ids``."""
        index_of = {image_id: index for index, image_id in enumerate(self.ids)}
        order = [index_of[image_id] for image_id in ids]
        sums = PixelSums(*(part[order] for part in self.sums))
        return ImagePredictions(self.task, self.kind, self.names, list(ids), sums)


def join_folds(folds: Sequence[ImagePredictions]) -> ImagePredictions:
    """Concatenate predictions of one task for different images (the folds of a cross-validation).

    Raises:
        PolyheadError: when an image is in two folds, or the folds have different classes.
    """
    first = folds[0]
    ids = [image_id for fold in folds for image_id in fold.ids]
    duplicates = [image_id for image_id, count in Counter(ids).items() if count > 1]
    if duplicates:
        raise PolyheadError(
            f"image {duplicates[0]!r} of task {first.task!r} was tested twice. Give runs that were tested on different "
            "folds of the task."
        )
    for fold in folds:
        if fold.names != first.names:
            raise PolyheadError(f"folds of task {first.task!r} have different classes: {first.names} and {fold.names}")
    columns = zip(*(fold.sums for fold in folds), strict=True)  # correct, target and predicted of all folds
    return first._replace(ids=ids, sums=PixelSums(*(np.concatenate(column) for column in columns)))


def of_pixels(task: str, counts: Mapping[str, PixelCounts], names: list[str]) -> ImagePredictions:
    """Build predictions from the pixel counts of a segmentation, by image id."""
    return ImagePredictions(task, "pixels", names, [*counts], sum_pixels([*counts.values()]))


def of_labels(task: str, predicted: LabelPredictions, names: list[str]) -> ImagePredictions:
    """Build predictions from the class probabilities of a classifier; the most probable class is the predicted one."""
    one_hot = np.eye(len(names))
    target, best = one_hot[predicted.target], one_hot[predicted.probabilities.argmax(axis=1)]  # [p, c] each
    return ImagePredictions(task, "labels", names, predicted.ids, PixelSums(target * best, target, best))
