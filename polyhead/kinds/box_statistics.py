"""How many objects of each class a split of a detection task has, and where their boxes are."""

import numpy as np
import torch

from polyhead.contracts.kind import Targets


def object_counts(targets: Targets) -> list[int]:
    """Return the number of objects of each class; ignored objects are not counted."""
    found = torch.cat([target.labels[~target.ignore] for target in targets.gathered.values()])  # [objects]
    counts: list[int] = torch.bincount(found, minlength=len(targets.names)).tolist()
    return counts


def relative_boxes(targets: Targets) -> np.ndarray:
    """Return all boxes but the ignored ones, as fractions of their image's sides, ``[n, 4]``."""
    boxes = [
        target.boxes[~target.ignore] / torch.tensor([target.size[1], target.size[0]] * 2)  # width, height, twice
        for target in targets.gathered.values()
    ]
    return torch.cat([torch.zeros(0, 4), *boxes]).numpy()
