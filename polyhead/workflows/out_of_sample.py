"""Find out which samples a trained model has not trained on, so that its predictions for them are out of sample."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from polyhead.contracts.reader import Reader
from polyhead.data.checks.duplicates import content_keys
from polyhead.data.splits.make import SPLITS
from polyhead.errors import PolyheadError
from polyhead.paths import studies
from polyhead.run import Run
from polyhead.types import Entry
from polyhead.workflows import study
from polyhead.workflows.official import is_official
from polyhead.workflows.predict import load
from polyhead.workflows.predictor import Predictor
from polyhead.workflows.split import open_run


class Seen:
    """The samples of the splits of a run, over all of its tasks.

    A sample is recognized by the bytes of its file. Where it has no file, or the data of the run cannot be opened any
    more, it is recognized by its id.

    Args:
        entries: the samples of each split, by their ids and files.
        ids: the ids of each split whose files are not known.
    """

    def __init__(self, entries: dict[str, list[Entry]], ids: dict[str, set[str]]) -> None:
        self.files = {split: {each.path for each in found if each.path} for split, found in entries.items()}
        self.all_ids = {split: ids[split] | {each.id for each in found} for split, found in entries.items()}
        self.ids = {
            split: ids[split] | {each.id for each in found if not each.path} for split, found in entries.items()
        }

    def indices(self, split: str, reader: Reader) -> set[int]:
        """Return the indices of the samples of a reader that are in a split of the run."""
        entries = [reader.entry(index) for index in range(len(reader))]
        groups = {str(index): {each.path} for index, each in enumerate(entries) if each.path}
        keys = content_keys({"": self.files[split], **groups})
        found = {int(index) for index in groups if keys[index] & keys[""]}
        by_id = {
            index for index, each in enumerate(entries) if each.id in (self.ids if each.path else self.all_ids)[split]
        }
        return found | by_id


class Judge(NamedTuple):
    """A model that judges labels.

    Attributes:
        title: what it is, in words.
        predictor: the model.
        seen: the splits of its run; None if they are not known.
        tested_only: whether it judges only the samples of the run's test split: one fold of a cross-validation.
    """

    title: str
    predictor: Predictor
    seen: Seen | None
    tested_only: bool = False

    def usable(self, reader: Reader) -> list[int]:
        """Return the indices of the samples of a reader that the model judges."""
        if self.seen is None:
            return [*range(len(reader))]
        first = self.seen.indices("test", reader) if self.tested_only else {*range(len(reader))}
        return sorted(first - self.seen.indices("train", reader))


def judges(model: str, show: Callable[[str], None] = print) -> list[Judge]:
    """Open a model, or the models of a cross-validation study, of which each judges the fold that it was tested on.

    Args:
        model: a run folder or its ``best.pt``, another weights file, the name of official weights, or a study with
            ``folds``, of which the first row and seed is used: its file, or its name if it ships. The runs of the study
            are in ``runs``.
        show: receives lines about what is assumed.

    Raises:
        PolyheadError: if there is no such model, or the study has no folds or is not finished.
    """
    if is_official(model):
        show(f"{model}: official weights, trained on COCO train2017. Give no data that has images of it")
        return [Judge(model, load(model), None)]
    if model in studies() or Path(model).suffix in (".yaml", ".yml"):
        return _of_study(model, show)
    path = Path(model)
    if path.is_file() and not (path.parent.name == "weights" and Run(path.parent.parent).manifest.is_file()):
        show(f"{model}: not in a run folder, so its training images are not known. Give no data that has some of them")
        return [Judge(model, load(model), None)]
    return [_of_run(Run.open(model), show)]


def _of_run(run: Run, show: Callable[[str], None], tested_only: bool = False) -> Judge:
    """Open a run and its splits."""
    try:
        predictor, tasks = open_run(run, show)
    except PolyheadError as error:
        show(f"{run.folder}: images are recognized by their names, as the run's data cannot be opened: {error}")
        named = run.read_manifest().get("splits", {}).values()
        ids = {split: {each for task in named for each in task.get(split, ())} for split in SPLITS}
        return Judge(str(run.folder), load(run), Seen({split: [] for split in SPLITS}, ids), tested_only)
    entries = {
        split: [reader.entry(index) for reader in readers for index in range(len(reader))]
        for split, readers in ((split, [task.readers[split] for task in tasks.values()]) for split in SPLITS)
    }
    return Judge(str(run.folder), predictor, Seen(entries, {split: set() for split in SPLITS}), tested_only)


def _of_study(name: str, show: Callable[[str], None]) -> list[Judge]:
    """Open the runs of the first row and seed of a study, one for each fold."""
    loaded = study.load(name)
    if loaded.folds is None:
        raise PolyheadError(
            f"study {loaded.name}: expected a cross-validation, which tests every image once, got a study without "
            "folds. Add 'folds: 3' to it, or give one of its runs."
        )
    row, seeds = next(iter(study.plan(loaded).items()))
    members = seeds[0]
    if missing := [str(each.folder) for each in members if not each.finished]:
        raise PolyheadError(
            f"{len(missing)} run(s) of the study are not finished: {', '.join(missing)}. Train them with "
            f"'polyhead study {name}'."
        )
    show(f"study {loaded.name}: {len(members)} runs of row {row!r}, seed {loaded.seeds[0]}; each judges its test fold")
    return [_of_run(Run.open(each.folder), show, tested_only=True) for each in members]
