"""Times the loader of ultralytics for benchmarks/loader.py, which starts this with an interpreter that can import it.

``ultralytics_loader.py DATA SIZE BATCH MOSAIC CLOCK``, whose clock is one of the ``time`` module; for each line
``cold`` or ``warm`` on standard input it makes one pass over the data, and answers ``rate IMAGES_A_SECOND``. Its
label cache is written beside a copy of the data, never beside the data itself.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main(data: str, size: str, batch: str, mosaic: str, clock: str) -> None:
    """Answer requests until standard input ends."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"YOLO_CONFIG_DIR": home, "YOLO_OFFLINE": "True", "YOLO_VERBOSE": "False"}
        root = Path(home) / "data"
        shutil.copytree(data, root)
        loader = make(root, int(size), int(batch), float(mosaic), cold=False)
        for line in sys.stdin:
            used = make(root, int(size), int(batch), float(mosaic), cold=True) if line.strip() == "cold" else loader
            print("rate", rate(used, int(batch), clock), flush=True)


def make(root: Path, size: int, batch: int, mosaic: float, *, cold: bool) -> Any:
    """Return a data set with ultralytics' settings except for mosaic; if warm, it holds every image in memory."""
    import cv2
    import torch
    import yaml
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    described = yaml.safe_load((root / "data.yaml").read_text(encoding="utf-8"))
    names = described["names"]
    described |= {"names": names if isinstance(names, dict) else dict(enumerate(names)), "channels": 3}
    settings = get_cfg()
    settings.mosaic = mosaic
    return YOLODataset(
        img_path=str(root / described["train"]),
        data={**described, "nc": len(names)},
        imgsz=size,
        batch_size=batch,
        augment=True,
        hyp=settings,
        cache=False if cold else "ram",
        task="detect",
    )


def rate(data: Any, batch: int, clock: str) -> float:
    """Return the images per second of one pass, collation included."""
    import torch

    order = torch.randperm(len(data)).tolist()
    now = getattr(time, clock)
    begun = now()
    for first in range(0, len(order) - batch + 1, batch):
        data.collate_fn([data[index] for index in order[first : first + batch]])
    return float(len(order) // batch * batch / (now() - begun))


if __name__ == "__main__":
    main(*sys.argv[1:])
