"""Data for the tests of plots: a PNG file as an array, and the rows of ``results.csv``."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def pixels(path: Path) -> np.ndarray:
    """Read a PNG file as an RGB array ``[h, w, 3]``."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.array(image.convert("RGB"))


def rows() -> list[dict[str, Any]]:
    """Return rows of ``results.csv``: five epochs in two stages, validated every second epoch."""
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
