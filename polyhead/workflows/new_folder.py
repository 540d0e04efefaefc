"""A folder that is written as a whole: a kill at any time leaves the old one or the new one."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from polyhead.errors import PolyheadError, few
from polyhead.paths import make_folder
from polyhead.run import partial_path


@contextmanager
def replaced(folder: Path, ours: Sequence[str]) -> Iterator[Path]:
    """Provide a new folder to write to, which takes the place of ``folder`` at the end of the block.

    Args:
        folder: an empty folder, one that an earlier call has written, or none.
        ours: the files in ``folder`` that may be lost. Hidden files, which file managers write, may be, too.

    Raises:
        PolyheadError: if there is something else in the folder, or it cannot be created.
    """
    folder = folder.resolve()  # of a link, the folder is replaced
    if folder.exists() and not folder.is_dir():
        raise PolyheadError(f"{str(folder)!r} is a file. Give a folder for the drawn images with --out.")
    present = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if others := [name for name in present if name not in ours and not name.startswith(".")]:
        raise PolyheadError(
            f"{str(folder)!r} has files that this command did not write: {few(others, 3)}. Move them, or give another "
            "folder with --out."
        )
    new, old = partial_path(folder), partial_path(folder)
    make_folder(new)
    try:
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)
