"""Paint the outlines of objects as a mask of classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from polyhead.types import IGNORED, Size


def paint(shapes: Sequence[tuple[int, dict[str, Any]]], size: Size) -> UInt8[Tensor, "h w"]:
    """Return the class of each pixel: 0 where no object is.

    Ignored objects are painted first, then the others from the largest to the smallest, so that small objects are on
    top of large ones.

    Args:
        shapes: the label of each object, and its pixels as COCO's run lengths.
        size: height and width of the image.
    """
    from faster_coco_eval.core import mask

    classes = np.zeros(size, dtype=np.uint8)  # [h, w]
    for label, shape in sorted(shapes, key=lambda shape: (shape[0] != IGNORED, -int(mask.area(shape[1])))):
        inside: np.ndarray = mask.decode(shape)  # [h, w]; one at a time, because each is as large as the image
        classes[inside > 0] = label
    return torch.from_numpy(classes)
