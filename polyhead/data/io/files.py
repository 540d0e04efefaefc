"""Read the user's folders and text files safely.

A file name that comes from an annotation file may not leave the folder that the user gave. Symbolic links in this
folder are the user's own way to store data elsewhere: they are followed, and those that lead out are named.
"""

import codecs
import os
from collections import Counter
from pathlib import Path, PurePosixPath, PureWindowsPath

from polyhead.errors import InvalidFileError, Problem, counted, few

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16: its mark starts with that of UTF-16-LE
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, with or without a byte-order mark.

    Raises:
        InvalidFileError: if the file cannot be read or has another encoding; names the line of the first invalid byte.
    """
    remedy = "save the file as UTF-8"
    try:
        data = path.read_bytes()
    except OSError as error:
        remedy = "check that the file exists and that you have permission to read it"
        raise InvalidFileError(path, f"cannot be read ({error.strerror})", remedy) from error
    for mark, name in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            raise InvalidFileError(path, f"expected UTF-8 text, got {name}", remedy)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"expected UTF-8 text, got the invalid byte {data[error.start]:#04x}"
        raise InvalidFileError(f"{path}: line {line}", what, remedy) from error
    if "\0" in text:
        what = "expected UTF-8 text, got zero bytes (UTF-16 without a byte-order mark, or a binary file)"
        raise InvalidFileError(path, what, remedy)
    return text


def escapes(name: str) -> bool:
    """Return whether a path is absolute or contains ``..``, in Unix or in Windows spelling."""
    path = PureWindowsPath(name)
    return bool(path.anchor) or ".." in path.parts


MOST_VISITS = 8
"""How often a folder is listed that several links lead to."""


def is_folder_name(name: str) -> bool:
    """Return whether a new folder can have this name, or this path, and is then inside the folder it is made in."""
    return name.isprintable() and not escapes(name) and PureWindowsPath(name).name.strip(". ") != ""


class Listing:
    """All files below a folder except hidden ones, by their path relative to it with forward slashes.

    Symbolic links are followed, except where that would never end: to a folder above the link, or again and again to
    the same folder.

    Args:
        folder: the folder to list.

    Attributes:
        files: ``{name: path}``.
        outside_links: names of the links that lead out of the folder, with what they lead to.
        broken_links: names of the links that are not followed, because they lead to nothing or would never end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Path] = {}
        self.outside_links: dict[str, str] = {}
        self.broken_links: set[str] = set()
        self._visits: Counter[str] = Counter()
        self._root = os.path.realpath(folder)
        self._walk(str(folder), "", self._root, ())

    @property
    def notes(self) -> list[str]:
        """What was followed out of the folder, and what was not followed."""
        out = [f"{name} -> {target}" for name, target in sorted(self.outside_links.items())]
        broken = sorted(self.broken_links)
        notes = {
            f"{counted(len(out), 'symbolic link')} out of {self.folder} followed: {few(out, 3)}": out,
            f"{counted(len(broken), 'symbolic link')} to nothing or to a folder above: {few(broken, 3)}": broken,
        }
        return [note for note, links in notes.items() if links]

    def find(self, name: str) -> Path | Problem:
        """Return the path of a file, or the problem with its name."""
        where = f"image {name!r:.300}"
        if escapes(name):
            what = f"expected a path inside {self.folder}, got one that leaves it"
            return Problem(where, what, "write the path relative to that folder")
        plain = PurePosixPath(name).as_posix()
        if plain in self.files:
            return self.files[plain]
        if any(plain == link or plain.startswith(link + "/") for link in self.broken_links):
            what = "is a symbolic link to nothing, or to a folder above it"
            return Problem(where, what, "correct the link, or copy the file itself into the folder")
        return Problem(where, f"does not exist in {self.folder}", "add the file, or delete the entries that name it")

    def _walk(self, folder: str, prefix: str, real: str, above: tuple[str, ...]) -> None:
        """List a folder.

        Args:
            folder: its path.
            prefix: its path relative to the listed folder, with a slash at its end.
            real: its path without links.
            above: without links, the folders whose links led here.
        """
        self._visits[real] += 1
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
        for entry in found:
            name, target, come = prefix + entry.name, f"{real}{os.sep}{entry.name}", above
            if entry.is_symlink():
                target, come = os.path.realpath(entry.path), (*above, real)
                endless = any(_is_inside(each, target) for each in come) or self._visits[target] >= MOST_VISITS
                # Path.exists raises for names that no file can have
                if not os.path.exists(target) or (entry.is_dir() and endless):  # noqa: PTH110
                    self.broken_links.add(name)
                    continue
                if not _is_inside(target, self._root):
                    self.outside_links[name] = target
            if entry.is_dir():
                self._walk(entry.path, f"{name}/", target, come)
            elif entry.is_file():
                self.files[name] = Path(entry.path)


def _is_inside(path: str, folder: str) -> bool:
    """Return whether a real path is a folder or below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
