"""The cases of the error analysis of a segmentation: the region of each annotated class in each image."""

import numpy as np
from jaxtyping import Int

from polyhead.contracts.analyzed import Cases

MATCH = 0.5
"""IoU from which a region counts as found."""


def region_cases(pixels: Int[np.ndarray, "n c d"]) -> Cases:
    """Return the region of each annotated class of each image, wrong where its IoU is below :data:`MATCH`.

    Its size is the side of a square of its area, as a fraction of that of the annotated pixels of the image.

    Args:
        pixels: the pixels of each image by target class and predicted class; the last column counts pixels without a
            prediction.
    """
    target, predicted = pixels.sum(axis=2), pixels[:, :, :-1].sum(axis=1)  # [n, c] each
    correct = np.diagonal(pixels, axis1=1, axis2=2)  # [n, c]
    samples, labels = np.nonzero(target)  # [m] each
    region = target[samples, labels]
    iou = correct[samples, labels] / (region + predicted[samples, labels] - correct[samples, labels])
    facts = {
        "size": np.sqrt(region / target.sum(axis=1)[samples]),
        "classes in the image": (target > 0).sum(axis=1)[samples].astype(np.float64),
    }
    return Cases("regions not found", "regions", samples, iou < MATCH, labels, facts)
