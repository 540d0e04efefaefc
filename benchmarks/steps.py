"""What more heads, and keeping older tasks, cost in a training step of as many pictures.

    python benchmarks/steps.py [--backbone mobilenetv2_100] [--size 224] [--batch 8] [--rounds 15]

One step of each side in turn (``benchmarks/speed.py``): a network with two heads, half of the batch for each, beside
one with one head; and the later stages of ``unified``, which keep older tasks by distillation, replay and fixed norms,
beside steps of as many pictures of the new task alone. Of those that are kept each has half as many pictures as the new
one. A step is forward, losses, backward, AdamW, in the precision that the engine would take.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, Literal

import torch

from benchmarks.speed import CLASSES, DEVICE, hardware, race, random_batch, step
from polyhead.engine.continual import Distill, Keep, Replay
from polyhead.engine.optim import freeze
from polyhead.models import efficientdet, unified
from polyhead.nets.model import Model
from polyhead.nets.precision import autocast, resolve
from polyhead.types import Batch

KINDS: dict[str, Literal["segment", "detect", "classify"]] = {"seg": "segment", "det": "detect", "cls": "classify"}
NAMES = [f"class {number}" for number in range(CLASSES)]


def plain(model: Model, batches: Mapping[str, Batch]) -> Callable[[], None]:
    """A step of every task of ``batches`` at once."""
    return keeping(model, batches, list(batches), [])


def keeping(
    model: Model, batches: Mapping[str, Batch], learning: Sequence[str], keeps: Sequence[Keep]
) -> Callable[[], None]:
    """A step as the engine does it: one pass of the trunk, the losses of what learns, and of what keeps the rest."""
    model = model.to(DEVICE).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def work() -> None:
        with autocast("auto", DEVICE):
            features = model.features({task: batch.inputs for task, batch in batches.items()})
            raws = {task: model.head(task)(pyramid) for task, pyramid in features.items()}
            losses = {
                f"{task}/{name}": value
                for task in learning
                for name, value in model.head(task).losses(raws[task], batches[task]).items()
            }
            for keep in keeps:
                losses |= keep.losses(model, batches, features, raws, 0)
        step(optimizer, losses)

    return work


def heads(backbone: str, size: int, count: int) -> dict[str, Callable[[], None]]:
    """One head and two, as many pictures."""
    whole, half = random_batch(count, size), random_batch(count // 2, size)
    tasks = {"one": {"a": whole}, "two": {"a": half, "b": half}}
    return {
        name: plain(efficientdet(backbone, size=size).build(dict.fromkeys(batches, NAMES)), batches)
        for name, batches in tasks.items()
    }


def kept(backbone: str, size: int, count: int, learnt: Sequence[str]) -> dict[str, Callable[[], None]]:
    """New pictures alone, and with older tasks kept beside them, as many in all; the last of ``learnt`` is new."""
    *older, new = learnt
    each = count // (2 + len(older))
    model = unified(KINDS, backbone, size=size).build(dict.fromkeys(KINDS, NAMES))
    student, distill, replay = deepcopy(model), Distill(features=1.0), Replay()
    asked: Any = dict.fromkeys(older)  # nothing is asked of a task but its name
    distill.start(student.to(DEVICE), asked)
    replay.start(student, asked)
    batches = {new: shown(count - each * len(older), size), **{name: shown(each, size) for name in older}}
    work = keeping(student, batches, [new], [distill, replay])
    freeze(student, {}, [new])
    return {"plain": plain(model, {new: shown(count, size)}), "kept": work}


def shown(count: int, size: int) -> Batch:
    """Random pictures with boxes, masks and a class each, for any head."""
    draw = torch.Generator().manual_seed(0)
    masks = torch.randint(CLASSES, (count, size, size), generator=draw, dtype=torch.uint8)
    values = torch.randint(CLASSES, (count,), generator=draw)
    return random_batch(count, size)._replace(masks=masks.to(DEVICE), values=values.to(DEVICE))


def main(argv: Sequence[str]) -> int:
    """Time the comparisons and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--backbone", default="mobilenetv2_100", help="timm's name of the backbone (default: %(default)s)"
    )
    parser.add_argument("--size", type=int, default=224, help="side of the pictures (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="pictures of a step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="steps of each side (default: %(default)s)")
    given = parser.parse_args(argv)
    print(hardware(resolve("auto")))
    compared: dict[str, Callable[..., dict[str, Callable[[], None]]]] = {
        "two heads / one head": heads,
        "segmentation kept / detection alone": partial(kept, learnt=["seg", "det"]),
        "segmentation and detection kept / classification alone": partial(kept, learnt=["seg", "det", "cls"]),
    }
    for what, make in compared.items():
        first, second = race(make(given.backbone, given.size, given.batch), given.rounds).values()
        ratios = [b / a for a, b in zip(first, second, strict=True)]
        print(
            f"{what}: {statistics.median(second) / statistics.median(first):.2f} "
            f"(rounds {min(ratios):.2f} to {max(ratios):.2f}), "
            f"{1e3 * statistics.median(first):.0f} ms the plain step of {given.batch} pictures"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
