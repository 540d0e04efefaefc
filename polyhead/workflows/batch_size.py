"""Find the largest batch that fits in memory, for ``batch: auto``."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial

from polyhead.config.recipe import Parts
from polyhead.data.loading.source import AUTO, TaskData
from polyhead.engine import memory
from polyhead.engine.smoke import step_of
from polyhead.errors import PolyheadError
from polyhead.nets.inference import on_device
from polyhead.nets.model import Model
from polyhead.rng import fork_rng

LARGEST = 64
"""No larger batch is tried: it would train no faster, and need another learning rate."""
STEPS = 8
"""An epoch has at least so many steps."""
FRACTION = 0.7
"""Fraction of the free memory that a step may use: other images have more objects, and the optimizer needs some."""


def set_batches(tasks: Mapping[str, TaskData], batches: Mapping[str, int]) -> None:
    """Set the batch sizes that were found when the run was started."""
    for name, batch in batches.items():
        tasks[name].set_batch(batch)


def auto_batches(parts: Parts, tasks: Mapping[str, TaskData]) -> dict[str, int]:
    """Find and set the batch of the tasks with ``batch: auto``: the largest power of two that fits.

    Steps with 2, 4, 8… samples of each are tried on a copy of the model, with all heads at once, until the next one
    would not fit, an epoch would have fewer than :data:`STEPS` steps, or :data:`LARGEST` is reached.

    Args:
        parts: the model, with its heads built.
        tasks: the data of each task.

    Returns:
        The batch of each of these tasks; empty without any.

    Raises:
        PolyheadError: if a step with 2 samples does not fit.
    """
    auto = {name: task for name, task in tasks.items() if task.source.batch == AUTO}
    if not auto:
        return {}
    most = min(LARGEST, *(max(2, len(task) // STEPS) for task in auto.values()))
    model = deepcopy(parts.model).to(memory.device()).train()
    with fork_rng(parts.settings.seed, "batch"):
        batch = largest_batch(partial(_step, model, tasks), most, memory.peak() + FRACTION * memory.free())
    if not batch:
        raise PolyheadError(
            "batch: auto: a step with 2 samples does not fit in the memory. Use smaller images (imgsz)."
        )
    found = dict.fromkeys(auto, batch)
    set_batches(tasks, found)
    return found


def largest_batch(step: Callable[[int], float], most: int, limit: float) -> int:
    """Return the largest power of two, of 2 or more, with which a step fits; 0 if none does.

    Args:
        step: tries a step with a batch and returns the most memory used so far, in bytes.
        most: no larger batch is tried.
        limit: a batch that would use more memory, as the growth so far shows, is not tried.
    """
    largest, used = 0, memory.peak()
    for batch in (2**power for power in range(1, most.bit_length())):
        try:
            now = step(batch)
        except (RuntimeError, MemoryError) as error:
            if memory.is_full(error):
                break
            raise
        largest, growth, used = batch, now - used, now
        if used + 2 * growth > limit:  # the next batch is twice as large
            break
    return largest


def _step(model: Model, tasks: Mapping[str, TaskData], batch: int) -> float:
    """Compute the gradients of one step; return the most memory used so far, in bytes."""
    counts = {name: batch if task.source.batch == AUTO else task.batch for name, task in tasks.items()}
    batches = {name: on_device(tasks[name].few(count), memory.device()) for name, count in counts.items()}
    step_of(model, batches).total.backward()  # type: ignore[no-untyped-call]  # torch has no types here
    model.zero_grad(set_to_none=True)
    return memory.peak()
