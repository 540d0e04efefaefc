"""Measure what further heads and continual losses cost in a training step with the same number of images.

    python benchmarks/steps.py [--backbone mobilenetv2_100] [--size 224] [--batch 8] [--rounds 15]

The sides take one step in turn (``benchmarks/speed.py``). The first comparison is a network with two heads, each with
half of the batch, against one head. The others are later stages of ``unified``, which protect earlier tasks by
distillation, replay and fixed batch norm statistics, against steps of the new task alone with as many images.
Each earlier task has half as many images as the new one. A step is forward, losses, backward and AdamW, in the
precision that the engine would choose.
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
from polyhead.engine.continual import ContinualLoss, Distill, Replay
from polyhead.engine.optim import freeze
from polyhead.models import efficientdet, unified
from polyhead.nets.model import Model
from polyhead.nets.precision import autocast, resolve
from polyhead.types import Batch, LabelBatch, MaskBatch, TaskInfo

KINDS: dict[str, Literal["segment", "detect", "classify"]] = {"seg": "segment", "det": "detect", "cls": "classify"}
INFO = TaskInfo([f"class {number}" for number in range(CLASSES)])


def plain(model: Model, batches: Mapping[str, Batch]) -> Callable[[], None]:
    """Return a function that takes one joint training step of all tasks in ``batches``."""
    return training_step(model, batches, list(batches), [])


def training_step(
    model: Model, batches: Mapping[str, Batch], learning: Sequence[str], protect: Sequence[ContinualLoss]
) -> Callable[[], None]:
    """Return a function that takes one step as the engine does: one trunk pass, task losses, continual losses."""
    model = model.to(DEVICE).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def work() -> None:
        with autocast("auto", DEVICE):
            features = model.features({task: batch.inputs for task, batch in batches.items()})
            raws = {task: model.head(task)(pyramid) for task, pyramid in features.items()}
            losses = {
                f"{task}/{name}": term.value
                for task in learning
                for name, term in model.head(task).losses(raws[task], batches[task]).items()
            }
            for each in protect:
                losses |= each.losses(model, batches, features, raws, 0)
        step(optimizer, losses)

    return work


def heads(backbone: str, size: int, count: int) -> dict[str, Callable[[], None]]:
    """Return a step with one head and a step with two heads, with the same number of images."""
    whole, half = random_batch(count, size), random_batch(count // 2, size)
    tasks = {"one": {"a": whole}, "two": {"a": half, "b": half}}
    return {
        name: plain(efficientdet(backbone, size=size).build(dict.fromkeys(batches, INFO)), batches)
        for name, batches in tasks.items()
    }


def continual(backbone: str, size: int, count: int, learned: Sequence[str]) -> dict[str, Callable[[], None]]:
    """Return a step of the new task alone and one that protects the earlier tasks, with the same number of images.

    The last of ``learned`` is the new task.
    """
    *older, new = learned
    each = count // (2 + len(older))
    model = unified(KINDS, backbone, size=size).build(dict.fromkeys(KINDS, INFO))
    student, distill, replay = deepcopy(model), Distill(features=1.0), Replay()
    earlier: Any = dict.fromkeys(older)  # only the names of the tasks are used
    distill.start(student.to(DEVICE), earlier)
    replay.start(student, earlier)
    batches = {new: shown(new, count - each * len(older), size), **{name: shown(name, each, size) for name in older}}
    work = training_step(student, batches, [new], [distill, replay])
    freeze(student, {}, [new])
    return {"plain": plain(model, {new: shown(new, count, size)}), "continual": work}


def shown(task: str, count: int, size: int) -> Batch:
    """Return random images with the targets of a task: masks (``seg``), boxes (``det``) or classes (``cls``)."""
    draw = torch.Generator().manual_seed(0)
    masks = torch.randint(CLASSES, (count, size, size), generator=draw, dtype=torch.uint8)
    labels = torch.randint(CLASSES, (count,), generator=draw)
    batch = random_batch(count, size)
    targets = {"seg": MaskBatch(masks.to(DEVICE)), "det": batch.target, "cls": LabelBatch(labels.to(DEVICE))}
    return batch._replace(target=targets[task])


def main(argv: Sequence[str]) -> int:
    """Time the comparisons and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--backbone", default="mobilenetv2_100", help="timm's name of the backbone (default: %(default)s)"
    )
    parser.add_argument("--size", type=int, default=224, help="side of the images (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="images of a step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="steps of each side (default: %(default)s)")
    given = parser.parse_args(argv)
    print(hardware(resolve("auto")))
    compared: dict[str, Callable[..., dict[str, Callable[[], None]]]] = {
        "two heads / one head": heads,
        "detection that protects segmentation / detection alone": partial(continual, learned=["seg", "det"]),
        "classification that protects both / classification alone": partial(continual, learned=["seg", "det", "cls"]),
    }
    for what, make in compared.items():
        first, second = race(make(given.backbone, given.size, given.batch), given.rounds).values()
        ratios = [b / a for a, b in zip(first, second, strict=True)]
        print(
            f"{what}: {statistics.median(second) / statistics.median(first):.2f} "
            f"(rounds {min(ratios):.2f} to {max(ratios):.2f}), "
            f"{1e3 * statistics.median(first):.0f} ms the plain step of {given.batch} images"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
