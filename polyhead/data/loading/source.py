"""A task's source: its readers, splits, transforms and loaders."""

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
from polyhead.data.augment.base import Augmentation
from polyhead.data.augment.transforms import Eval, Train, fit_of, train_transform
from polyhead.data.doctor import require_valid
from polyhead.data.duplicates import content_keys, image_paths
from polyhead.data.loading.cache import GIB, Cached
from polyhead.data.loading.streams import EvalSet, Steps, StreamLoader, TrainSet, collate, peers
from polyhead.data.readers.exemplars import ExemplarReader
from polyhead.data.splits.make import SPLITS, check_names, check_split, make_splits
from polyhead.data.splits.stratify import shown_classes
from polyhead.errors import PolyheadError, SettingError
from polyhead.rng import derive_seed
from polyhead.types import Annotation, Sample, ShownClass, Size

MINIMUM = {"batch": 1, "val_batch": 1, "workers": 0, "cache": 0}
"""The smallest valid value of each numeric setting of a source."""


@dataclass
class Source:
    """Settings of one task's data.

    Attributes:
        reader: the data set; val and test are split off from it unless they have readers of their own.
        val: reader of the validation set, on which all choices are made.
        test: reader of the test set, which is read once, at the end.
        split: how to split ``reader``: fractions (``{val: 0.15, test: 0.15}``) or files with one id per line
            (``{train: FILE, val: FILE, test: FILE}``). What fractions leave is for training. ``{folds: 3, fold: 0}``
            tests on one of three folds and splits val off from the others. A test split that is split off is the same
            for every seed, so that the scores of several seeds can be compared; val is not. Fractions are stratified:
            every split gets every class as far as there are objects. With ``by: image`` the names of the files decide
            instead, so that an image that is in two data sets is in the same split of both.
        transforms: name of a preset of :mod:`polyhead.data.augment.transforms`, or a preset with changed settings
            (``{preset: yolov4, mosaic: 0.5}``).
        batch: training samples per step.
        val_batch: samples per evaluation batch; four times ``batch`` if None.
        workers: loader processes; if None, one per core, at most 8.
        cache: GiB of decoded training images that are cached in memory, over all loader processes together.
        license: license of the data, stored with every copy; if None, what the data set itself states.
    """

    reader: Reader
    val: Reader | None = None
    test: Reader | None = None
    split: dict[str, int | float | str] | None = None
    transforms: str | Augmentation = "plain"
    batch: int = 8
    val_batch: int | None = None
    workers: int | None = None
    cache: float = 0.5
    license: str | None = None

    def __post_init__(self) -> None:
        check_settings(vars(self))


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check the numbers and the split of a source; recipes call this before any data is read.

    Raises:
        SettingError: if a value is not valid.
    """
    check_split(settings["split"] or {})
    for name, minimum in MINIMUM.items():
        if settings[name] is not None and settings[name] < minimum:
            raise SettingError(f"{name} must be {minimum} or more, got {settings[name]:g}")


class TaskData:
    """An opened source: three disjoint splits of valid data, and their loaders.

    Args:
        name: name of the task.
        source: the settings.
        size: height and width of the model's images.
        seed: seed of the run.
        ids: the ids of each split, if they are known from an earlier run.

    Raises:
        DataError: with every problem of the data set.
        PolyheadError: if the splits overlap, one is empty, or their readers number the classes differently.
    """

    def __init__(
        self, name: str, source: Source, size: Size, seed: int, ids: dict[str, list[str]] | None = None
    ) -> None:
        self.name = name
        self.source = source
        self.batch = source.batch
        self.workers = min(8, os.cpu_count() or 1) if source.workers is None else source.workers
        self.seed = derive_seed(seed, name)
        self.license = source.reader.license if source.license is None else source.license
        given: dict[str, Reader] = {"train": source.reader}
        given |= {split: reader for split, reader in (("val", source.val), ("test", source.test)) if reader is not None}
        given = {split: require_valid(reader, f"data.{name} ({split})") for split, reader in given.items()}
        for split, reader in given.items():
            check_names(f"data.{name}", split, source.reader.names, reader.names)
        self.skipped = [problem for reader in given.values() for problem in reader.skipped]
        self.readers = make_splits(name, given, source.split, seed, ids)
        self._targets: dict[str, list[Annotation]] = {}
        self._indices: dict[str, dict[str, int]] = {}
        self._class_pixels: dict[str, Tensor] = {}
        self.names = source.reader.names
        self.categories = source.reader.categories
        self.train_transform: Train = train_transform(source.transforms, size)
        if self.train_transform.augmentation.mixes and self.image_level:
            raise PolyheadError(
                f"data.{name}: the transforms mix several images into one, but each image here has a single class. "
                "Use transforms: classify or light, or {preset: yolov4, mosaic: 0, mixup: 0, cutmix: 0}."
            )
        self.eval_transform = Eval(size, fit_of(source.transforms))

    def __len__(self) -> int:
        """Return the number of training samples."""
        return len(self.readers["train"])

    def ids(self, split: str) -> list[str]:
        """Return the sample ids of a split, in order."""
        return [annotation.id for annotation in self.targets(split)]

    def targets(self, split: str) -> list[Annotation]:
        """Return the annotation of every sample of a split, in pixels of the original images."""
        if split not in self._targets:
            reader = self.readers[split]
            self._targets[split] = [reader.annotation(index) for index in range(len(reader))]
        return self._targets[split]

    @property
    def has_masks(self) -> bool:
        """Whether the targets are masks."""
        return self.readers["train"].has_masks

    @property
    def image_level(self) -> bool:
        """Whether the targets are one class or number per image, without boxes and masks."""
        targets = self.targets("train")
        return not self.has_masks and targets[0].value is not None and not any(len(target.boxes) for target in targets)

    def mask(self, split: str, image_id: str) -> Tensor:
        """Return the target mask of one sample of a split, uint8 ``[h, w]`` in pixels of the original image.

        Raises:
            PolyheadError: if the data has no masks.
        """
        if split not in self._indices:
            self._indices[split] = {target.id: index for index, target in enumerate(self.targets(split))}
        mask = self.readers[split].mask(self._indices[split][image_id])
        if mask is None:
            raise PolyheadError(
                f"data.{self.name}: sample {image_id!r} has no mask. Use a reader of masks for a segmentation head."
            )
        plain: Tensor = mask.as_subclass(Tensor)
        return plain

    def class_pixels(self, split: str) -> Int[Tensor, "p c"]:
        """Return the number of pixels of each class in each mask of a split; ignored pixels do not count.

        The first call reads every mask.
        """
        if split not in self._class_pixels:
            counts = [
                torch.bincount(self.mask(split, target.id).flatten(), minlength=256) for target in self.targets(split)
            ]
            self._class_pixels[split] = torch.stack(counts)[:, : len(self.names)]  # [p, 256] -> [p, c]
        return self._class_pixels[split]

    def has_content(self, split: str) -> list[bool]:
        """Return whether each sample of a split has something to predict: an object, a foreground pixel or a class."""
        if self.has_masks:
            return [bool(row[1:].any()) for row in self.class_pixels(split)]  # class 0 is the background
        image_level = self.image_level  # evaluated once: it looks at every training sample
        return [image_level or not bool(target.ignore.all()) for target in self.targets(split)]

    def shown_classes(self, split: str) -> list[set[ShownClass]]:
        """Return the classes that each sample of a split shows; the first call reads every mask."""
        targets = self.targets(split)
        shown = (self.class_pixels(split) > 0).tolist() if self.has_masks else [[]] * len(targets)
        return [
            shown_classes(target, [label for label, present in enumerate(row) if present])
            for target, row in zip(targets, shown, strict=True)
        ]

    def train(self, steps: int, position: Callable[[], int], stage: int, mix_until: int) -> StreamLoader:
        """Return an endless stream of training batches.

        Args:
            steps: batches per epoch.
            position: returns the step at which the stream starts.
            stage: index of the stage.
            mix_until: the step of the stage from which samples are no longer mixed with others.
        """
        seed = derive_seed(self.seed, stage)
        reader, targets = self.readers["train"], self.targets("train")
        if self.source.cache:
            limit = int(self.source.cache * GIB / max(1, self.workers))
            reader = Cached(reader, [target.path for target in targets], limit)
        loader = StreamLoader(
            TrainSet(reader, self.train_transform, seed, peers(targets)),
            batch_sampler=Steps(len(self), self.batch, steps, seed, mix_until),
            num_workers=self.workers,
            collate_fn=collate,
            persistent_workers=self.workers > 0,
            worker_init_fn=begin_worker,
        )
        loader.position = position
        return loader

    def subset(self, indices: Sequence[int], batch: int) -> "TaskData":
        """Return the same task with only these training samples and another batch size."""
        task = copy(self)
        task.readers = {**self.readers, "train": Subset(self.readers["train"], indices)}
        vars(task).update(_targets={}, _indices={}, _class_pixels={})  # caches of the full task
        task.batch = batch
        return task

    def evaluation(self, split: str) -> DataLoader[Sample]:
        """Return the batches of a split: every sample once, in order."""
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


def overlapping_splits(tasks: Mapping[str, TaskData]) -> list[str]:
    """Return a warning for each split whose images are also trained on.

    Reported are test images that the same or another task trains on, and val images that the same task trains on.
    Copies in other files count. One file in two splits of a task is an error instead
    (:func:`polyhead.data.splits.make.make_splits`).
    """
    stored = {name for name, task in tasks.items() if isinstance(task.source.reader, ExemplarReader)}
    keys = content_keys(
        {(name, split): image_paths(task.targets(split)) for name, task in tasks.items() for split in SPLITS}
    )
    warnings = []
    for name, task in tasks.items():
        for other, split in product(tasks, ("test", "val")):
            shared = keys[name, split] & keys[other, "train"]
            if not shared or (split == "val" and other != name):
                continue
            if other == name:
                overlap = (
                    "copies of its own training images, so scores on them mean little. Remove them from one split."
                )
            elif {name, other} & stored:  # exemplars are never split, so the other data set must change
                owner = name if other in stored else other
                overlap = f"training images of {other}. Remove them from the data of {owner}."
            else:
                overlap = (
                    f"training images of {other}. Use data.*.split.by=image to put an image in the same split of every "
                    "data set that is split automatically."
                )
            warnings.append(f"{name}: {len(shared)} of {len(task.readers[split])} {split} images are {overlap}")
    return warnings


def begin_worker(_: int) -> None:
    """Prepare a loader worker: use one OpenCV thread, and exit if the training process is already gone.

    PyTorch's workers exit when their parent process is no longer the one that they started with. If training is killed
    between the fork and that first look, the worker takes the init process for its parent and would wait forever.
    """
    import cv2

    cv2.setNumThreads(0)  # else every worker starts one thread per core
    training = multiprocessing.parent_process()
    served = multiprocessing.get_start_method() == "forkserver"  # the parent is then the server, which watches training
    if training is not None and not served and os.getppid() != training.pid:
        os._exit(1)
