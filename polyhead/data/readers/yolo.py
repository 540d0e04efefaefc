"""YOLO txt: a file per picture, a line per object: class, and centre and size relative to the picture.

A picture without a label file is a negative, as everywhere in this format; a set without any label file is a fault.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from polyhead.data.io.files import Listing, escapes, read_text
from polyhead.data.io.images import is_picture, picture_size
from polyhead.data.readers.in_memory import Box, Faults, Listed, Scene, box_fault
from polyhead.errors import FileFault, PolyheadError, Problem, suggest
from polyhead.paths import find
from polyhead.types import Size

COLUMNS = 5
SPLITS = ("train", "val", "valid", "test")


class Described(NamedTuple):
    """What the files beside the labels say: class names, and the folders or lists of pictures of each split."""

    names: list[str]
    splits: dict[str, list[str]]


class Yolo(Listed):
    """A data set with ``data.yaml``, or with ``classes.txt`` (a name per line) and the folders ``images``, ``labels``.

    Args:
        root: the folder of ``data.yaml``; its own ``path`` is not followed.
        split: a key of ``data.yaml``, whose value names a folder of pictures, a txt file that lists them, or several.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.Listed`.
        cap: the share of pictures that may be skipped.
    """

    def __init__(self, root: str | Path, split: str = "train", *, on_bad: str = "stop", cap: float = 0.1) -> None:
        folder = find(root)
        names, splits = describe_yolo(folder)
        if split not in splits:
            raise PolyheadError(f"{folder}: there is no split {split!r}{suggest(split, splits)}")
        faults = Faults()
        listing = Listing(folder)
        labels = {str(number): number for number in range(len(names))}
        scenes: dict[str, Scene | None] = {}
        labelled = 0
        for name, where in _pictures(folder, splits[split], listing, faults):
            label = _label_file(name)
            ident = str(PurePosixPath(name).with_suffix(""))
            path = listing.find(name)
            if ident in scenes:
                what = f"another picture has the same label file {label}, or is listed twice"
                faults.add(ident, Problem(f"{where}, picture {name!r}", what, "rename or remove one of the two"))
            elif isinstance(path, Problem):
                faults.add(ident, path._replace(where=f"{where}, {path.where}"))
            else:
                scenes[ident] = _scene(ident, path, listing.files.get(label), labels, faults)
                labelled += label in listing.files
        _labels_alone(folder, listing, scenes, faults)
        if scenes and not labelled:
            what = f"not one of {len(scenes)} pictures of {split!r} has a label file"
            faults.add(
                None, Problem(str(folder), what, "put labels/NAME.txt beside images/NAME.jpg, folder for folder")
            )
        kept = [scene for scene in scenes.values() if scene]
        super().__init__(folder, names, [*range(len(names))], kept, faults, on_bad, cap)


def yolo_description(folder: Path) -> Path | None:
    """The file of class names: ``data.yaml``, the only other YAML file with ``names``, or ``classes.txt``."""
    if (folder / "data.yaml").is_file():
        return folder / "data.yaml"
    sheets = [path for path in sorted(folder.glob("*.y*ml")) if "names:" in read_text(path)]
    if len(sheets) == 1:
        return sheets[0]
    return folder / "classes.txt" if (folder / "classes.txt").is_file() and (folder / "labels").is_dir() else None


def describe_yolo(folder: Path) -> Described:
    """Class names and splits of a YOLO folder.

    Raises:
        PolyheadError: when there is no description, or it is not of the format.
    """
    path = yolo_description(folder)
    if path is None:
        raise PolyheadError(f"{folder}: no YOLO layout; looked for data.yaml, or classes.txt with a folder labels")
    if path.suffix == ".txt":
        names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
        return Described(names, _usual_splits(folder))
    try:
        document = yaml.safe_load(read_text(path))
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise FileFault(f"{path}: line {line}", f"not YAML ({fault.problem})", "repair the file") from fault
    except (yaml.YAMLError, RecursionError) as fault:
        raise FileFault(path, f"not YAML ({fault})", "repair the file") from fault
    if not isinstance(document, dict) or not document.get("names"):
        raise FileFault(path, "there is no list of class names", "add 'names: [first, second]'")
    names = _names(path, document)
    splits = {}
    for split in SPLITS:
        if document.get(split):
            value = document[split]
            splits[split] = [_within(path, folder, entry) for entry in (value if isinstance(value, list) else [value])]
    return Described(names, splits or _usual_splits(folder))


def _usual_splits(folder: Path) -> dict[str, list[str]]:
    """The folders of pictures that exist where nothing names them."""
    usual = ((split, place) for split in SPLITS for place in (f"images/{split}", f"{split}/images"))
    places = {split: [place] for split, place in usual if (folder / place).is_dir()}
    return places or ({"train": ["images"]} if (folder / "images").is_dir() else {})


def _names(path: Path, document: dict[str, Any]) -> list[str]:
    names = document["names"]
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            what = f"the keys of 'names' must be 0 to {len(names) - 1}, found {', '.join(map(str, names))}"
            raise FileFault(path, what, "number the classes without holes")
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FileFault(path, f"'names' must be a list of texts, found {names!r:.120}", "put each name in quotes")
    if len(set(names)) < len(names):
        raise FileFault(path, "a class name is used twice", "give every class its own name")
    if document.get("nc", len(names)) != len(names):
        raise FileFault(path, f"'nc' is {document['nc']}, but there are {len(names)} names", "correct one of the two")
    return names


def _within(path: Path, folder: Path, place: Any) -> str:
    """A place named in data.yaml; a leading ``../``, as one large exporter writes it, counts from the file's folder."""
    if not isinstance(place, str):
        raise FileFault(path, f"expected a folder of pictures, found {place!r:.80}", "write its path as text")
    inner = re.sub(r"^(\.\./)+", "", place)
    found = not escapes(inner) and (folder / inner).exists()
    if not found and escapes(place):
        what = f"the path {place!r} leaves the folder of the data set"
        raise FileFault(path, what, "write it relative to data.yaml, such as images/train")
    if not found:
        raise FileFault(path, f"{place!r} does not exist in {folder}", "correct the path, or delete the key")
    return PurePosixPath(inner).as_posix()


def _pictures(folder: Path, places: list[str], listing: Listing, faults: Faults) -> list[tuple[str, str]]:
    """The pictures of a split, relative to the root, each with what names it."""
    found: list[tuple[str, str]] = []
    for place in places:
        if place.endswith(".txt"):
            lines = enumerate(read_text(folder / place).splitlines(), 1)
            named = [(line.strip(), f"{folder / place}: line {number}") for number, line in lines if line.strip()]
            for name, where in named:
                if escapes(name):
                    problem = listing.find(name)
                    assert isinstance(problem, Problem)
                    faults.add(where, problem._replace(where=f"{where}, {problem.where}"))
                else:
                    found.append((PurePosixPath(name).as_posix(), where))
        else:
            prefix = "" if place == "." else f"{place}/"
            inside = (
                name for name in (*listing.files, *listing.strays) if name.startswith(prefix) and is_picture(name)
            )
            found += [(name, str(folder / place)) for name in sorted(inside)]
    return found


def _label_file(name: str) -> str:
    """``a/images/b/c.jpg`` has its labels in ``a/labels/b/c.txt``."""
    parts = list(PurePosixPath(name).with_suffix(".txt").parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return "/".join(parts)


def _scene(ident: str, picture: Path, sheet: Path | None, labels: dict[str, int], faults: Faults) -> Scene | None:
    """A picture with its sound objects; None where its size cannot be read."""
    try:
        scene = Scene(ident, picture, picture_size(picture))
        text = read_text(sheet) if sheet else ""
    except FileFault as fault:
        faults.add(ident, fault.problem)
        return None
    for number, line in enumerate(text.splitlines(), 1):
        columns = line.split()
        if not columns:
            continue
        thing = _thing(columns, scene.size, labels)
        if isinstance(thing[0], int):
            scene.add(thing[1], thing[0])
        else:
            faults.add(ident, Problem(f"{sheet}: line {number}", *thing))
    return scene


def _thing(columns: list[str], size: Size, labels: dict[str, int]) -> tuple[int, Box] | tuple[str, str]:
    """Label and xyxy box of a line; or what is wrong with it, and what to do."""
    if len(columns) != COLUMNS:
        remedy = "write 'class x_centre y_centre width height'; outlines must be turned into boxes first"
        return f"expected {COLUMNS} columns, found {len(columns)}", remedy
    if columns[0] not in labels:
        what = f"the class must be a whole number from 0 to {len(labels) - 1}, found {columns[0]!r}"
        return what, "correct the class, or add its name to data.yaml"
    try:
        x, y, width, height = (float(column) for column in columns[1:])
    except ValueError:
        return f"expected four numbers, found {' '.join(columns[1:])!r:.80}", "correct or delete the line"
    tall, wide = size
    box = ((x - width / 2) * wide, (y - height / 2) * tall, (x + width / 2) * wide, (y + height / 2) * tall)
    fault = box_fault(box, size)
    if fault is None:
        return labels[columns[0]], box
    absolute = max(x, y, width, height) > 2  # pixels, not shares
    return fault[0], "divide the numbers by the picture's width and height" if absolute else fault[1]


def _labels_alone(folder: Path, listing: Listing, scenes: dict[str, Scene | None], faults: Faults) -> None:
    """Blame label files beside those of this split that belong to no picture at all."""
    owned = {_label_file(name) for name in (*listing.files, *listing.strays) if is_picture(name)}
    homes = {str(PurePosixPath(_label_file(f"{ident}.x")).parent) for ident in scenes}
    for name in listing.files:
        path = PurePosixPath(name)
        if path.suffix == ".txt" and str(path.parent) in homes and name not in owned and path.name != "classes.txt":
            what = "there is no picture of this name"
            faults.add(name, Problem(str(folder / name), what, "add the picture, or delete the label file"))
