"""The folder and the names of the images that a command draws; none is ever overwritten."""

import itertools
import os
from pathlib import Path

from polyhead.errors import PolyheadError
from polyhead.paths import make_folder

MAX_STEM = 180
"""Bytes of an image's name that the names of its files begin with; most systems allow 255 in all."""


def new_folder(run_name: str, out: str | None, command: str) -> Path:
    """Create a new folder for drawn images.

    Args:
        run_name: the run, in whose folder it is by default.
        out: the folder to make; None for one that is named like the command.
        command: name of the command.

    Raises:
        PolyheadError: if ``out`` is a file.
    """
    run = Path(run_name)
    if run.is_file():  # a weights file: in its run folder, or else in the current folder
        run = run.parent.parent if run.parent.name == "weights" else Path()
    first = Path(out) if out else (run if run.is_dir() else Path()) / command
    for number in itertools.count(1):
        folder = first if number == 1 else first.with_name(f"{first.name}{number}")
        if folder.exists() and not folder.is_dir():
            raise PolyheadError(f"{str(folder)!r} is a file. Give a folder for the drawn images with --out.")
        if not folder.exists() or not any(folder.iterdir()):
            break
    make_folder(folder)
    return folder


def free_name(image: str, taken: set[str]) -> str:
    """Return ``photo.jpg`` for ``photo.png``, or ``photo_2.jpg`` where an image of another folder has that name."""
    stem = Path(image).stem.lstrip(".") or "image"  # a name such as ..jpg would be that of a hidden file
    while len(os.fsencode(stem)) > MAX_STEM:
        stem = stem[:-1]
    name = next(
        name for n in itertools.count(1) if (name := f"{stem}.jpg" if n == 1 else f"{stem}_{n}.jpg") not in taken
    )
    taken.add(name)
    return name
