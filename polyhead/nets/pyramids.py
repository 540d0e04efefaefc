"""What necks, heads and losses do with the levels of a pyramid, whether they are maps, sequences or vectors."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.types import Pyramid, PyramidSpec, Size


def level_at(spec: PyramidSpec, stride: int) -> int:
    """Return the index of the level with a stride, or of the last level if there is none."""
    return spec.strides.index(stride) if stride in spec.strides else len(spec.strides) - 1


def pool(level: Float[Tensor, "b c *cells"], mask: Bool[Tensor, "b t"] | None = None) -> Float[Tensor, "b c"]:
    """Compute the mean over all cells of a level.

    Args:
        level: maps ``[b, c, h, w]``, sequences ``[b, c, t]`` or vectors ``[b, c]``.
        mask: the positions of sequences that are not padding. The mean is over these, so it does not depend on the
            other sequences of the batch; it is 0 for a sequence without any.
    """
    if level.ndim == 2:
        return level
    if mask is None or level.ndim > 3:
        return level.mean(dim=(2, 3) if level.ndim == 4 else 2)
    real = mask.unsqueeze(1)  # [b, 1, t]
    return level.masked_fill(~real, 0.0).sum(dim=2) / real.sum(dim=2).clamp(min=1)


def real_cells(level: Tensor, mask: Bool[Tensor, "b t"] | None) -> Tensor:
    """Return the positions of sequences ``[b, c, t]`` that are not padding, as ``[n, c]``; other levels unchanged."""
    return level if mask is None or level.ndim != 3 else level.transpose(1, 2)[mask]


def split(pyramid: Pyramid, counts: Sequence[int]) -> list[Pyramid]:
    """Split the pyramid of a batch into those of its parts, which have these numbers of samples."""
    sizes = list(counts)
    parts = zip(*(torch.split(level, sizes) for level in pyramid.levels), strict=True)  # the levels of each part
    masks = [None] * len(sizes) if pyramid.mask is None else torch.split(pyramid.mask, sizes)
    return [pyramid._replace(levels=list(part), mask=mask) for part, mask in zip(parts, masks, strict=True)]


def canvas_of(pyramid: Pyramid) -> Size:
    """Return the height and width of the images that a pyramid was computed from.

    Raises:
        PolyheadError: if it was not computed from images.
    """
    if pyramid.canvas is None:
        raise PolyheadError(
            "the head predicts positions in an image, but its backbone does not read images. Use another head for this "
            "task, such as classify."
        )
    return pyramid.canvas
