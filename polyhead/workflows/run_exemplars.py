"""Save the samples of a run that later tasks need: exemplars to replay, and val and test samples to score."""

from collections.abc import Callable, Mapping
from math import ceil

from polyhead.data.loading.source import TaskData
from polyhead.data.readers.exemplars import ExemplarReader, save_exemplars
from polyhead.data.splits.make import SPLITS
from polyhead.engine.continual.exemplars import balanced_indices, shuffled_indices
from polyhead.rng import derive_seed
from polyhead.run import Run

EXEMPLAR_FRACTION = 0.1
"""Fraction of the training images of each task that a run stores for replay."""
MIN_PROBE_TEST = 50
"""Test images of a task below which its forgetting cannot be measured reliably."""
PROBE_IMAGES = 200
"""Maximum of val images, and of test images, of each task that a run stores for later evaluation."""


def save_exemplars_of_run(
    run: Run, tasks: Mapping[str, TaskData], limit: float, seed: int, log: Callable[[str], None]
) -> None:
    """Save the images that 'polyhead extend' needs of each task: exemplars to replay, val and test images to score.

    Training images are a class-balanced tenth; val and test images are up to :data:`PROBE_IMAGES` random ones each. Of
    a task that was itself read from exemplars, all are saved.

    Args:
        run: the run.
        tasks: its tasks.
        limit: maximum size in MiB for each task and split; 0 saves nothing.
        seed: seed of the run.
        log: receives a line per task.
    """
    if limit <= 0:
        return
    for name, task in tasks.items():
        counts = []
        for split in SPLITS:
            folder = run.exemplar_folder(split, name)
            indices = _exemplar_indices(task, split, derive_seed(seed, "kept", name, split))  # part of the random key
            reader, terms = task.readers[split], task.license
            count = save_exemplars(reader, indices, folder, task.kind, task.modality, limit, terms, task.info)
            counts.append(f"{count} {split}")
        license_text = task.license or f"license unknown; set data.{name}.license"
        log(f"{name}: saved {', '.join(counts)} images for later tasks ({license_text})")
        count = len(ExemplarReader(run.exemplar_folder("test", name)))
        if count < MIN_PROBE_TEST:
            log(
                f"{name}: only {count} test images to measure forgetting by later tasks; at least {MIN_PROBE_TEST} are "
                "recommended"
            )


def _exemplar_indices(task: TaskData, split: str, seed: int) -> list[int]:
    """Return the indices of the images of a split to save, the most important first."""
    reader = task.readers[split]
    if task.stored:
        return list(range(len(reader)))  # in the order in which they were selected
    if split == "train":
        indices = balanced_indices(task.shown_classes(split), len(reader), seed)
        count = ceil(EXEMPLAR_FRACTION * len(reader))
    else:  # not balanced: scores must agree with those on the whole split
        indices = shuffled_indices(len(reader), seed)
        count = PROBE_IMAGES
    has_content = task.kind.has_content(task.targets(split))
    first = next((index for index in indices if has_content[index]), indices[0])  # the first is saved whatever its size
    return [first, *(index for index in indices if index != first)][:count]
