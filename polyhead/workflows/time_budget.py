"""How far a training gets in the time there is: a step is timed on this machine, size and epochs follow."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from polyhead.config import recipe
from polyhead.nets.precision import resolve
from polyhead.types import Batch

SIZES = (320, 300, 224)
"""Sides of pictures to choose from, best first: bigger pictures show smaller objects."""

TIMED = 300
"""Side of the pictures that a step is timed with."""

ENOUGH = 30
"""Epochs that a larger size must leave time for; a smaller size is better than fewer."""

MOST = 100
"""Epochs after which a small data set is rather learnt by heart."""

SHARE = 0.7
"""Of the time, what is for training steps; the rest goes to start, reading, validation and test."""


class Pace(NamedTuple):
    """What was chosen, and why in words."""

    size: int
    epochs: int
    why: str


def choose(minutes: float, steps: int, seconds: float) -> Pace:
    """The largest size at which enough epochs fit into the time, and their number.

    Args:
        minutes: for the whole training.
        steps: training steps an epoch.
        seconds: of one step at ``TIMED`` pixels; other sizes take time by their area.
    """
    fitting = 0
    for size in SIZES:
        fitting = int(minutes * 60 * SHARE / (steps * seconds * (size / TIMED) ** 2))
        if fitting >= ENOUGH:
            break
    epochs = min(max(fitting, 1), MOST)
    fits = f"{epochs} epochs of {steps} steps fit in" if fitting else f"one epoch of {steps} steps takes longer than"
    return Pace(
        size, epochs, f"{seconds:.2f} s a step at {TIMED} pixels here; at {size} pixels {fits} {minutes:g} minutes"
    )


def step_seconds(spec: dict[str, Any], names: Sequence[str], count: int) -> float:
    """Seconds of one training step of a model on random pictures; the better of two, after a first to warm up.

    The head is that of a task named ``task``.
    """
    model = recipe.build_model(spec).build({"task": list(names)}).train()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())
    batch = _random_batch(model.size, len(names), count, device)
    kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(resolve("auto"))
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device, dtype=kind, enabled=kind is not None):
            head = model.head("task")
            loss = sum(head.losses(head(model.trunk(batch.inputs)), batch).values(), torch.zeros((), device=device))
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    return min(taken[1:])


def _random_batch(size: tuple[int, int], classes: int, count: int, device: str) -> Batch:
    draw = torch.Generator().manual_seed(0)
    height, width = size
    return Batch(
        inputs=torch.randint(0, 256, (count, 3, height, width), generator=draw, dtype=torch.uint8).to(device),
        boxes=torch.tensor([0.2 * width, 0.2 * height, 0.7 * width, 0.7 * height]).expand(count, 1, 4).to(device),
        labels=torch.zeros(count, 1, dtype=torch.int64, device=device),
        ignore=torch.zeros(count, 1, dtype=torch.bool, device=device),
        annotated=torch.ones(count, classes, dtype=torch.bool, device=device),
        frames=torch.zeros(count, 3, 2, device=device),
        sizes=torch.tensor([[height, width]]).expand(count, 2).to(device),
        ids=[str(index) for index in range(count)],
        masks=torch.zeros(count, height, width, dtype=torch.uint8, device=device),
        values=torch.zeros(count, dtype=torch.int64, device=device),
    )
