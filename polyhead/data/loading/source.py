"""A task's source: its readers, splits, transforms and loaders."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from polyhead.contracts.kind import Kind, Targets
from polyhead.contracts.modality import Facts, Modality
from polyhead.contracts.reader import Reader, Subset
from polyhead.contracts.sizes import SideAt
from polyhead.data.augment.base import Augmentation
from polyhead.data.doctor import inspect, require_valid
from polyhead.data.loading.balance import Repeat, Weighting, class_weights, repeat_factors
from polyhead.data.loading.cache import GIB, Cached
from polyhead.data.loading.stored_splits import check_stored
from polyhead.data.loading.streams import Collate, Decoded, EvalSet, Steps, StreamLoader, TrainSet
from polyhead.data.loading.workers import Loader, affordable, default_workers, room, shared_bytes
from polyhead.data.splits.make import SPLITS, check_names, check_split, make_splits
from polyhead.data.splits.stratify import shown_classes
from polyhead.errors import SettingError
from polyhead.rng import derive_seed, fork_rng
from polyhead.types import Batch, InputSpec, Sample, ShownClass, TaskInfo

AUTO = "auto"
"""The batch is found when the training starts: the largest that fits in memory."""
FIRST_BATCH = 8
"""The batch until it has been found."""
LIMITS = {
    "batch": (1, 2**20),
    "val_batch": (1, 2**20),
    "workers": (0, 256),
    "cache": (0, 2**20),
    "repeat_factor": (0, 1),
}
"""The smallest and the largest valid value of each numeric setting of a source."""


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
        batch: training samples per step; ``auto`` finds the largest power of two that fits in memory.
        val_batch: samples per evaluation batch; four times ``batch`` if None.
        workers: loader processes in training, and again in validation; if None, one per core, at most 8; several tasks
            share the cores.
        cache: GiB of decoded training images that are cached in memory, over all loader processes together.
        repeat_factor: read samples with rare classes more often: a class is rare if a smaller fraction of the training
            samples shows it (:func:`polyhead.data.loading.balance.repeat_factors`); ``auto`` takes the median of the
            classes. An epoch has as many steps as without.
        class_weights: weigh rare classes more in the loss: ``balanced``, inversely proportional to their counts, or
            ``sqrt``, to the square roots of the counts.
        modality: how inputs are read; if None, the default of the reader's modality.
        license: license of the data, stored with every copy; if None, what the data set itself states.
    """

    reader: Reader
    val: Reader | None = None
    test: Reader | None = None
    split: dict[str, int | float | str] | None = None
    transforms: str | Augmentation = "plain"
    batch: int | Literal["auto"] = 8
    val_batch: int | None = None
    workers: int | None = None
    cache: float = 0.5
    repeat_factor: Repeat | None = None
    class_weights: Weighting | None = None
    modality: Modality | None = None
    license: str | None = None

    def __post_init__(self) -> None:
        check_settings(vars(self))


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check the numbers and the split of a source; recipes call this before any data is read.

    Raises:
        SettingError: if a value is not valid.
    """
    check_split(settings["split"] or {})
    for name, (least, most) in LIMITS.items():
        value = settings[name]
        if not isinstance(value, str | None) and not least <= value <= most:  # also for NaN
            limit = f"{least} or more" if value < least else f"at most {most}"
            raise SettingError(f"{name} must be {limit}, got {value:g}")


class TaskData:
    """An opened source: three disjoint splits of valid data, and their loaders.

    Attributes:
        facts: what the modality observed of each input in a file, by the file.
        warnings: a line for each check of the data that found something (:mod:`polyhead.data.checks.run`).

    Args:
        name: name of the task.
        source: the settings.
        kind: the kind of the targets.
        modality: the modality of the inputs; it must be fitted before samples are loaded.
        seed: seed of the run.
        ids: the ids of each split, if they are known from an earlier run.

    Raises:
        DataError: with every problem of the data set.
        PolyheadError: if the splits overlap, one is empty, or their readers number the classes differently.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        kind: Kind,
        modality: Modality,
        seed: int,
        ids: dict[str, list[str]] | None = None,
    ) -> None:
        self.name = name
        self.source = source
        self.kind, self.modality = kind, modality
        self.set_batch(FIRST_BATCH if source.batch == "auto" else source.batch)
        self.workers = self.val_workers = default_workers(1) if source.workers is None else source.workers
        self.seed = derive_seed(seed, name)
        self.license = source.reader.license if source.license is None else source.license
        given: dict[str, Reader] = {"train": source.reader}
        given |= {split: reader for split, reader in (("val", source.val), ("test", source.test)) if reader is not None}
        for reader in given.values():
            reader.bind(kind, modality)
        self.facts: dict[str, Facts] = {}
        self.warnings: dict[str, str] = {}
        for split, reader in given.items():
            inspection = inspect(reader, modality)
            given[split] = require_valid(reader, f"data.{name} ({split})", inspection)
            self.facts |= inspection.facts
        for split, reader in given.items():
            check_names(f"data.{name}", split, source.reader.names, reader.names)
        self.skipped = list(dict.fromkeys(problem for reader in given.values() for problem in reader.skipped))
        self.notes = list(dict.fromkeys(note for reader in given.values() for note in reader.notes))
        self.notes += check_stored(source.split or {}, given) if ids is None else []
        self.readers = make_splits(name, kind, given, source.split, seed, ids)
        self._targets: dict[str, Targets] = {}
        self.names = source.reader.names
        self.categories = source.reader.categories

    def set_batch(self, batch: int) -> None:
        """Set the number of training samples per step, and of samples per evaluation batch where that follows it."""
        self.batch = batch
        self.val_batch = self.source.val_batch or 4 * batch

    @property
    def info(self) -> TaskInfo:
        """What the task's head is built from."""
        stored = self.source.reader.stored_info  # exemplars are too few for statistics of their own
        info = self.kind.info(self.targets("train"), self.categories) if stored is None else stored
        weighting = self.source.class_weights
        return info if weighting is None else info._replace(weights=class_weights(info.counts, weighting))

    @property
    def inputs_spec(self) -> InputSpec:
        """What the task's backbone is built from."""
        return self.modality.spec()

    def __len__(self) -> int:
        """Return the number of training samples."""
        return len(self.readers["train"])

    @property
    def stored(self) -> bool:
        """Whether the data are exemplars of an earlier run."""
        return self.source.reader.stored

    def ids(self, split: str) -> list[str]:
        """Return the sample ids of a split, in order."""
        return self.targets(split).ids

    def targets(self, split: str) -> Targets:
        """Return the targets of a split, in the space of the original samples."""
        if split not in self._targets:
            self._targets[split] = Targets.of(self.kind, self.readers[split])
        return self._targets[split]

    def inputs(self, split: str) -> Iterator[Any]:
        """Yield the raw inputs of a split."""
        reader = self.readers[split]
        return (reader.raw(index) for index in range(len(reader)))

    def sample(self, split: str, index: int) -> Sample:
        """Return one decoded sample, before any transform."""
        return Decoded(self.readers[split], self.modality)(index)

    def limit_workers(self, tasks: int, largest: int | None = None) -> None:
        """Have only as many loader processes as there is room for, and add a note if these are fewer than asked for.

        Args:
            tasks: number of tasks that are trained together; without a setting, they share the processor's cores.
            largest: the largest side of the training images; None for the model's size.
        """
        asked = default_workers(tasks) if self.source.workers is None else self.source.workers
        if asked:
            sample = self.sample("train", 0)
            evaluated = self._shared_bytes(self.modality.eval(sample))
            trained = evaluated
            if largest is not None:
                with fork_rng(self.seed):
                    trained = max(evaluated, self._shared_bytes(self.modality.train.at(largest)(sample)))
            self.workers, self.val_workers, note = affordable(
                asked, tasks, room(), self.batch * trained, self.val_batch * evaluated
            )
            self.notes += [note] if note else []

    def _shared_bytes(self, sample: Sample) -> int:
        """Return how many bytes of shared memory a transformed sample takes."""
        return shared_bytes(Collate(self.kind, self.modality)([sample]))

    def shown_classes(self, split: str) -> list[set[ShownClass]]:
        """Return the classes that each sample of a split shows; the first call reads every mask."""
        return shown_classes(self.readers[split], self.targets(split))

    def stored_bytes(self, index: int) -> int:
        """Return the size of a training sample's files; of its input where it has no file."""
        entry = self.readers["train"].entry(index)
        return sum(Path(file).stat().st_size for file in entry.files) if entry.files else entry.bytes

    def train(
        self, steps: int, position: Callable[[], int], stage: int, mix_until: int, side: SideAt | None = None
    ) -> StreamLoader:
        """Return an endless stream of training batches.

        Args:
            steps: batches per epoch.
            position: returns the step at which the stream starts.
            stage: index of the stage.
            mix_until: the step of the stage from which samples are no longer mixed with others.
            side: returns the side of the images at a step; None if all steps have the model's size.
        """
        seed = derive_seed(self.seed, stage)
        reader = self.readers["train"]
        read: Callable[[int], Sample] = Decoded(reader, self.modality)
        if self.source.cache:
            limit = int(self.source.cache * GIB / max(1, self.workers))
            entries = [reader.entry(index) for index in range(len(reader))]
            read = Cached(read, entries, self.modality.cached_bytes, limit)
        peers = self.kind.peers(self.targets("train")) if self.modality.train.mixes else None
        lengths = self.modality.lengths(self.inputs("train"))
        threshold = self.source.repeat_factor
        repeats = None if threshold is None else repeat_factors(self.kind.shown(self.targets("train")), threshold)
        sampler = Steps(len(self), self.batch, steps, seed, mix_until, lengths, side, repeats)
        loader = StreamLoader(
            TrainSet(read, len(self), self.modality.train, seed, peers),
            batch_sampler=sampler,
            num_workers=self.workers,
            collate_fn=Collate(self.kind, self.modality),
            persistent_workers=self.workers > 0,
        )
        loader.position = position
        return loader

    def subset(self, indices: Sequence[int], batch: int) -> "TaskData":
        """Return the same task with only these training samples and another batch size."""
        task = copy(self)
        task.readers = {**self.readers, "train": Subset(self.readers["train"], indices)}
        task._targets = {}  # pylint: disable=protected-access  # those here are of the full task
        task.batch = batch
        return task

    def few(self, count: int, *, augmented: bool = True) -> Batch:
        """Return a batch of at most ``count`` training samples, spread over the set, without starting a process."""
        count = min(count, len(self))
        few = self.subset([index * len(self) // count for index in range(count)], count)
        few.source, few.workers, few.val_batch = replace(self.source, cache=0.0, repeat_factor=None), 0, count
        batches = few.train(1, lambda: 0, 0, 1) if augmented else few.evaluation("train")
        return next(iter(batches))

    def evaluation(self, split: str) -> Loader:
        """Return the batches of a split: every sample once, in order."""
        reader = self.readers[split]
        workers = self.val_workers if split == "val" else 0
        return Loader(
            EvalSet(Decoded(reader, self.modality), len(reader), self.modality.eval),
            batch_size=self.val_batch,
            num_workers=workers,
            collate_fn=Collate(self.kind, self.modality),
            persistent_workers=workers > 0,
        )


class HeldOut(TaskData):
    """Data on which a trained task is only measured: every split is the whole data set.

    Args:
        name: name of the task.
        reader: the data.
        kind: the kind of the targets.
        modality: the modality, as fitted in the training.
    """

    # pylint: disable-next=super-init-not-called  # which splits the data
    def __init__(self, name: str, reader: Reader, kind: Kind, modality: Modality) -> None:
        self.name, self.kind, self.modality = name, kind, modality
        self.source = Source(reader)
        self.seed = 0
        self.set_batch(FIRST_BATCH)
        self.workers = self.val_workers = 0
        self.license, self.skipped = reader.license, reader.skipped
        self.readers = dict.fromkeys(SPLITS, reader)
        self._targets = {}
        self.names, self.categories = reader.names, reader.categories
