"""What a data card is about: the data of a folder, or of a task of a recipe or a run."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.config import recipe
from polyhead.contracts.kind import Kind, Targets
from polyhead.contracts.modality import Modality
from polyhead.contracts.reader import Reader
from polyhead.data.catalog import CATALOG, Entry
from polyhead.data.loading.source import TaskData
from polyhead.data.readers.exemplars import with_exemplars
from polyhead.data.splits.make import SPLITS
from polyhead.errors import DataError
from polyhead.kinds import kind_of
from polyhead.modalities import modality_of
from polyhead.paths import find
from polyhead.run import Run
from polyhead.workflows.examine import examine
from polyhead.workflows.tasks import open_task


class Subject(NamedTuple):
    """The data that a card is about.

    Attributes:
        name: of the data set or task.
        kind: the kind of its targets.
        modality: the modality of its inputs; it need not be fitted.
        readers: the samples of each split.
        targets: the targets of each split.
        license: as the data or the recipe states it; empty if unknown.
        splits: a sentence on where the splits come from.
        notes: what the readers assumed or left out.
        folder: the folder of the data set; None for the data of a recipe.
        entry: the entry of the catalog that it is, by its name.
    """

    name: str
    kind: Kind
    modality: Modality
    readers: Mapping[str, Reader]
    targets: Mapping[str, Targets]
    license: str
    splits: str
    notes: Sequence[str]
    folder: Path | None = None
    entry: Entry | None = None

    @property
    def classes(self) -> list[str]:
        """The class names."""
        return next(iter(self.targets.values())).names

    def __len__(self) -> int:
        """Return the number of samples."""
        return sum(map(len, self.readers.values()))

    def raws(self, most: int) -> Iterator[Any]:
        """Yield up to ``most`` raw inputs, evenly spaced over all splits."""
        step = -(-len(self) // most)
        every = ((reader, index) for reader in self.readers.values() for index in range(len(reader)))
        return (reader.raw(index) for reader, index in islice(every, 0, None, step))


def of_folder(folder: str | Path, reader: str | None, settings: Mapping[str, Any] | None) -> Subject:
    """Return the data of a folder.

    Raises:
        DataError: with every problem of the data.
        PolyheadError: if the format is not recognized.
    """
    examined = examine(folder, reader, settings)
    if examined.problems:
        raise DataError(str(folder), examined.problems, examined.hint)
    layout, root = examined.layout, find(folder).resolve()
    first = layout.splits["train"]
    kind = kind_of(first.kind)
    given = ", ".join(layout.splits)
    return Subject(
        root.name,
        kind,
        modality_of(first.modality),
        layout.splits,
        {split: Targets.of(kind, each) for split, each in layout.splits.items()},
        first.license,
        f"the data comes with these splits: {given}" if len(layout.splits) > 1 else "the data has no splits of its own",
        [*layout.notes, *(f"left out: {problem}" for problem in examined.skipped)],
        root,
        _entry(root.name, layout.reader),
    )


def of_recipe(source: str | Path, changes: Sequence[str]) -> list[Subject]:
    """Return the data of each task of a recipe, split as a run would, or of a run, split as in training.

    Raises:
        DataError: with every problem of the data.
        PolyheadError: if the recipe is wrong, or its data is not found.
    """
    ids: Mapping[str, dict[str, list[str]]] = {}
    if Path(source).is_dir():
        run = Run.open(source)
        run.require_recipe("Give the folder of the data instead.")
        config = with_exemplars(recipe.load(run.config), run)
        ids = run.read_manifest().get("splits", {})
    else:
        config = recipe.load(source, changes, must_exist=True)
    seed = int(config["seed"])
    sources = recipe.sources(config)
    return [of_task(open_task(name, each, seed, ids.get(name)), seed) for name, each in sources.items()]


def of_task(task: TaskData, seed: int) -> Subject:
    """Return the data of an opened task."""
    own = [split for split, reader in (("val", task.source.val), ("test", task.source.test)) if reader is not None]
    made = [split for split in SPLITS[1:] if split not in own]
    settings = ", ".join(f"{key}: {value}" for key, value in (task.source.split or {}).items())
    how = f" ({settings})" if settings else ""
    parts = [f"{' and '.join(own)} come with the data"] if own else []
    parts += [f"{' and '.join(made)} were split off from train{how}, seed {seed}"] if made else []
    return Subject(
        task.name,
        task.kind,
        task.modality,
        task.readers,
        {split: task.targets(split) for split in SPLITS},
        task.license,
        "; ".join(parts),
        [*task.notes, *(f"left out: {problem}" for problem in task.skipped)],
        entry=_entry(task.name),
    )


def _entry(*names: str) -> Entry | None:
    """Return the entry of the catalog with one of these names."""
    return next((CATALOG[name] for name in names if name in CATALOG), None)
