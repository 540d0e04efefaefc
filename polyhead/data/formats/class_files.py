"""Read the files in which tools write the names of the classes of masks."""

import csv
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from polyhead.data.formats.data_folder import DataFolder
from polyhead.data.io.files import read_text
from polyhead.data.readers.mask_files import is_background
from polyhead.data.readers.png_masks import read_class_file
from polyhead.errors import InvalidFileError

Settings = dict[str, Any]
"""The settings ``classes`` and ``first``, or ``colors``, of the reader png_masks."""


def find_class_file(folder: DataFolder, places: Iterable[str]) -> Path | None:
    """Return the first file with class names in a folder or in some of its subfolders; names may have any case."""
    for place in dict.fromkeys([".", *places]):
        files = {name.lower(): name for name in folder.files.get(place, ())}
        if name := next((name for name in PARSERS if name in files), None):
            return folder.path / place / files[name]
    return None


def read_settings(path: Path) -> Settings:
    """Return the settings that a file with class names means.

    Raises:
        InvalidFileError: if the file cannot be read or is not as its tool writes it.
    """
    return PARSERS[path.name.lower()](path)


def _names_or_colors(path: Path) -> Settings:
    """Read a class name, or a class name and a color, in each line; the first is number 1."""
    names, colors = read_class_file(path)
    return {"colors": colors} if names is None else {"classes": names}


def _labelme(path: Path) -> Settings:
    """Read labelme's names: ``__ignore__`` is 255, then come those of 0, 1, 2, ... as labelme2voc numbers them."""
    names = [name for line in read_text(path).splitlines() if (name := line.strip()) and name != "__ignore__"]
    return _from_zero(path, names)


def _codes(path: Path) -> Settings:
    """Read fastai's codes: the names of 0, 1, 2, ..."""
    return _from_zero(path, [name for line in read_text(path).splitlines() if (name := line.strip())])


def _from_zero(path: Path, names: list[str]) -> Settings:
    if not names:
        raise InvalidFileError(path, "the file names no class", "write one class per line")
    return {"classes": names[1:]} if is_background(names[0]) and names[1:] else {"classes": names, "first": 0}


def _roboflow(path: Path) -> Settings:
    """Read Roboflow's table with the columns ``Pixel Value, Class``."""
    rows = [[cell.strip() for cell in row] for row in _table(path, csv.reader) if row]
    names = {int(row[0]): row[1] for row in rows if len(row) == 2 and re.fullmatch(r"\d{1,3}", row[0])}
    if len(names) != len(rows) - 1 or sorted(names) != list(range(len(names))):
        what = "expected the columns 'Pixel Value, Class' with a row for each of 0, 1, 2, ..."
        raise InvalidFileError(path, what, "export the data again, or write the names into classes.txt")
    return _from_zero(path, [names[number] for number in sorted(names)])


def _labelmap(path: Path) -> Settings:
    """Read CVAT's lines ``name:red,green,blue:parts:actions``."""
    return _colored(path, r"(?P<name>[^:]+):(?P<color>\d+,\d+,\d+):.*", "name:red,green,blue::")


def _class_dict(path: Path) -> Settings:
    """Read the table with the columns ``name, r, g, b`` that comes with CamVid on Kaggle."""
    return _colored(path, r"(?P<name>[^,]+),(?P<color> *\d+ *, *\d+ *, *\d+ *)", "name,r,g,b", header=True)


def _label_colors(path: Path) -> Settings:
    """Read CamVid's own lines ``red green blue name``."""
    return _colored(path, r"(?P<color>\d+\s+\d+\s+\d+)\s+(?P<name>.+)", "red green blue name")


def _colored(path: Path, pattern: str, form: str, *, header: bool = False) -> Settings:
    """Return the class and color of each line that is not a comment."""
    colors: dict[str, list[int]] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#") or (header and number == 1):
            continue
        match = re.fullmatch(pattern, line.strip())
        name = match["name"].strip() if match else ""
        if match is None or name in colors:
            what = f"expected a class and its color as {form!r}, got {line!r:.80}"
            what = f"the class {name!r} is listed twice" if match else what
            raise InvalidFileError(f"{path}: line {number}", what, "correct the line")
        colors[name] = [int(value[:4]) for value in re.findall(r"\d+", match["color"])]
    if not colors:
        raise InvalidFileError(path, "the file names no class", f"write a line {form!r} for each class")
    return {"colors": colors}


def _object_info(path: Path) -> Settings:
    """Read the table with the columns ``Idx`` and ``Name`` that comes with ADE20K: the names of 1, 2, ..."""
    rows = _table(path, partial(csv.DictReader, delimiter="\t"))
    names = [name for row in rows if (name := (row.get("Name") or "").strip())]
    numbers = [(row.get("Idx") or "").strip() for row in rows]
    if not names or numbers != [str(number) for number in range(1, len(names) + 1)]:
        what = "expected the columns Idx and Name, separated by tabs, with a row for each of 1, 2, 3, ..."
        raise InvalidFileError(path, what, "download the file again, or write the names into classes.txt")
    return {"classes": names}


def _table(path: Path, reader: Callable[[list[str]], Iterable[Any]]) -> list[Any]:
    """Return the rows of a table.

    Raises:
        InvalidFileError: if it is none, such as with a quote that is never closed.
    """
    try:
        return list(reader(read_text(path).splitlines()))
    except csv.Error as error:
        raise InvalidFileError(path, f"cannot be read as a table ({error})", "download the file again") from error


PARSERS: dict[str, Callable[[Path], Settings]] = {
    "classes.txt": _names_or_colors,
    "labelmap.txt": _labelmap,
    "class_names.txt": _labelme,
    "_classes.csv": _roboflow,
    "class_dict.csv": _class_dict,
    "codes.txt": _codes,
    "label_colors.txt": _label_colors,
    "labels.txt": _labelme,
    "obj.names": _names_or_colors,
    "objectinfo150.txt": _object_info,
}
"""How each file is read; the first of them that is found is used."""
