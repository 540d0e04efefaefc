"""What the tests of plots share: a drawn file as an array, and the rows of a training."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def pixels(path: Path) -> np.ndarray:
    """The picture of a PNG file."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.array(picture.convert("RGB"))


def rows() -> list[dict[str, Any]]:
    """Of ``results.csv``: five epochs in two stages, validated every second epoch."""
    return [
        {
            "stage": epoch // 3,
            "epoch": epoch % 3,
            "time": epoch * 2.5,
            "train/loss": 3 - epoch / 2,
            "train/food/box": 2 - epoch / 4,
            "val/food/box": "" if epoch % 2 else 2.0,
            "val/food/ap50": "" if epoch % 2 else epoch / 10,
            "val/food/ap": "nan",
            "lr": 0.001,
        }
        for epoch in range(5)
    ]
