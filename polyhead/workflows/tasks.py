"""Open the data of a recipe: each task with its kind and its fitted modality."""

from collections.abc import Mapping
from copy import deepcopy

from polyhead.data.loading.source import Source, TaskData
from polyhead.errors import PolyheadError
from polyhead.kinds import kind_of
from polyhead.modalities import modality_of
from polyhead.types import Size


def open_tasks(
    sources: Mapping[str, Source],
    size: Size | None,
    seed: int,
    ids: Mapping[str, dict[str, list[str]]] | None = None,
    largest: int | None = None,
) -> dict[str, TaskData]:
    """Open every source of a recipe.

    Args:
        sources: the settings of each task.
        size: height and width of the model's images; None for other inputs.
        seed: seed of the run.
        ids: the splits of an earlier run, by task.
        largest: the largest side of the training images; None for ``size``.

    Raises:
        DataError: with every problem of a data set.
        PolyheadError: if a source cannot be used as its settings ask.
    """
    tasks = {name: open_task(name, source, seed, (ids or {}).get(name)) for name, source in sources.items()}
    for name, task in tasks.items():
        fit_modality(task, tasks, size)
        if task.modality.train.mixes and not task.kind.mixes:
            raise PolyheadError(
                f"data.{name}: the transforms mix several images into one, but each image here has a single class. "
                "Use transforms: classify or light, or {preset: yolov4, mosaic: 0, mixup: 0, cutmix: 0}."
            )
        task.limit_workers(len(tasks), largest)
    return tasks


def open_task(name: str, source: Source, seed: int, ids: dict[str, list[str]] | None = None) -> TaskData:
    """Open one source; its modality is not fitted yet."""
    modality = modality_of(source.reader.modality) if source.modality is None else deepcopy(source.modality)
    return TaskData(name, source, kind_of(source.reader.kind), modality, seed, ids)


def fit_modality(task: TaskData, tasks: Mapping[str, TaskData], size: Size | None) -> None:
    """Fit the modality of a task to the training inputs of all tasks that share its backbone."""
    sharing = [each for each in tasks.values() if each.modality.key == task.modality.key]
    earlier = next((each.source.reader.stored_state for each in sharing if each.source.reader.stored_state), None)
    inputs = (raw for each in sharing for raw in each.inputs("train"))
    task.modality.fit(inputs, size, task.source.transforms, earlier)
