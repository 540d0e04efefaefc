"""The run folder: names of its files, and functions to read and write them (without torch).

Training creates one folder, and everything after training reads it. Files are replaced atomically, never half-written.
"""

import csv
import json
import math
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir
from typing import IO, Any

from polyhead.errors import DISK_FULL, Interrupted, PolyheadError
from polyhead.stored import run_files, text_files

REMEDY = "Use the folder that 'polyhead train' printed."
PARTIAL = ".partial"
"""End of the names of temporary files."""
NOT_UTF8 = "backslashreplace"
"""How files get the bytes of a file name that are not UTF-8; in JSON this is the escape sequence that means them."""


class Run:
    """The paths of the files in a run folder.

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
        self.exemplars = self.folder / "exemplars"
        self.probe = self.folder / "probe"
        self.log = self.folder / "log.txt"
        self.verdict = self.folder / "verdict.txt"
        self.lock = self.folder / ".lock"
        self.write_lock = self.folder / ".write.lock"

    @classmethod
    def create(cls, root: str | Path, name: str) -> "Run":
        """Create ``root/name``, or ``root/name2``, ``root/name3``… if it exists; a run is never overwritten."""
        number = 1
        while True:
            folder = Path(root) / (name if number == 1 else f"{name}{number}")
            try:
                folder.mkdir(parents=True)
                break
            except FileExistsError:
                number += 1
            except OSError as error:
                raise PolyheadError(
                    f"run folder {folder} cannot be created ({error.strerror}). Allow writing there, or choose another "
                    "folder for runs with runs=FOLDER."
                ) from error
        run = cls(folder)
        for path in (run.weights, run.predictions, run.plots, run.samples):
            path.mkdir()
        return run

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Open an existing run.

        Args:
            folder: the run folder, or its ``weights/best.pt``, the weights that are evaluated.

        Raises:
            PolyheadError: if the folder does not exist or is not a run folder, or for another weights file.
        """
        path = Path(folder)
        if path.is_file() and path.parent.name == "weights":
            if path.name != cls(path.parent.parent).best.name:
                raise PolyheadError(
                    f"expected a run folder or its weights/best.pt (the weights that are evaluated), got "
                    f"{str(folder)!r}. Use {str(path.parent.parent)!r}."
                )
            path = path.parent.parent
        if not path.is_dir():
            raise PolyheadError(f"run folder {str(folder)!r} does not exist. {REMEDY}")
        run = cls(path)
        if not (run.config.is_file() or run.manifest.is_file()):  # a run of polyhead.fit has no recipe
            raise PolyheadError(f"{str(folder)!r} is not a run folder: it has no config.yaml. {REMEDY}")
        return run

    def require_recipe(self, remedy: str) -> None:
        """Check that the run has a recipe, from which its model and data can be built again.

        Args:
            remedy: what to do without one, for the message.

        Raises:
            PolyheadError: if it was trained from Python.
        """
        if not self.config.is_file():
            raise PolyheadError(
                f"run {str(self.folder)!r} was trained from Python (polyhead.fit), so its data cannot be opened again. "
                f"{remedy}"
            )

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Prevent other processes from training in this run; yield whether a lock could be taken.

        What a killed process has left half-written is removed. The operating system releases the lock when this process
        ends. No lock is taken on Windows, whose Python has no ``fcntl``, and on file systems without locks.

        Raises:
            PolyheadError: if another process is training in this run.
            Interrupted: on Ctrl-C within the block.
        """
        with self.lock.open("a") as file:
            try:
                locked = _acquire(file, wait=False)
            except OSError as error:
                raise PolyheadError(
                    f"Run folder {str(self.folder)!r} is locked by another training process. Wait for it to finish or "
                    "stop it."
                ) from error
            try:
                if locked:
                    remove_partials(self.folder)
                yield locked
            except KeyboardInterrupt as stop:
                raise Interrupted(self.folder) from stop

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Wait until no other process changes the manifest or the results, such as another evaluation."""
        with self.write_lock.open("a") as file:
            _acquire(file, wait=True)
            yield

    @property
    def quoted(self) -> str:
        """The folder as it is typed in a command."""
        return shlex.quote(str(self.folder))

    @property
    def name(self) -> str:
        """The name of the run folder."""
        return self.folder.resolve().name

    def stage_weights(self, stage: int) -> Path:
        """Return the path of the weights at the end of a stage; stages are numbered from 0."""
        return self.weights / f"stage{stage}.pt"

    def exemplar_folder(self, split: str, task: str) -> Path:
        """Return the folder of a task's stored images: exemplars for replay (train), held-out images (other splits)."""
        return self.exemplars / task if split == "train" else self.probe / split / task

    def predictions_path(self, split: str, task: str) -> Path:
        """Return the path of the stored per-image predictions of a task on a split."""
        return self.predictions / f"{split}.{task}.npz"

    def read_manifest(self) -> dict[str, Any]:
        """Read the manifest; empty if the run has none yet."""
        return run_files.read_manifest(self.manifest)

    @property
    def results(self) -> dict[str, Any]:
        """The content of ``results.json``: the numbers of each task by split; empty if the run was not evaluated."""
        return run_files.read_results(self.results_json)

    @property
    def epochs(self) -> list[dict[str, str]]:
        """The rows of ``results.csv``, one for each epoch; empty if no epoch was finished."""
        return run_files.read_epochs(self.results_csv)

    @property
    def precision(self) -> str:
        """Precision for evaluation: float32 if the run was trained in it, else the best that the hardware supports."""
        return "32-true" if self.read_manifest().get("precision") == "32-true" else "auto"

    def update_manifest(self, **entries: Any) -> None:
        """Add entries to the manifest, replacing those of the same name."""
        with self._changing():
            write_json(self.manifest, {**self.read_manifest(), **entries})

    def update_results(self, **entries: Any) -> None:
        """Add entries to ``results.json``, such as the results of a split, replacing those of the same name."""
        with self._changing():
            write_json(self.results_json, {**self.results, **entries})

    def add_scores(self, split: str, tasks: Mapping[str, Any]) -> None:
        """Add the scores of tasks on a split to ``results.json``; those of other tasks stay."""
        with self._changing():
            results = self.results
            stored = results.get(split, {}).get("tasks", {})
            write_json(self.results_json, {**results, split: {"tasks": {**stored, **tasks}}})


