"""Parts of a picture hidden at random: random erasing (Zhong et al. 2020) and grid mask (Chen et al. 2020).

What is hidden is an outer product of rows and columns, so the hidden share of every box is found exactly.
"""

from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.data.geometry.affine import Pixels, image, pixels
from polyhead.data.geometry.crop import GREY
from polyhead.data.geometry.visible import plain, see
from polyhead.types import IGNORED, Sample

Line = NDArray[np.bool_]
"""Which pixels of an axis are meant."""


def hide(sample: Sample, rows: Line, columns: Line, filling: Pixels | int = GREY) -> Sample:
    """The sample without the pixels where ``rows`` and ``columns`` are both true (mask: 255).

    Boxes stay as they are, as with any object that stands behind another; objects that are nearly gone become ignored
    (:func:`polyhead.data.geometry.visible.see`).

    Args:
        sample: the picture and its truth.
        rows: ``[h]``.
        columns: ``[w]``.
        filling: what is seen instead; a level, or the pixels ``[rows, columns, 3]``.
    """
    where = np.ix_(rows, columns)
    picture = pixels(sample.input).copy()
    picture[where] = filling
    mask = sample.mask
    if mask is not None:
        classes = plain(mask).numpy().copy()
        classes[where] = IGNORED
        mask = tv.Mask(torch.from_numpy(classes))
    boxes = plain(sample.boxes)
    hidden = _covered(columns, boxes[:, 0::2]) * _covered(rows, boxes[:, 1::2])
    size = (len(rows), len(columns))
    return see(sample, boxes, 1 - hidden, size)._replace(input=image(picture), mask=mask)


def erase(sample: Sample, least: float = 0.02, most: float = 0.2) -> Sample:
    """Noise in a rectangle of ``least`` to ``most`` of the picture's area, of ratio 3/10 to 10/3, anywhere inside."""
    height, width = sample.input.shape[-2:]
    draws = torch.rand(4).tolist()
    area = height * width * (least + (most - least) * draws[0])
    ratio = (10 / 3) ** (2 * draws[1] - 1)
    wide, high = (max(1, round(side)) for side in (sqrt(area * ratio), sqrt(area / ratio)))
    columns, rows = _run(width, wide, draws[2]), _run(height, high, draws[3])
    noise = torch.randint(0, 256, (int(rows.sum()), int(columns.sum()), 3), dtype=torch.uint8)
    return hide(sample, rows, columns, noise.numpy())


def grid_mask(sample: Sample, least: float = 0.125, most: float = 0.5) -> Sample:
    """Grey squares in a grid, which hide a quarter of the picture.

    Args:
        sample: the picture and its truth.
        least: shortest period of the grid, as a share of the picture's shorter side.
        most: longest period.
    """
    height, width = sample.input.shape[-2:]
    draws = torch.rand(3).tolist()
    period = max(2, round(min(height, width) * (least + (most - least) * draws[0])))
    columns, rows = (
        (np.arange(length) + int(start * period)) % period < period // 2
        for length, start in ((width, draws[1]), (height, draws[2]))
    )
    return hide(sample, rows, columns)


def _run(length: int, span: int, start: float) -> Line:
    """``span`` pixels in a row, of ``length``; ``start`` (0..1) tells how far along they lie."""
    span = min(span, length)
    line = np.zeros(length, np.bool_)
    first = round((length - span) * start)
    line[first : first + span] = True
    return line


def _covered(line: Line, ends: Tensor) -> Tensor:
    """The share of each stretch ``[n, 2]`` that lies on true pixels."""
    total = np.concatenate([[0.0], np.cumsum(line)])
    along = np.interp(ends.numpy(), np.arange(len(total)), total)
    return torch.from_numpy(along[:, 1] - along[:, 0]).to(ends.dtype) / (ends[:, 1] - ends[:, 0])
