"""Read the masks of a reader in tests, and change the annotations of a tiny COCO data set."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.tv_tensors import TVTensor

from polyhead.contracts.reader import Reader
from polyhead.types import Mask

COCO_FILE = "annotations/instances_train.json"


def numbers(reader: Reader, index: int) -> Tensor:
    """Return the mask of a sample, uint8 ``[h, w]``, which is a plain tensor."""
    target = reader.target(index)
    assert isinstance(target, Mask)
    assert not isinstance(target.classes, TVTensor)
    return target.classes


def area(mask: Tensor) -> dict[int, int]:
    """Return the number of pixels of each value."""
    counts = torch.bincount(mask.flatten(), minlength=256)
    return {value: int(counts[value]) for value in counts.nonzero().flatten().tolist()}


def edit(root: Path, index: int, **keys: Any) -> None:
    """Change one annotation of a tiny COCO data set."""
    document = json.loads((root / COCO_FILE).read_text())
    document["annotations"][index].update(keys)
    (root / COCO_FILE).write_text(json.dumps(document))
