"""Time of a training step of Polyhead's EfficientDet-D0 and of effdet's, random weights, in one run.

    PYTHONPATH=/tmp/effdet python benchmarks/effdet_speed.py [--size 512] [--batch 4] [--rounds 15]

How effdet is fetched stands in ``benchmarks/effdet_parity.py``. Both have EfficientNet-B0 as backbone, 20 classes and
the same random images and boxes; a step is normalizing, forward, matching, losses, backward and AdamW. Each side is
timed in turn (``benchmarks/speed.py``), in float32, and ours once more in the precision that ``precision: auto`` takes,
if that is another.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

# effdet is measured against from a folder of its own, so neither mypy nor pylint can find it
from effdet.bench import DetBenchTrain
from effdet.config import get_efficientdet_config
from effdet.efficientdet import EfficientDet

from benchmarks.speed import CLASSES, DEVICE, TYPES, hardware, race, random_batch, row, step
from benchmarks.steps import INFO, plain
from polyhead.models import efficientdet
from polyhead.nets.precision import resolve
from polyhead.types import Batch

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def ours(batch: Batch, size: int, precision: str) -> Callable[[], None]:
    """Return a function that takes one step of Polyhead, channels-last."""
    work = plain(efficientdet(size=size).build({"task": INFO}), {"task": batch})
    kind = TYPES[precision]

    def train() -> None:
        with torch.autocast(DEVICE, dtype=kind, enabled=kind is not None):
            work()

    return train


def theirs(batch: Batch, size: int) -> Callable[[], None]:
    """Return a function that takes one step of effdet with its defaults: float32, channels first.

    effdet numbers classes from 1 and stores y before x.
    """
    config = get_efficientdet_config("efficientdet_d0")
    config.update({"backbone_name": "efficientnet_b0", "image_size": (size, size), "num_classes": CLASSES})
    network = EfficientDet(config, pretrained_backbone=False)
    bench: Any = DetBenchTrain(network, create_labeler=True).to(DEVICE).train()
    optimizer = torch.optim.AdamW(bench.parameters(), lr=1e-4)
    mean, std = (torch.tensor(value, device=DEVICE).view(3, 1, 1) for value in (MEAN, STD))
    boxes, labels = batch.target.boxes, batch.target.labels
    target = {"bbox": [each[:, [1, 0, 3, 2]] for each in boxes], "cls": [each + 1.0 for each in labels]}
    images = batch.inputs
    assert isinstance(images, torch.Tensor)

    def train() -> None:
        step(optimizer, {"loss": bench((images.float() - mean) / std, target)["loss"]})

    return train


def main(argv: Sequence[str]) -> int:
    """Time both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="side of the images in pixels (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="images a step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="timed steps of each side (default: %(default)s)")
    given = parser.parse_args(argv)
    torch.manual_seed(0)
    auto = resolve("auto")
    batch = random_batch(given.batch, given.size)
    mine = {name: ours(batch, given.size, name) for name in dict.fromkeys(("32-true", auto))}
    print(hardware(auto))
    print(f"EfficientDet-D0, {given.size} pixels, batch {given.batch}, {given.rounds} rounds")
    print(f"{'':<30}{'Polyhead':>10}{'effdet':>13}{'ratio':>9}  least to most of a round")
    taken = race({**mine, "effdet": theirs(batch, given.size)}, given.rounds)
    for name in mine:
        print(row(f"training step, ms, {name}", taken[name], taken["effdet"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
