"""Compute priors for the boxes of a data folder (``polyhead data anchors``)."""

from pathlib import Path

import torch

from polyhead.boxes.priors import cluster_sizes, mean_iou
from polyhead.contracts.kind import Targets
from polyhead.data.formats.recognize import recognize
from polyhead.errors import PolyheadError, counted
from polyhead.kinds import kind_of
from polyhead.models.yolov3 import priors_of
from polyhead.types import TaskInfo


def anchors(folder: str | Path, reader: str | None = None, count: int = 9, size: int = 416) -> list[str]:
    """Return lines with priors that fit the boxes of the training split, as a recipe has them, and how well they fit.

    Args:
        folder: the data folder.
        reader: its format, if it has several.
        count: number of priors: nine for ``yolov3``, six for ``yolov3_tiny``.
        size: side of the network's square images in pixels.

    Raises:
        PolyheadError: if the folder has no boxes.
    """
    if count < 1 or size < 1:
        raise PolyheadError(f"--count and --size must be 1 or more, got {count} and {size}")
    found = recognize(folder, reader).splits["train"]
    kind = kind_of(found.kind)
    fractions = kind.info(Targets.of(kind, found), ()).target.get("box_sizes", [])
    if not fractions:
        raise PolyheadError(
            f"{folder}: expected boxes, got data for {found.kind} without any. Give a data set of boxes."
        )
    sizes = size * torch.tensor(fractions)  # [n, 2]
    own = cluster_sizes(sizes, count)
    shown = ", ".join(f"[{width:.0f}, {height:.0f}]" for width, height in own.tolist())
    published = torch.tensor(priors_of(TaskInfo([]), count, size))
    fit = f"their mean IoU with the best prior is {mean_iou(sizes, own):.3f}"
    against = f", and {mean_iou(sizes, published):.3f} with COCO's priors" if len(published) == count else ""
    return [f"anchors: [{shown}]", f"{counted(len(sizes), 'box', 'boxes')}: {fit}{against}"]
