"""The samples of a split of a run, one by one, with the run's model."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from polyhead.data.loading.source import TaskData
from polyhead.errors import InvalidFileError, Problem
from polyhead.run import Run
from polyhead.types import Sample
from polyhead.workflows.evaluate import reopen
from polyhead.workflows.operating import points_of
from polyhead.workflows.predictor import Predictor


class Opened(NamedTuple):
    """The best weights of a run, ready to predict, and its data."""

    predictor: Predictor
    tasks: dict[str, TaskData]


def open_run(run: Run, show: Callable[[str], None] = print) -> Opened:
    """Open the best weights of a run and its data (:func:`polyhead.workflows.evaluate.reopen`)."""
    model, tasks = reopen(run, show)
    names = {name: task.names for name, task in tasks.items()}
    modalities = {name: task.modality for name, task in tasks.items()}
    return Opened(Predictor(model, names, modalities, run.precision, points_of(run)), tasks)


def samples(
    task: TaskData, split: str, unread: list[Problem], order: Iterable[int] | None = None
) -> Iterator[tuple[int, Sample]]:
    """Yield the decoded samples of a split, before any transform, each with its index.

    Args:
        task: the data.
        split: the split.
        unread: the problem of each sample that cannot be read, which is left out, is appended.
        order: indices of the samples; None for all in order.
    """
    for index in range(len(task.readers[split])) if order is None else order:
        try:
            sample = task.sample(split, index)
        except InvalidFileError as fault:
            unread.append(fault.problem)
        else:
            yield index, sample
