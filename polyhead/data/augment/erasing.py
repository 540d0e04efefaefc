"""Random erasing (Zhong et al. 2020) and grid mask (Chen et al. 2020): hide regions of an image at random.

The hidden region is an outer product of rows and columns, so the hidden fraction of every box is exact.
"""

from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.data.geometry.affine import ImageArray, to_array, to_image
from polyhead.data.geometry.crop import GRAY
from polyhead.data.geometry.plane import ImageSample
from polyhead.data.geometry.visible import as_plain, update_visible
from polyhead.types import IGNORED

AxisMask = NDArray[np.bool_]
"""The selected pixels along one axis, ``[h]`` or ``[w]``."""


def hide(sample: ImageSample, rows: AxisMask, columns: AxisMask, fill: ImageArray | int = GRAY) -> ImageSample:
    """Return a copy of the sample with the pixels hidden where ``rows`` and ``columns`` are both true (mask: 255).

    Boxes are unchanged, as for any occluded object. Objects that are almost fully hidden become ignored
    (:func:`polyhead.data.geometry.visible.update_visible`).

    Args:
        sample: the image and its target.
        rows: ``[h]``.
        columns: ``[w]``.
        fill: the gray level of the hidden pixels, or their values, uint8 ``[rows, columns, 3]``.
    """
    region = np.ix_(rows, columns)
    image = to_array(sample.input).copy()  # [h, w, 3]; the input may belong to a cache
    image[region] = fill
    mask = sample.mask
    if mask is not None:
        classes = as_plain(mask).numpy().copy()  # [h, w]
        classes[region] = IGNORED
        mask = tv.Mask(torch.from_numpy(classes))
    boxes = as_plain(sample.boxes)  # [n, 4]
    # The region is an outer product, so the hidden area of a box is the product of its hidden lengths. [n]
    hidden = _covered_fraction(columns, boxes[:, 0::2]) * _covered_fraction(rows, boxes[:, 1::2])
    size = (len(rows), len(columns))
    return update_visible(sample, boxes, 1 - hidden, size)._replace(input=to_image(image), mask=mask)


def erase(sample: ImageSample, min_area: float = 0.02, max_area: float = 0.2) -> ImageSample:
    """Fill a random rectangle inside the image with noise; its aspect ratio is 3/10 to 10/3.

    Args:
        sample: the image and its target.
        min_area: smallest area of the rectangle, as a fraction of the image's.
        max_area: largest area.
    """
    height, width = sample.input.shape[-2:]
    draws = torch.rand(4).tolist()
    area = height * width * (min_area + (max_area - min_area) * draws[0])
    ratio = (10 / 3) ** (2 * draws[1] - 1)  # uniform in log space
    hole_width, hole_height = (max(1, round(side)) for side in (sqrt(area * ratio), sqrt(area / ratio)))
    columns, rows = _interval(width, hole_width, draws[2]), _interval(height, hole_height, draws[3])
    noise = torch.randint(0, 256, (int(rows.sum()), int(columns.sum()), 3), dtype=torch.uint8)
    return hide(sample, rows, columns, noise.numpy())


def grid_mask(sample: ImageSample, min_period: float = 0.125, max_period: float = 0.5) -> ImageSample:
    """Hide a quarter of the image with a grid of gray squares.

    Args:
        sample: the image and its target.
        min_period: shortest period of the grid, as a fraction of the image's shorter side.
        max_period: longest period.
    """
    height, width = sample.input.shape[-2:]
    draws = torch.rand(3).tolist()
    period = max(2, round(min(height, width) * (min_period + (max_period - min_period) * draws[0])))
    columns, rows = (
        (np.arange(length) + int(start * period)) % period < period // 2  # half of each axis: a quarter of the area
        for length, start in ((width, draws[1]), (height, draws[2]))
    )
    return hide(sample, rows, columns)


def _interval(length: int, span: int, start: float) -> AxisMask:
    """Return an axis of ``length`` pixels with ``span`` adjacent ones selected; ``start`` (0..1) is their position."""
    span = min(span, length)
    line = np.zeros(length, np.bool_)
    first = round((length - span) * start)
    line[first : first + span] = True
    return line


def _covered_fraction(line: AxisMask, ends: Tensor) -> Tensor:
    """Return the fraction of each interval ``[n, 2]`` that lies on selected pixels, as ``[n]``."""
    total = np.concatenate([[0.0], np.cumsum(line)])  # [length + 1]: selected pixels left of each pixel border
    counts = np.interp(ends.numpy(), np.arange(len(total)), total)  # [n, 2]; borders of boxes may lie inside a pixel
    return torch.from_numpy(counts[:, 1] - counts[:, 0]).to(ends.dtype) / (ends[:, 1] - ends[:, 0])
