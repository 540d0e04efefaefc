"""A task's source: its readers, its splits, its transforms and its loaders."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader

from polyhead.chance import key
from polyhead.data.base import Reader, Subset
from polyhead.data.cache import GIB, Cached
from polyhead.data.doctor import require_sound
from polyhead.data.look import Look
from polyhead.data.readers.merge import Merge, by_part
from polyhead.data.splits import kinds, read_list, split, split_by_picture, subset
from polyhead.data.streams import EvalSet, Steps, StreamLoader, TrainSet, collate, peers
from polyhead.data.transforms import Eval, Train, fit_of, train_transform
from polyhead.errors import PolyheadError, SettingError
from polyhead.types import Annotation, Kind, Sample, Size

SPLITS = ("train", "val", "test")
Group = TypeVar("Group")
Cut = Callable[[Reader, dict[str, float], int], dict[str, list[str]]]
LEAST = {"batch": 1, "val_batch": 1, "workers": 0, "cache": 0}
"""The smallest values of a source's numbers."""


@dataclass
class Source:
    """Settings of one task's data.

    Attributes:
        reader: the data set; val and test are cut from it where no reader of their own is given.
        val: reader of the validation set, on which everything is chosen.
        test: reader of the test set, which is read once, at the end.
        split: how to cut ``reader``: a share (``{val: 0.15, test: 0.15}``) or a file with one id per line
            (``{train: FILE, val: FILE, test: FILE}``). What is not cut off is for training. ``{folds: 3, fold: 0}``
            tests on one of three parts, which are the same for every seed, and cuts val from the rest. Shares are cut
            with every class in each part as far as there are objects; with ``by: picture`` by the files' names
            instead, so that a picture that two data sets share is in the same split of both.
        transforms: name of a preset of :mod:`polyhead.data.transforms`, or one with settings of its own
            (``{preset: yolov4, mosaic: 0.5}``).
        batch: training samples per step.
        val_batch: samples per evaluation batch; four times ``batch`` when None.
        workers: loader processes; None takes one per core, at most 8.
        cache: GiB of decoded training pictures that are kept in memory, in all loader processes together.
        licence: what the data's owners say of it, noted beside every copy; None where the data set tells it itself.
    """

    reader: Reader
    val: Reader | None = None
    test: Reader | None = None
    split: dict[str, int | float | str] | None = None
    transforms: str | Look = "plain"
    batch: int = 8
    val_batch: int | None = None
    workers: int | None = None
    cache: float = 0.5
    licence: str | None = None

    def __post_init__(self) -> None:
        check_numbers(vars(self))


def check_numbers(settings: Mapping[str, Any]) -> None:
    """Refuse numbers that no loader can have; a recipe asks before any data is read."""
    for name, least in LEAST.items():
        if settings[name] is not None and settings[name] < least:
            raise SettingError(f"{name} must be {least} or more, got {settings[name]:g}")


