"""Write a Space into a folder: all files or none, and over nothing that Polyhead has not written."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from secrets import token_hex

from polyhead.data.catalog import checksum
from polyhead.errors import PolyheadError, few
from polyhead.run import PARTIAL, read_json
from polyhead.workflows.space.plan import INDEX, Plan

MADE = ("__pycache__", ".gradio")
"""Folders that starting the app makes."""


def check_folder(folder: Path, run: str | Path) -> None:
    """Check that a Space of a run can be written into a folder: a new or empty one, or a Space without changes.

    Raises:
        PolyheadError: if it has other files, or is in the run.
    """
    if folder.is_file():
        raise PolyheadError(f"{str(folder)!r} is a file. Give the folder of the Space.")
    root = Path(run).parent.parent if Path(run).is_file() else Path(run)
    if run and root.is_dir() and folder.resolve().is_relative_to(root.resolve()):
        raise PolyheadError(f"{str(folder)!r} is in the run, which is not changed. Give another folder for the Space.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / INDEX).is_file():
        raise PolyheadError(
            f"{str(folder)!r} is not empty, and not a Space that Polyhead has written. Give a new folder for the Space."
        )
    if changes := changed(folder):
        raise PolyheadError(
            f"{str(folder)!r} has files that were added or changed after Polyhead wrote it ({few(changes, 3)}), which "
            "would be lost. Move them away, or give a new folder for the Space."
        )


def changed(folder: Path) -> list[str]:
    """Return the files in the folder of a Space that Polyhead has not written, or that were changed or deleted since.

    Raises:
        PolyheadError: if it is not the folder of a Space.
    """
    written = _index(folder)
    found = {name: _checksum(path) for name, path in _files(folder) if name != INDEX}
    return sorted(name for name in {*written, *found} if written.get(name) != found.get(name))


def write(plan: Plan, folder: str | Path, run: str | Path = "") -> Path:
    """Write the files of a Space; a folder that was a Space without changes is replaced.

    Args:
        plan: the files.
        folder: the folder.
        run: the run that it shows, which is not changed.

    Returns:
        The folder.

    Raises:
        PolyheadError: if the folder cannot be written, or has files that would be lost.
    """
    target = Path(folder).resolve()
    check_folder(target, run)
    for file in plan.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or "\\" in file.path:
            raise PolyheadError(f"{file.path!r} is not a path within a Space.")
    new, old = (target.with_name(f".{target.name}.{token_hex(4)}.{os.getpid()}{PARTIAL}") for _ in range(2))
    try:
        for file in plan.files:
            place = new / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read())
        if target.is_dir():
            target.replace(old)
        new.replace(target)
    except OSError as error:
        if old.is_dir() and not target.exists():
            old.replace(target)
        raise PolyheadError(
            f"{target}: the Space cannot be written ({error.strerror}). Give another folder, or free some space."
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
    return target


def _index(folder: Path) -> dict[str, str]:
    """Return the checksum of each file that was written.

    Raises:
        PolyheadError: if it is not the folder of a Space.
    """
    entries = read_json(folder / INDEX).get("files")
    if not isinstance(entries, dict) or not all(isinstance(each, dict) for each in entries.values()):
        raise PolyheadError(
            f"{str(folder)!r} is not a Space that Polyhead has written: its {INDEX} is missing or damaged. Give "
            "another folder."
        )
    return {str(name): str(each.get("sha256")) for name, each in entries.items()}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files in a folder with their paths in it, without those that the app makes."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_dir() and not set(relative.parts) & set(MADE):
            yield relative.as_posix(), path


def _checksum(path: Path) -> str:
    """Return the checksum of a file; that of no file for a link."""
    return "a link" if path.is_symlink() else checksum(path)
