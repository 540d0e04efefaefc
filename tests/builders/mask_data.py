"""Read the masks of a reader in tests, and change the annotations of a tiny COCO data set."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyhead.contracts.reader import Reader

COCO_FILE = "annotations/instances_train.json"


def numbers(reader: Reader, index: int) -> Tensor:
    """Return the mask of a sample as a plain uint8 tensor ``[h, w]``; the sample must have one."""
    mask = reader.mask(index)
    assert mask is not None
    plain: Tensor = mask.as_subclass(Tensor)
    return plain


def area(mask: Tensor) -> dict[int, int]:
    """Return the number of pixels of each value."""
    counts = torch.bincount(mask.flatten(), minlength=256)
    return {value: int(counts[value]) for value in counts.nonzero().flatten().tolist()}


def edit(root: Path, index: int, **keys: Any) -> None:
    """Change one annotation of a tiny COCO data set."""
    document = json.loads((root / COCO_FILE).read_text())
    document["annotations"][index].update(keys)
    (root / COCO_FILE).write_text(json.dumps(document))