def _acquire(file: IO[str], *, wait: bool) -> bool:
    """Lock an opened file until it is closed; return whether the platform and the file system can.

    Raises:
        OSError: if another process has locked it, unless it is waited for.
    """
    try:
        import fcntl  # pylint: disable=import-outside-toplevel  # Windows does not have it
    except ImportError:
        return False
    try:
        # lockf, because locks of flock are inherited: the workers of a killed training process would hold them.
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if isinstance(error, BlockingIOError | PermissionError):
            raise
        return False
    return True


def split_runs(text: str, separator: str) -> list[str]:
    """Split a list of run folders on the command line, unless it is the name of one folder."""
    return [text] if Path(text).is_dir() else text.split(separator)


def unfinished(runs: Iterable[Run]) -> list[str]:
    """Return a warning for each run that is not finished, whose best checkpoint so far is evaluated."""
    return [
        f"Run {run.folder} is not finished; evaluating its best checkpoint so far. "
        f"Resume it with 'polyhead train --resume {run.quoted}'."
        for run in runs
        if run.resume.is_file() and "finished" not in run.read_manifest()
    ]


def read_json(path: Path) -> dict[str, Any]:
    """Read the mapping in a JSON file of any content; empty if the file does not exist."""
    return text_files.read_json(path, dict, "Restore or delete it.")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", errors=NOT_UTF8)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Provide a temporary path to write to, and replace ``path`` with that file at the end of the block.

    A kill at any time leaves either the old file or the new one. Each call has its own temporary path, so that several
    processes can write the same file.

    Raises:
        PolyheadError: if the disk is full; the old file is unchanged.
    """
    partial = partial_path(path)
    try:
        yield partial
        replace(partial, path)
    except (OSError, RuntimeError) as error:
        folders = (str(path.parent), gettempdir())  # Lightning writes to the latter first
        free = " and ".join(f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB in {folder}" for folder in folders)
        # torch.save raises a RuntimeError from inline_container.cc when a write fails.
        torch_failed = isinstance(error, RuntimeError) and "inline_container" in str(error)
        if torch_failed or (isinstance(error, OSError) and error.errno in DISK_FULL):
            raise PolyheadError(
                f"{path} could not be written, probably because the disk is full (free: {free}). Free some space and "
                "try again; resume an interrupted run with 'polyhead train --resume RUN'."
            ) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Return a new temporary path beside a file; it names this process."""
    return path.with_name(f"{path.name}.{token_hex(4)}.{os.getpid()}{PARTIAL}")


def is_partial(path: Path, names: Iterable[str]) -> bool:
    """Return whether a path is a temporary one of a file with one of these names."""
    return path.suffix == PARTIAL and any(path.name.startswith(f"{name}.") for name in names)


def remove_partials(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes have left; those of running ones stay."""
    for partial in [*folder.rglob(f"*{PARTIAL}")]:
        writer = partial.stem.rpartition(".")[2]
        if not writer.isdecimal() or int(writer) == os.getpid() or not _is_running(int(writer)):
            shutil.rmtree(partial, ignore_errors=True)  # does nothing to a file
            partial.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    """Return whether there is a process with this number on this machine; False on Windows, which cannot be asked."""
    if os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it belongs to another user
        return True
    return True


def replace(partial: Path, path: Path) -> None:
    """Flush a finished file to the disk and rename it to ``path``."""
    with partial.open("r+b") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def plain(value: Any) -> Any:
    """Convert nested values to what JSON can hold: tuples become lists, NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a CSV file atomically; columns are in the order of their first appearance."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", errors=NOT_UTF8, newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file of any columns; an empty list if the file does not exist."""
    return text_files.read_rows(path, "Restore or delete it.")
