"""The data of a task that is given in Python, checked: data sets, names, kind and modality."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from torch.utils.data import IterableDataset, Subset

from polyhead.contracts.classes import allow
from polyhead.contracts.kind import Kind
from polyhead.contracts.modality import Modality
from polyhead.data.augment.transforms import PRESETS
from polyhead.data.loading.source import Source
from polyhead.data.readers.dataset import DatasetReader
from polyhead.errors import PolyheadError, suggest
from polyhead.kinds import kind_of
from polyhead.modalities import modality_of


@dataclass
class Task:
    """The data of a head: map-style data sets whose items are pairs of an input and a target.

    Attributes:
        train: the training data.
        names: class names, or names of the numbers to predict.
        val: the validation data, on which all choices are made; split off from ``train`` if None.
        test: the test data, which is scored once, at the end; split off from ``train`` if None.
        kind: what is predicted: ``"classification"`` (targets are class indices), ``"segmentation"`` (masks of class
            indices ``[h, w]``, where 0 is the background and 255 is ignored), ``"detection"`` (``{"boxes": [n, 4] xyxy
            in pixels, "labels": [n]}``), or a kind of one's own. Classes count from 0.
        modality: what is read: ``"tensor"`` (used as they are), ``"image"`` (a path, a PIL image, or pixels, which are
            transformed and resized to the model's size), or a modality of one's own.
        split: fractions of val and test, if they are split off (:class:`polyhead.data.loading.source.Source`).
        transforms: training transforms of images: a preset, or ``{"preset": "yolov4", "mosaic": 0.0}``.
        batch: samples per step.
        workers: loader processes.
        license: license of the data, stored with every copy.
    """

    train: Any
    names: Iterable[Any]
    val: Any = None
    test: Any = None
    kind: str | Kind = "classification"
    modality: str | Modality = "tensor"
    split: dict[str, int | float | str] | None = None
    transforms: str | Mapping[str, Any] | None = "plain"
    batch: int = 32
    workers: int = 0
    license: str = ""
    cache: float = field(default=0.0, repr=False)

    def source(self, name: str) -> Source:
        """Return the same settings as those of a recipe; every data set is read once and checked.

        Args:
            name: name of the task, for messages.

        Raises:
            PolyheadError: when a setting is wrong. Faults of samples are collected in the readers.
        """
        where = f"task {name!r}"
        given = {split: getattr(self, split) for split in ("train", "val", "test") if getattr(self, split) is not None}
        for split, dataset in given.items():
            _check_dataset(f"{where}: {split}", dataset)
        _check_disjoint(where, given)
        names = _names(where, self.names)
        kind = _part(f"{where}: kind", self.kind, Kind, kind_of)
        modality = _part(f"{where}: modality", self.modality, Modality, modality_of)
        readers = {split: DatasetReader(each, names, kind, modality, f"{split}-") for split, each in given.items()}
        return Source(
            readers["train"],
            readers.get("val"),
            readers.get("test"),
            split=self.split,
            transforms=_transforms(where, self.transforms),
            batch=self.batch,
            workers=self.workers,
            cache=self.cache,
            modality=None if isinstance(self.modality, str) else self.modality,
            license=self.license,
        )


def check_forms(sources: Mapping[str, Source]) -> None:
    """Check that inputs of one backbone have the same form, such as type and shape; others would be cut to the first.

    Raises:
        PolyheadError: for the first data set whose inputs have another form.
    """
    first: dict[str, tuple[str, str]] = {}
    for task, source in sources.items():
        for split, reader in (("train", source.reader), ("val", source.val), ("test", source.test)):
            if not isinstance(reader, DatasetReader) or reader.form is None:
                continue
            where = f"task {task!r} ({split})"
            other, form = first.setdefault(reader.own_modality.key, (where, reader.form))
            if form != reader.form:
                raise PolyheadError(
                    f"{where}: expected inputs of {form}, as in {other}, got {reader.form}. Convert them to the same "
                    "type and shape, or give the tasks a backbone and a modality each."
                )


def _check_dataset(where: str, dataset: Any) -> None:
    has_both = hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    if not has_both or isinstance(dataset, IterableDataset | Mapping | str):
        raise PolyheadError(
            f"{where}: expected a map-style data set (with len() and [index], whose items are pairs of an input and a "
            f"target), got {type(dataset).__name__}. Batches are made by polyhead.fit."
        )


def _check_disjoint(where: str, given: Mapping[str, Any]) -> None:
    """Refuse a sample that is in two splits: one data set twice, or subsets of one that overlap."""
    members = {split: _members(dataset) for split, dataset in given.items()}
    for one, other in combinations(members, 2):
        (base, indices), (other_base, others) = members[one], members[other]
        if base is other_base and indices & others:
            raise PolyheadError(
                f"{where}: {len(indices & others)} samples are in both {one} and {other}, and a score on training data "
                "means nothing. Give each split its own samples, or leave val and test out to split them off."
            )


def _members(dataset: Any) -> tuple[Any, set[int]]:
    """Return the data set that subsets are of, and their indices in it."""
    indices = list(range(len(dataset)))
    while isinstance(dataset, Subset):
        indices = [int(dataset.indices[index]) for index in indices]
        dataset = dataset.dataset
    return dataset, set(indices)


def _names(where: str, given: Any) -> list[str]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise PolyheadError(f"{where}: names: expected a list of names, got {given!r}. Give ['cat', 'dog'].")
    names = [str(name) for name in given]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or not names:
        what = f"got {twice[0]!r} twice" if twice else "got none"
        raise PolyheadError(f"{where}: names: expected a different name for each class, {what}.")
    return names


def _part(where: str, given: Any, base: type[Kind | Modality], find: Callable[[str], Any]) -> Any:
    """Return a kind or modality; an object that is given is trusted, and so is its package.

    A run stores its class path, by which it must be found.
    """
    if isinstance(given, str):
        return find(given)
    if not isinstance(given, base):
        remedy = f"Create an object of it: {given.__name__}()." if isinstance(given, type) else "See docs/own_parts.md."
        raise PolyheadError(f"{where}: expected a name or a {base.__name__} object, got {given!r}. {remedy}")
    allow(type(given).__module__.partition(".")[0])
    find(given.name)
    return given


def _transforms(where: str, given: Any) -> Any:
    """Return a preset, with its settings, or the transforms that are given."""
    if not isinstance(given, Mapping):
        return "plain" if given is None else given
    settings = {key: value for key, value in given.items() if key != "preset"}
    preset = given.get("preset")
    if preset not in PRESETS:
        raise PolyheadError(f"{where}: transforms: unknown preset {preset!r}{suggest(str(preset), PRESETS)}")
    if not settings:
        return preset
    try:
        return type(PRESETS[preset])(**settings)
    except TypeError as error:
        raise PolyheadError(f"{where}: transforms: preset {preset!r} has no such settings ({error})") from error
