"""Build images and untrained weights for tests of prediction."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from polyhead import checkpoint
from polyhead.models import ssd300
from polyhead.types import TaskInfo


def noisy_photos(folder: Path) -> Path:
    """Write five noisy images of different sizes, one of them rotated by EXIF, and two files that are not images."""
    draw = np.random.default_rng(0)
    for number, (height, width) in enumerate([(160, 160), (90, 200), (301, 77), (40, 40)]):
        blocks = draw.integers(0, 256, (height // 10 + 1, width // 10 + 1, 3), dtype=np.uint8)
        Image.fromarray(blocks.repeat(10, 0).repeat(10, 1)[:height, :width]).save(folder / f"photo{number}.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.open(folder / "photo1.png").save(folder / "turned.jpg", exif=turned)
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.jpg").write_text("not an image")
    return folder


def write(path: Path, tasks: dict[str, list[str]], function: Callable[..., Any] = ssd300, **arguments: Any) -> Path:
    """Write random weights; they are spread widely so that no two scores are nearly equal."""
    torch.manual_seed(0)
    model = function(**arguments).build({task: TaskInfo(names) for task, names in tasks.items()})
    with torch.no_grad():
        for head in model.heads.values():
            for value in head.parameters():
                value.normal_(std=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent.parent / "config.yaml").write_text("seed: 0\n")
    checkpoint.save(
        path,
        {
            "state": model.state_dict(),
            "model": {
                "class_path": f"polyhead.models.{function.__name__}",
                "init_args": {**arguments, "weights": None},
            },
            "tasks": {
                task: {
                    "names": names,
                    "categories": names,
                    "kind": model.head(task).kind,
                    "modality": {"name": "image", "state": {"size": list(model.size), "fit": "stretch"}},
                }
                for task, names in tasks.items()
            },
        },
    )
    return path


def two_detectors(folder: Path) -> Path:
    """Write a run folder with weights of two detectors on one backbone."""
    tasks = {"street": ["person", "car"], "food": ["cake"]}
    write(folder / "weights" / "best.pt", tasks, backbone="test_resnet", size=160)
    return folder
