"""Explain predictions for the images of a split of a run: enough maps for an average."""

from collections.abc import Iterator

import torch

from polyhead.data.loading.source import TaskData
from polyhead.errors import Problem
from polyhead.rng import derive_seed
from polyhead.workflows.explain import Explained, Explainer
from polyhead.workflows.split import samples

MOST = 50
"""Predictions of a split that are explained."""
EACH = 10
"""Predictions of an image that are explained."""


def explain_split(
    explainer: Explainer,
    task: TaskData,
    split: str,
    unread: list[Problem],
    conf: float | None = None,
    label: str | None = None,
) -> Iterator[Explained]:
    """Yield explanations for the images of a split in random order, the same at every call, until there are enough.

    Of items about the whole input, such as the classes of a classifier, only the first is explained.

    Args:
        explainer: explains the head.
        task: its data.
        split: the split.
        unread: the problem of each image that cannot be read is appended.
        conf: lowest score of a box; None for the operating point of the task, or 0.25.
        label: the class to explain; None for all.
    """
    generator = torch.Generator().manual_seed(derive_seed(0, "explain", task.name, split))
    order = torch.randperm(len(task.readers[split]), generator=generator).tolist()
    left = MOST
    for index, sample in samples(task, split, unread, order):
        forward = explainer.run(sample.input, conf)
        places = explainer.places(forward, label)
        chosen = [place for place in places if place == places[0] or forward.items[place].box is not None]
        image = task.readers[split].entry(index).path or sample.meta.id
        found = [explainer.explain(forward, place, image) for place in chosen[: min(EACH, left)]]
        yield Explained(image, forward, found, len(chosen) - len(found))
        left -= len(found)
        if not left:
            break
