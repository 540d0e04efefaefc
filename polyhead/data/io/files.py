"""Reading a user's folders and texts safely.

Names that come from an annotation file may not leave the folder that the user gave, neither by ``../`` nor by a link.
"""

import codecs
import os
from pathlib import Path, PurePosixPath, PureWindowsPath

from polyhead.errors import FileFault, Problem

MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte-order mark.

    Raises:
        FileFault: when the file is missing, or of another encoding (with the line of the first foreign byte).
    """
    remedy = "save the file as UTF-8"
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise FileFault(path, f"cannot be read ({fault.strerror})", "see that it exists and may be read") from fault
    for mark, name in MARKS.items():
        if data.startswith(mark):
            raise FileFault(path, f"the text is {name}, expected UTF-8", remedy)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise FileFault(f"{path}: line {line}", f"byte {data[fault.start]:#04x} is not UTF-8", remedy) from fault
    if "\0" in text:
        raise FileFault(path, "the text holds zero bytes, as UTF-16 without a mark or a binary file does", remedy)
    return text


def escapes(name: str) -> bool:
    """Whether a path from an annotation file is absolute or climbs with ``..``, in Unix or Windows spelling."""
    path = PureWindowsPath(name)
    return bool(path.anchor) or ".." in path.parts


class Listing:
    """The files below a folder, by their path relative to it with forward slashes; hidden ones are left out.

    Attributes:
        files: name -> path.
        strays: links that lead out of the folder's root; never opened.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self.folder = folder
        self.files: dict[str, Path] = {}
        self.strays: set[str] = set()
        self._homes = [os.path.realpath(home) for home in (folder, root or folder)]
        self._walk(str(folder), "", {self._homes[0]})

    def find(self, name: str) -> Path | Problem:
        """The path of a file, or what is wrong with its name."""
        where = f"picture {name!r}"
        if escapes(name):
            return Problem(where, f"the path leaves its folder {self.folder}", "name the file relative to that folder")
        plain = PurePosixPath(name).as_posix()
        if plain in self.files:
            return self.files[plain]
        if any(plain == stray or plain.startswith(stray + "/") for stray in self.strays):
            return Problem(where, f"the link leads out of {self.folder}", "copy the file itself into the folder")
        return Problem(where, f"there is no such file in {self.folder}", "add the file, or remove what refers to it")

    def _walk(self, folder: str, prefix: str, above: set[str]) -> None:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
        for entry in found:
            name, inside = prefix + entry.name, above
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if not any(target == home or target.startswith(home + os.sep) for home in self._homes):
                    self.strays.add(name)
                    continue
                if target in above:
                    continue
                inside = above | {target}
            if entry.is_dir():
                self._walk(entry.path, f"{name}/", inside)
            elif entry.is_file():
                self.files[name] = Path(entry.path)
