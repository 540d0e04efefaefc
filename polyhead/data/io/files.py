"""Read the user's folders and text files safely.

A file name that comes from an annotation file may not leave the folder that the user gave, neither by ``../`` nor by a
symbolic link.
"""

import codecs
import os
from pathlib import Path, PurePosixPath, PureWindowsPath

from polyhead.errors import InvalidFileError, Problem

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


def is_folder_name(name: str) -> bool:
    """Return whether a new folder can have this name, or this path, and is then inside the folder it is made in."""
    return name.isprintable() and not escapes(name) and PureWindowsPath(name).name.strip(". ") != ""


class Listing:
    """All files below a folder except hidden ones, by their path relative to it with forward slashes.

    Args:
        folder: the folder to list.
        root: symbolic links may also lead to files below this folder.

    Attributes:
        files: ``{name: path}``.
        outside_links: names of the symbolic links that lead out of both folders; they are never opened.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self.folder = folder
        self.files: dict[str, Path] = {}
        self.outside_links: set[str] = set()
        self._allowed = [os.path.realpath(allowed) for allowed in (folder, root or folder)]
        self._walk(str(folder), "", {self._allowed[0]})

    def find(self, name: str) -> Path | Problem:
        """Return the path of a file, or the problem with its name."""
        where = f"image {name!r:.300}"
        if escapes(name):
            what = f"expected a path inside {self.folder}, got one that leaves it"
            return Problem(where, what, "write the path relative to that folder")
        plain = PurePosixPath(name).as_posix()
        if plain in self.files:
            return self.files[plain]
        if any(plain == link or plain.startswith(link + "/") for link in self.outside_links):
            what = f"expected a file inside {self.folder}, got a symbolic link that leads out of it"
            return Problem(where, what, "copy the file itself into the folder")
        return Problem(where, f"does not exist in {self.folder}", "add the file, or delete the entries that name it")

    def _walk(self, folder: str, prefix: str, ancestors: set[str]) -> None:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
        for entry in found:
            name, visited = prefix + entry.name, ancestors
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if not any(target == top or target.startswith(top + os.sep) for top in self._allowed):
                    self.outside_links.add(name)
                    continue
                if target in ancestors:  # a link to a folder above it: following it would never end
                    continue
                visited = ancestors | {target}
            if entry.is_dir():
                self._walk(entry.path, f"{name}/", visited)
            elif entry.is_file():
                self.files[name] = Path(entry.path)
