"""Find labels of a data set that a confident model which has not trained on them contradicts. No data is changed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from polyhead.contracts.kind import Kind
from polyhead.contracts.label_errors import LabelError
from polyhead.contracts.reader import Reader, Subset
from polyhead.data.loading.source import HeldOut
from polyhead.data.readers.matched import Matched
from polyhead.errors import PolyheadError, counted, few
from polyhead.kinds import kind_of
from polyhead.nets.precision import standard_defaults
from polyhead.workflows.evaluate import predict_split
from polyhead.workflows.other_data import task_of
from polyhead.workflows.out_of_sample import Judge, judges


class Place(NamedTuple):
    """Where a judged sample is: its split, its data with the labels of the model, and its number there."""

    split: str
    data: HeldOut
    number: int

    @property
    def name(self) -> str:
        """The file of the input, or the id of the sample if it has none."""
        return _name(self.data.readers["test"], self.number)


class Findings(NamedTuple):
    """The contradicted labels of a data set.

    Attributes:
        model: what judged them.
        kind: the kind of the labels.
        names: the class names of the model.
        errors: the findings, the strongest contradiction first; samples are named ``SPLIT/ID``.
        places: the judged samples by these names.
        predictions: what the model predicts for them.
        left_out: the files of the samples that the model has trained on, or for a study those that it has not tested.
        out_of_sample: whether it is known that the model has not trained on the judged samples.
        notes: which classes could not be matched, and what was assumed, one sentence each.
    """

    model: str
    kind: Kind
    names: list[str]
    errors: list[LabelError]
    places: dict[str, Place]
    predictions: dict[str, Any]
    left_out: list[str]
    out_of_sample: bool
    notes: list[str]


@standard_defaults()
def find_label_errors(
    splits: Mapping[str, Reader],
    model: str,
    tasks: Sequence[str] | None = None,
    show: Callable[[str], None] = print,
) -> Findings:
    """Find labels that a model contradicts which has not trained on them.

    Classes are matched by name (:class:`polyhead.data.readers.matched.Matched`).

    Args:
        splits: the readers of a data set. A file that is in several of them is judged once.
        model: see :func:`polyhead.workflows.out_of_sample.judges`.
        tasks: the name of the model's task, if it has several of the kind of the data.
        show: receives lines about the progress and what is assumed.

    Raises:
        PolyheadError: if the kind of the data has no such search, there is no such model, its classes have other names,
            or it has trained on all samples.
    """
    kind = kind_of(next(iter(splits.values())).kind)
    kind.label_errors({}, {}, [])  # a kind without such a search is refused before the work
    opened = judges(model, show)
    chosen = [task_of(judge.predictor, kind.name, tasks) for judge in opened]
    names = opened[0].predictor.names[chosen[0]]
    places: dict[str, Place] = {}
    predictions: dict[str, Any] = {}
    notes: list[str] = []
    left_out: list[str] = []
    files: set[str] = set()
    for split, reader in splits.items():
        waiting = {index for index in range(len(reader)) if reader.entry(index).path not in files}
        for judge, task in zip(opened, chosen, strict=True):
            usable = [index for index in judge.usable(reader) if index in waiting]
            if not usable:
                continue
            waiting.difference_update(usable)
            matched = Matched(Subset(reader, usable), names, kind)
            notes += [_matches(reader.names, matched), *matched.notes]
            show(f"{judge.title} judges {len(matched)} of {len(reader)} {split} images")
            data = HeldOut(task, matched, kind, judge.predictor.modalities[task])
            found = predict_split(judge.predictor.model, task, data, "test", judge.predictor.precision)
            ids = data.targets("test").ids
            places |= {f"{split}/{sample}": Place(split, data, index) for index, sample in enumerate(ids)}
            predictions |= {f"{split}/{sample}": found[sample] for sample in ids}
        left_out += [_name(reader, index) for index in sorted(waiting)]
        files |= {reader.entry(index).path for index in range(len(reader))} - {""}
    if not places:
        raise PolyheadError(
            f"{model} cannot judge these {counted(len(left_out), 'image')}: it has trained on them, or is a study that "
            "has not tested them. Give a model that was trained on other images, or a study with folds of this data."
        )
    targets = {name: place.data.readers["test"].target(place.number) for name, place in places.items()}
    errors = kind.label_errors(targets, predictions, names)
    return Findings(
        model, kind, names, errors, places, predictions, left_out, _all_known(opened), list(dict.fromkeys(notes))
    )


def _all_known(opened: Sequence[Judge]) -> bool:
    """Return whether it is known of all models what they have trained on."""
    return all(judge.seen is not None for judge in opened)


def _matches(names: Sequence[str], matched: Matched) -> str:
    """Return a sentence about the classes of the data that a model has."""
    known = [name for name, label in zip(names, matched.labels.tolist(), strict=True) if label >= 0]
    return f"classes matched by name: {len(known)} of {len(names)} ({few(known, 20)})"


def _name(reader: Reader, index: int) -> str:
    """Return the file of a sample, or its id if it has none."""
    entry = reader.entry(index)
    return entry.path or entry.id
