"""A task's source: its readers, its splits, its transforms and its loaders."""

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader

from polyhead.contracts.reader import Reader, Subset
from polyhead.data.augment.base import Look
from polyhead.data.augment.transforms import Eval, Train, fit_of, train_transform
from polyhead.data.doctor import require_sound
from polyhead.data.duplicates import by_content, paths
from polyhead.data.loading.cache import GIB, Cached
from polyhead.data.loading.streams import EvalSet, Steps, StreamLoader, TrainSet, collate, peers
from polyhead.data.readers.exemplars import Kept
from polyhead.data.splits.make import SPLITS, check_names, check_split, cut
from polyhead.data.splits.stratify import kinds
from polyhead.errors import PolyheadError, SettingError
from polyhead.rng import key
from polyhead.types import Annotation, Kind, Sample, Size

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
            tests on one of three parts, and cuts val from the rest. A test that is cut is the same for every seed, so
            that their scores can be compared; val is not. Shares are cut with every class in each part as far as there
            are objects; with ``by: picture`` by the files' names instead, so that a picture that two data sets share
            is in the same split of both.
        transforms: name of a preset of :mod:`polyhead.data.augment.transforms`, or one with settings of its own
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
        check_settings(vars(self))


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse numbers that no loader can have, and cuts that cannot be; a recipe asks before any data is read."""
    check_split(settings["split"] or {})
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
            check_names(f"data.{name}", part, source.reader.names, reader.names)
        self.skipped = [problem for reader in given.values() for problem in reader.skipped]
        self.readers = cut(name, given, source.split, seed, ids)
        self._truths: dict[str, list[Annotation]] = {}
        self._places: dict[str, dict[str, int]] = {}
        self._census: dict[str, Tensor] = {}
        self.names = source.reader.names
        self.categories = source.reader.categories
        self.train_transform: Train = train_transform(source.transforms, size)
        if self.train_transform.look.mixes and self.whole:
            raise PolyheadError(
                f"data.{name}: each picture is of one class, and these transforms put parts of other ones in; "
                "take transforms: classify or light, or {preset: yolov4, mosaic: 0, mixup: 0, cutmix: 0}"
            )
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

    @property
    def whole(self) -> bool:
        """Whether the truth is of pictures as a whole, a class or a number of each, and of nothing in them."""
        truths = self.truths("train")
        return not self.masked and truths[0].value is not None and not any(len(truth.boxes) for truth in truths)

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

    def shows(self, split: str) -> list[bool]:
        """Whether each sample of a split has something to find: an object, a pixel off the background, a class."""
        if self.masked:
            return [bool(row[1:].any()) for row in self.census(split)]
        whole = self.whole  # once: every training sample is asked
        return [whole or not bool(truth.ignore.all()) for truth in self.truths(split)]

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


def open_tasks(
    sources: Mapping[str, Source], size: Size, seed: int, ids: Mapping[str, dict[str, list[str]]] | None = None
) -> dict[str, TaskData]:
    """Open every source of a recipe; ``ids`` are the splits of an earlier run, by task."""
    return {name: TaskData(name, source, size, seed, (ids or {}).get(name)) for name, source in sources.items()}


def crossing(tasks: Mapping[str, TaskData]) -> list[str]:
    """A line for each task that is tested on pictures which it or another trains on, or has its own in val.

    Copies in other files count; one file in two splits of a task is refused (:func:`polyhead.data.splits.make.cut`).
    """
    kept = {name for name, task in tasks.items() if isinstance(task.source.reader, Kept)}
    files = by_content({(name, part): paths(task.truths(part)) for name, task in tasks.items() for part in SPLITS})
    lines = []
    for name, task in tasks.items():
        for other, part in product(tasks, ("test", "val")):
            both = files[name, part] & files[other, "train"]
            if both and (part == "test" or other == name):
                own = "copies of its own training pictures: a score on them says little; take them out of one split"
                remedy = "data.*.split.by=picture keeps a picture in one split of all data sets that are cut"
                if {name, other} & kept:  # nothing is cut of what was kept
                    remedy = f"take them out of the data of {name if other in kept else other}"
                taught = own if other == name else f"training pictures of {other}; {remedy}"
                lines.append(f"{name}: {len(both)} of {len(task.readers[part])} {part} pictures are {taught}")
    return lines


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
