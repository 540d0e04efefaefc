"""What tests ask of a mask, and a way to change outlines."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyhead.contracts.reader import Reader

SHEET = "annotations/instances_train.json"


def numbers(reader: Reader, index: int) -> Tensor:
    """A sample's mask as a plain tensor; there must be one."""
    mask = reader.mask(index)
    assert mask is not None
    plain: Tensor = mask.as_subclass(Tensor)
    return plain


def area(mask: Tensor) -> dict[int, int]:
    """How many pixels have each value."""
    counts = torch.bincount(mask.flatten(), minlength=256)
    return {value: int(counts[value]) for value in counts.nonzero().flatten().tolist()}


def edit(root: Path, place: int, **keys: Any) -> None:
    """Change one annotation of a tiny COCO data set."""
    document = json.loads((root / SHEET).read_text())
    document["annotations"][place].update(keys)
    (root / SHEET).write_text(json.dumps(document))