class TaskData:
    """An opened source: three disjoint splits of sound data, and their loaders.

    Args:
        name: of the task.
        source: the settings.
        size: height and width of the model's pictures.
        seed: of the run.
        ids: the ids of each split, when they are known from an earlier run.

    Raises:
        DataError: with every fault of the data set.
        PolyheadError: when the splits overlap, one is empty, or their readers number the classes differently.
    """

    def __init__(
        self, name: str, source: Source, size: Size, seed: int, ids: dict[str, list[str]] | None = None
    ) -> None:
        self.name = name
        self.source = source
        self.batch = source.batch
        self.workers = min(8, os.cpu_count() or 1) if source.workers is None else source.workers
        self.seed = key(seed, name)
        self.licence = source.reader.licence if source.licence is None else source.licence
        given: dict[str, Reader] = {"train": source.reader}
        given |= {part: reader for part, reader in (("val", source.val), ("test", source.test)) if reader is not None}
        given = {part: require_sound(reader, f"data.{name} ({part})") for part, reader in given.items()}
        for part, reader in given.items():
            _check_names(f"data.{name}", part, source.reader.names, reader.names)
        self.skipped = [problem for reader in given.values() for problem in reader.skipped]
        self.readers = _cut(name, given, source.split, seed, ids)
        self._truths: dict[str, list[Annotation]] = {}
        self._places: dict[str, dict[str, int]] = {}
        self._census: dict[str, Tensor] = {}
        self.names = source.reader.names
        self.categories = source.reader.categories
        self.train_transform: Train = train_transform(source.transforms, size)
        self.eval_transform = Eval(size, fit_of(source.transforms))

    def __len__(self) -> int:
        """Number of training samples."""
        return len(self.readers["train"])

    def ids(self, part: str) -> list[str]:
        """The sample ids of a split, in order."""
        return [annotation.id for annotation in self.truths(part)]

    def truths(self, split: str) -> list[Annotation]:
        """The truth of every sample of a split, in original pixels."""
        if split not in self._truths:
            reader = self.readers[split]
            self._truths[split] = [reader.annotation(index) for index in range(len(reader))]
        return self._truths[split]

    @property
    def masked(self) -> bool:
        """Whether the truth is a mask."""
        return self.readers["train"].masked

    def mask(self, split: str, ident: str) -> Tensor:
        """The true mask of one sample of a split, uint8 ``[h, w]`` in original pixels.

        Raises:
            PolyheadError: when the data has no masks.
        """
        if split not in self._places:
            self._places[split] = {truth.id: index for index, truth in enumerate(self.truths(split))}
        mask = self.readers[split].mask(self._places[split][ident])
        if mask is None:
            raise PolyheadError(
                f"data.{self.name}: sample {ident!r} has no mask; a head that segments needs a reader of masks"
            )
        plain: Tensor = mask.as_subclass(Tensor)
        return plain

    def census(self, split: str) -> Int[Tensor, "p c"]:
        """Pixels of each class in each mask of a split, without ignored ones; every mask is read for it."""
        if split not in self._census:
            found = [
                torch.bincount(self.mask(split, truth.id).flatten(), minlength=256) for truth in self.truths(split)
            ]
            self._census[split] = torch.stack(found)[:, : len(self.names)]
        return self._census[split]

    def kinds(self, split: str) -> list[set[Kind]]:
        """The classes that each sample of a split shows; of masks, every one is read for it."""
        truths = self.truths(split)
        shown = (self.census(split) > 0).tolist() if self.masked else [[]] * len(truths)
        return [
            kinds(truth, [label for label, there in enumerate(row) if there])
            for truth, row in zip(truths, shown, strict=True)
        ]

    def train(self, steps: int, position: Callable[[], int], stage: int, quiet: int) -> StreamLoader:
        """An endless stream of training batches, ``steps`` an epoch, that begins where ``position`` says.

        From step ``quiet`` of the stage on, samples are not mixed with others.
        """
        seed = key(self.seed, stage)
        reader, truths = self.readers["train"], self.truths("train")
        if self.source.cache:
            limit = int(self.source.cache * GIB / max(1, self.workers))
            reader = Cached(reader, [truth.path for truth in truths], limit)
        loader = StreamLoader(
            TrainSet(reader, self.train_transform, seed, peers(truths)),
            batch_sampler=Steps(len(self), self.batch, steps, seed, quiet),
            num_workers=self.workers,
            collate_fn=collate,
            persistent_workers=self.workers > 0,
            worker_init_fn=begin_worker,
        )
        loader.position = position
        return loader

    def only(self, places: Sequence[int], batch: int) -> "TaskData":
        """The same task with only these training samples, so many a step."""
        part = copy(self)
        part.readers = {**self.readers, "train": Subset(self.readers["train"], places)}
        vars(part).update(_truths={}, _places={}, _census={})
        part.batch = batch
        return part

    def evaluation(self, split: str) -> DataLoader[Sample]:
        """Every sample of a split once, in order."""
        return DataLoader(
            EvalSet(self.readers[split], self.eval_transform),
            batch_size=self.source.val_batch or 4 * self.batch,
            num_workers=self.workers if split == "val" else 0,
            collate_fn=collate,
            persistent_workers=self.workers > 0 and split == "val",
            worker_init_fn=begin_worker,
            generator=torch.Generator(),
        )


