"""The run folder: the names of its files, and how they are written (floor 0, no torch).

A training leaves one folder behind, and everything after training reads it. Files are replaced, never half-written.
"""

import csv
import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from polyhead.errors import NO_ROOM, PolyheadError

REMEDY = "give the folder that 'polyhead train' printed"


class Run:
    """Paths inside one run folder.

    Args:
        folder: an existing run folder; :meth:`create` makes a new one.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.config = self.folder / "config.yaml"
        self.manifest = self.folder / "manifest.json"
        self.weights = self.folder / "weights"
        self.best = self.weights / "best.pt"
        self.last = self.weights / "last.pt"
        self.resume = self.folder / "resume.ckpt"
        self.results_csv = self.folder / "results.csv"
        self.results_json = self.folder / "results.json"
        self.predictions = self.folder / "predictions"
        self.plots = self.folder / "plots"
        self.samples = self.folder / "samples"
        self.memory = self.folder / "memory"
        self.probe = self.folder / "probe"
        self.log = self.folder / "log.txt"
        self.verdict = self.folder / "verdict.txt"
        self.lock = self.folder / ".lock"

    @classmethod
    def create(cls, root: str | Path, name: str) -> "Run":
        """Make ``root/name``, or ``root/name2``, ``root/name3``… where those exist; no run is ever overwritten."""
        number = 1
        while True:
            folder = Path(root) / (name if number == 1 else f"{name}{number}")
            with suppress(FileExistsError):
                folder.mkdir(parents=True)
                break
            number += 1
        run = cls(folder)
        for path in (run.weights, run.predictions, run.plots, run.samples):
            path.mkdir()
        return run

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """An existing run; its ``weights/best.pt``, by which it is measured, stands for it.

        Raises:
            PolyheadError: when there is no such folder, it was not left behind by a training, or another weights file
                was given.
        """
        path = Path(folder)
        if path.is_file() and path.parent.name == "weights":
            if path.name != cls(path.parent.parent).best.name:
                raise PolyheadError(
                    f"expected the folder of a run, or its best.pt, by which it is measured, got {str(folder)!r}; give "
                    f"{str(path.parent.parent)!r}"
                )
            path = path.parent.parent
        if not path.is_dir():
            raise PolyheadError(f"run folder {str(folder)!r} does not exist; {REMEDY}")
        run = cls(path)
        if not run.config.is_file():
            raise PolyheadError(f"{str(folder)!r} is not a run folder: it has no config.yaml; {REMEDY}")
        return run

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this run; the system lets go when this one ends, however it ends.

        File systems that know no locks are trained on without.

        Raises:
            PolyheadError: when another process trains in it.
        """
        with self.lock.open("a") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not flock: a killed training's workers would hold it
            except OSError as error:
                if isinstance(error, BlockingIOError | PermissionError):
                    raise PolyheadError(
                        f"another process trains in {str(self.folder)!r}, and two would spoil its files; let that one "
                        "end, or stop it first"
                    ) from error
            yield

    def stage_weights(self, stage: int) -> Path:
        """Where the weights at the end of a stage lie; stages count from 0."""
        return self.weights / f"stage{stage}.pt"

    def kept(self, split: str, task: str) -> Path:
        """Where pictures of a task's split are kept: those to be replayed, and those held out, never trained on."""
        return self.memory / task if split == "train" else self.probe / split / task

    def predictions_of(self, split: str, task: str) -> Path:
        """Where the stored per-image predictions of a task on a split lie."""
        return self.predictions / f"{split}.{task}.npz"

    def read_manifest(self) -> dict[str, Any]:
        """The manifest; empty when the run has none yet."""
        return read_json(self.manifest)

    @property
    def precision(self) -> str:
        """What its network is measured in: float32 where it was trained in that, else what the hardware has."""
        return "32-true" if self.read_manifest().get("precision") == "32-true" else "auto"

    def update_manifest(self, **entries: Any) -> None:
        """Add entries to the manifest."""
        write_json(self.manifest, {**self.read_manifest(), **entries})

    def update_results(self, **entries: Any) -> None:
        """Add final numbers, one entry per split, to ``results.json``."""
        write_json(self.results_json, {**read_json(self.results_json), **entries})


def unended(runs: Iterable[Run]) -> list[str]:
    """A line for each run that has not come to its end: it is measured as far as it has come."""
    return [
        f"{run.folder} has not come to its end, and is measured as far as it has; "
        f"'polyhead train --resume {run.folder}' goes on with it"
        for run in runs
        if run.resume.is_file() and "finished" not in run.read_manifest()
    ]


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file, or an empty one when there is no such file."""
    if not path.is_file():
        return {}
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PolyheadError(f"{path} is no valid JSON, perhaps cut short ({error}); restore or delete it") from error
    assert isinstance(loaded, dict)
    return loaded


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file that then takes ``path``'s place: a kill at any time leaves the old file or the new one.

    Raises:
        PolyheadError: when there is no room for the new one; the old one is as it was.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        replace(partial, path)
    except (OSError, RuntimeError) as error:
        rooms = (str(path.parent), gettempdir())  # Lightning writes to the latter first
        free = " and ".join(f"{shutil.disk_usage(room).free / 2**20:.0f} MiB in {room}" for room in rooms)
        partial.unlink(missing_ok=True)
        torchs = isinstance(error, RuntimeError) and "inline_container" in str(error)  # of torch.save: a write failed
        if torchs or (isinstance(error, OSError) and error.errno in NO_ROOM):
            raise PolyheadError(
                f"{path} could not be written, it seems for want of room ({free} are free); make some, and try again "
                "('polyhead train --resume RUN' goes on with a training)"
            ) from error
        raise


def replace(partial: Path, path: Path) -> None:
    """Put a finished file in its place."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a CSV file, whole or not at all; columns in the order of their first appearance."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none when there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
