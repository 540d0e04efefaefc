"""Chooses image size and epochs for a given training time, from the time of a step on this machine."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from polyhead.config import recipe
from polyhead.contracts.kind import Kind
from polyhead.kinds import kind_of
from polyhead.nets.inference import on_device
from polyhead.nets.precision import resolve
from polyhead.types import Batch, Meta, Size, TaskInfo

SIZES = (320, 300, 224)
"""Image sizes to choose from, best first: larger images show smaller objects."""

TIMED_SIZE = 300
"""Image size at which a step is timed."""

ENOUGH_EPOCHS = 30
"""Epochs that must fit at an image size, unless others are asked for; a smaller size is better than fewer epochs."""

MAX_EPOCHS = 100
"""Maximum of epochs, since a small data set is rather memorized after more."""

TRAINING_FRACTION = 0.7
"""Fraction of the time for training steps; the remaining time is for the start, reading, validation and test."""


class Pace(NamedTuple):
    """The chosen size and epochs, and the reason as text."""

    size: int
    epochs: int
    why: str


def choose(
    minutes: float,
    steps: int,
    seconds: float,
    sizes: Sequence[int] = SIZES,
    enough: int = ENOUGH_EPOCHS,
    fixed: float = 0,
) -> Pace:
    """Choose the largest image size at which enough epochs fit in the time, and the number of epochs.

    Args:
        minutes: time for the whole training.
        steps: training steps per epoch.
        seconds: duration of a step at :data:`TIMED_SIZE`; that of other sizes is in proportion to their area.
        sizes: image sizes to choose from, best first.
        enough: epochs that must fit at an image size, except the last one.
        fixed: what other stages take, in epochs.
    """
    size, fitting = sizes[-1], 0
    for size in sizes:
        fitting = int(minutes * 60 * TRAINING_FRACTION / (steps * seconds * (size / TIMED_SIZE) ** 2) - fixed)
        if fitting >= enough:
            break
    epochs = min(max(fitting, 1), MAX_EPOCHS)
    fits = f"{epochs} epochs of {steps} steps fit in" if fitting else f"one epoch of {steps} steps takes longer than"
    return Pace(
        size,
        epochs,
        f"{seconds:.2f} s per step at {TIMED_SIZE} pixels on this machine; at {size} pixels {fits} {minutes:g} minutes",
    )


def step_seconds(spec: dict[str, Any], names: Sequence[str], count: int) -> float:
    """Time a training step on random images: the faster of two steps, after one to warm up.

    Args:
        spec: the model as in a recipe; a head for a task named ``task`` is built.
        names: class names.
        count: images per step.

    Returns:
        Seconds.
    """
    model = recipe.build_model(spec).build({"task": TaskInfo(list(names))}).train()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())
    assert model.size is not None, "a model of images"
    batch = _random_batch(kind_of(model.head("task").kind), names, model.size, count)
    batch = on_device(batch, torch.device(device))
    batch = batch._replace(target=type(batch.target)(*(column.to(device) for column in batch.target)))
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(resolve("auto"))
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
            head = model.head("task")
            terms = head.losses(head(model.trunk(batch.inputs)), batch)
            loss = torch.stack([term.value for term in terms.values()]).sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        durations.append(time.perf_counter() - start)
    return min(durations[1:])


def _random_batch(kind: Kind, names: Sequence[str], size: Size, count: int) -> Batch:
    """Return a batch of random images, each with the same small target."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, *size), generator=generator, dtype=torch.uint8)
    return Batch(
        images, kind.collate([kind.example(names, size)] * count), [Meta(str(index)) for index in range(count)]
    )