def _check_names(where: str, part: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    """Refuse a split whose labels would mean other classes than those of training."""
    if list(found) == list(wanted):
        return
    odd = sorted({*wanted} ^ {*found})
    what = f"{', '.join(odd[:12])}{', ...' if len(odd) > 12 else ''} in one of them only" if odd else "another order"
    raise PolyheadError(
        f"{where}: {part} and train do not have the same {len(wanted)} classes in the same order ({what}); give every "
        f"reader the same 'classes', or leave {part} out ({where}.{part}=null) to have it cut from train"
    )


def open_tasks(
    sources: Mapping[str, Source], size: Size, seed: int, ids: Mapping[str, dict[str, list[str]]] | None = None
) -> dict[str, TaskData]:
    """Open every source of a recipe; ``ids`` are the splits of an earlier run, by task."""
    return {name: TaskData(name, source, size, seed, (ids or {}).get(name)) for name, source in sources.items()}


def crossing(tasks: Mapping[str, TaskData]) -> list[str]:
    """A line for each two tasks of which one trains on pictures (or copies) that the other is tested on."""
    if len(tasks) < 2:  # one alone has its own guard
        return []
    paths = _by_content(
        {(name, part): _paths(task.truths(part)) for name, task in tasks.items() for part in ("train", "test")}
    )
    return [
        f"{name}: {len(both)} of {len(task.readers['test'])} test pictures are training pictures of {other}; "
        "data.*.split.by=picture keeps a picture in one split of all data sets that are cut"
        for name, task in tasks.items()
        for other in tasks
        if other != name and (both := paths[name, "test"] & paths[other, "train"])
    ]


def _paths(truths: Iterable[Annotation]) -> set[str]:
    return {truth.path for truth in truths if truth.path}


def _by_content(groups: Mapping[Group, set[str]]) -> dict[Group, set[str]]:
    """In the place of each file its digest, if another group has a file of its size: else it has no copy there."""
    sizes = {path: Path(path).stat().st_size for files in groups.values() for path in files}
    met = Counter(size for files in groups.values() for size in {sizes[path] for path in files})
    digests = {
        path: blake2b(Path(path).read_bytes()).hexdigest() if met[size] > 1 else path for path, size in sizes.items()
    }
    return {group: {digests[path] for path in files} for group, files in groups.items()}


def begin_worker(_: int) -> None:
    """Keep OpenCV from starting a thread per core in every worker; end a worker whose training is gone.

    PyTorch's workers end when their parent is no longer the one they began with. One whose training was killed between
    its fork and that first look takes the system for its parent, and would wait for work forever.
    """
    import cv2

    cv2.setNumThreads(0)
    training = multiprocessing.parent_process()
    served = multiprocessing.get_start_method() == "forkserver"  # then the server is the parent, and it watches
    if training is not None and not served and os.getppid() != training.pid:
        os._exit(1)


def _listed(
    name: str, reader: Reader, missing: list[str], wanted: Mapping[str, float], seed: int, cut: Cut
) -> dict[str, list[str]]:
    """The ids of each split that has no reader of its own, and of train; a merged one is cut as its parts alone are."""
    if isinstance(reader, Merge) and cut is split:
        return by_part({part: _listed(name, own, missing, wanted, seed, cut) for part, own in reader.parts.items()})
    rest, listed = reader, {}
    if "folds" in wanted:
        folds, fold = int(wanted["folds"]), int(wanted.get("fold", 0))
        if "test" not in missing or not 0 <= fold < folds:
            raise PolyheadError(
                f"data.{name}: split: fold must be 0 to {folds - 1}, and test may have no reader of its own; "
                f"got fold {fold}" + ("" if "test" in missing else " and a test reader")
            )
        parts = cut(reader, {str(part): 1 / folds for part in range(folds)}, 0)
        listed["test"] = parts.pop(str(fold))
        rest = subset(reader, [ident for members in parts.values() for ident in members])
        missing = [part for part in missing if part != "test"]
    shares = {part: wanted.get(part, 0.15) for part in missing}
    return {**cut(rest, {"train": 1 - sum(shares.values()), **shares}, seed), **listed}


def _cut(
    name: str,
    given: dict[str, Reader],
    wanted: dict[str, int | float | str] | None,
    seed: int,
    ids: dict[str, list[str]] | None,
) -> dict[str, Reader]:
    """The reader of each split: as given, as listed, or cut by share from the training reader."""
    missing = [part for part in SPLITS if part not in given]
    shares = dict(wanted or {})
    by = shares.pop("by", None)
    if by not in (None, "picture"):
        raise PolyheadError(f"data.{name}: split: by must be 'picture', or be left out to spread classes; got {by!r}")
    listed: dict[str, list[str]] = {}
    if ids is not None:
        listed = {part: ids[part] for part in SPLITS if part not in given or part == "train"}
    elif any(isinstance(value, str) for value in shares.values()):
        listed = {part: read_list(value) for part, value in shares.items() if isinstance(value, str)}
    elif missing:
        numbers = {key: float(value) for key, value in shares.items()}
        listed = _listed(name, given["train"], missing, numbers, seed, split_by_picture if by else split)
    readers = {**given, **{part: subset(given["train"], members) for part, members in listed.items()}}
    seen: dict[str, str] = {}
    for part in SPLITS:
        if part not in readers or len(readers[part]) == 0:
            raise PolyheadError(f"data.{name}: the {part} split is empty; every run needs train, val and test samples")
        for index in range(len(readers[part])):
            truth = readers[part].annotation(index)
            if seen.setdefault(truth.path or truth.id, part) != part:
                other = seen[truth.path or truth.id]
                raise PolyheadError(
                    f"data.{name}: sample {truth.id!r} is in both {other} and {part}; a score on what was trained on "
                    "says nothing: give each split its own samples, or leave val and test out to have them cut "
                    "(split: {by: picture} if parts of the data share pictures)"
                )
    if isinstance(given["train"], Merge):
        _check_copies(name, readers)
    return {part: readers[part] for part in SPLITS}


def _check_copies(name: str, readers: Mapping[str, Reader]) -> None:
    """Refuse merged data sets that hold copies of one picture, in files of their own, in several splits."""
    groups = {part: _paths(map(readers[part].annotation, range(len(readers[part])))) for part in SPLITS}
    found = _by_content(groups)
    for one, other in combinations(SPLITS, 2):
        if both := found[one] & found[other]:
            raise PolyheadError(
                f"data.{name}: copies of {len(both)} picture(s) are in both {one} and {other}; a score on what was "
                "trained on says nothing: cut by the files' names (split: {by: picture}), or take them out of one part"
            )
