"""Times ultralytics' YOLO11n for benchmarks/yolox_speed.py, which starts this with an interpreter that can import it.

``ultralytics_speed.py SIZE CLOCK``, whose clock is one of the ``time`` module. For each line ``IMAGES VARIANT`` on
standard input, such as ``20 bf16 channels-last``, it answers ``answer SECONDS`` for one image; for ``version``, what it
measures. Weights are random, and batch norms are folded by ultralytics itself.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any


def main(size: str, clock: str) -> None:
    """Answer requests until standard input ends."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"YOLO_CONFIG_DIR": home, "YOLO_OFFLINE": "True", "YOLO_VERBOSE": "False"}
        works: dict[str, Callable[[], Any]] = {}
        for line in sys.stdin:
            if line.strip() == "version":
                print("answer", version(), flush=True)
                continue
            count, _, variant = line.strip().partition(" ")
            if variant not in works:
                works[variant] = make(int(size), variant)
            print("answer", seconds(works[variant], int(count), clock), flush=True)


def make(size: int, variant: str) -> Callable[[], Any]:
    """Return a function that computes boxes and scores of one image with the network of a variant."""
    import torch
    from ultralytics import YOLO

    torch.set_num_threads(1)
    words = variant.split()
    layout = torch.channels_last if "channels-last" in words else torch.contiguous_format
    kind = torch.bfloat16 if "weights" in words else torch.float32
    network = YOLO("yolo11n.yaml").model.eval().fuse().to(kind).to(memory_format=layout)
    images = torch.rand(1, 3, size, size).to(kind).contiguous(memory_format=layout)
    cast = torch.autocast("cpu", torch.bfloat16, enabled="bf16" in words and "weights" not in words)

    def infer() -> Any:
        with torch.inference_mode(), cast:
            return network(images)

    return infer


def version() -> str:
    """Return the versions of what is measured."""
    import torch
    import ultralytics

    return f"ultralytics {ultralytics.__version__}, torch {torch.__version__}"


def seconds(work: Callable[[], Any], count: int, clock: str) -> float:
    """Return the mean seconds of a call."""
    now = getattr(time, clock)
    begun = now()
    for _ in range(count):
        work()
    return float(now() - begun) / count


if __name__ == "__main__":
    main(*sys.argv[1:])
