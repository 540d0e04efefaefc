"""Read boxes from a CSV file: Roboflow's, TensorFlow's tutorials', RetinaNet's and others with a header."""

from pathlib import Path

from polyhead.data.io.files import Listing
from polyhead.data.io.images import image_size
from polyhead.data.io.named_images import NamedImages
from polyhead.data.io.split_names import split_of, split_of_path
from polyhead.data.readers.csv_boxes import ONLY_CLASS, Row, csv_columns, read_class_ids, read_csv_boxes
from polyhead.data.readers.in_memory import InMemoryReader, Issues, Record, check_box
from polyhead.errors import InvalidFileError, PolyheadError, Problem, suggest
from polyhead.paths import find

CLASS_FILES = ("classes.csv", "class.csv", "class_mapping.csv", "class_map.csv", "labels.csv", "class_list.csv")


class BoxCsv(InMemoryReader):
    """A CSV file with a box on each line, and its images. A line without numbers is an image without boxes.

    A column such as ``bbox`` may hold all four numbers. Without a column of classes, all boxes are of the class
    ``object``. The numbers are pixels, counted from 0. Without ``width`` and ``height`` of the image, those of its file
    are used.

    Args:
        root: the folder of the data set.
        annotations: the CSV file, relative to ``root``; not needed if there is only one.
        images: the folder of the images, relative to ``root``; if None, that of the CSV file. Images that are not there
            are found by the ends of their paths anywhere in ``root``.
        classes: the names of the classes to read, in this order; boxes of other classes are left out. If None: those of
            RetinaNet's ``classes.csv``, or all, sorted.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the CSV file or a class is not found, or the file has other columns.
    """

    def __init__(
        self,
        root: str | Path,
        annotations: str | None = None,
        images: str | None = None,
        *,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        folder = find(root)
        file = folder / annotations if annotations else _only_csv(folder)
        rows, problems = read_csv_boxes(file)
        issues = Issues()
        for name, problem in problems:
            issues.add(name, problem)
        names = class_names(folder, [file], classes)
        split = split_of(file.stem) or split_of_path(file.parent.name)
        near = file.parent if images is None else folder / images
        if not near.is_dir():
            raise PolyheadError(f"{near}: the folder of images does not exist. Correct images=.")
        found = NamedImages(folder, near, split)
        records: dict[str, Record | None] = {}
        used: dict[str, str] = {}
        for row in rows:
            if row.image not in records:
                records[row.image] = _record(row, found, used, issues)
            _add(row, records[row.image], names, issues, selected=classes is not None)
        self.notes = found.notes
        columns = csv_columns(file)
        if columns and columns.sides:
            self.notes.append("the first two numbers of a box are taken as its upper left corner")
        if columns and columns.label is None:
            self.notes.append(f"{file.name} has no column of classes: all boxes have the class {ONLY_CLASS!r}")
        usable = [record for record in records.values() if record]
        super().__init__(file, names, [*names], usable, issues, on_bad, cap)


def csv_files(folder: Path) -> list[Path]:
    """Return the CSV files below a folder that have boxes."""
    files = Listing(folder).files if folder.is_dir() else {}
    found = [path for name, path in files.items() if name.lower().endswith((".csv", ".tsv"))]
    return [path for path in found if csv_columns(path)]


def class_names(folder: Path, files: list[Path], selected: list[str] | None = None) -> list[str]:
    """Return the class names of CSV files.

    Args:
        folder: the folder of the data set, which may have RetinaNet's file of classes.
        files: the CSV files.
        selected: the names that the user selected; each must be in some CSV file of the folder.

    Raises:
        PolyheadError: if a file cannot be read, or a selected name is not found, or selected twice.
    """
    found = {row.label for file in files for row in read_csv_boxes(file)[0] if row.box}
    places = dict.fromkeys([folder, *(file.parent for file in files)])
    for path in (place / name for place in places for name in CLASS_FILES):
        listed = read_class_ids(path) if path.is_file() else None
        if listed and selected is None and found <= set(listed):
            return listed
    if selected is None:
        return sorted(found)
    if len(set(selected)) < len(selected):
        raise PolyheadError(f"classes: expected different names, got a name twice in {', '.join(selected)}")
    if not set(selected) <= found:  # another split may have them
        found |= set(class_names(folder, csv_files(folder)))
    for name in selected:
        if name not in found:
            raise PolyheadError(f"classes: no box in {folder} has the class {name!r}{suggest(name, found)}")
    return list(selected)


def _only_csv(folder: Path) -> Path:
    found = csv_files(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        raise PolyheadError(f"{folder}: has no CSV file of boxes. Name the file with annotations=FILE.")
    names = ", ".join(str(path.relative_to(folder)) for path in found)
    raise PolyheadError(f"{folder}: has several CSV files of boxes ({names}). Choose one with annotations=FILE.")


def _record(row: Row, images: NamedImages, used: dict[str, str], issues: Issues) -> Record | None:
    """Return the record of an image without its boxes; None if it is missing."""
    path = images.find(row.image)
    if isinstance(path, Problem):
        issues.add(row.image, path._replace(where=f"{row.where}, {path.where}"))
        return None
    if used.setdefault(str(path), row.image) != row.image:
        what = f"the image {row.image!r} is the same file as {used[str(path)]!r}"
        issues.add(row.image, Problem(row.where, what, "write the same name in both lines"))
        return None
    try:
        return Record(row.image, path, row.size or image_size(path))
    except InvalidFileError as error:
        issues.add(row.image, error.problem)
        return None


def _add(row: Row, record: Record | None, names: list[str], issues: Issues, *, selected: bool) -> None:
    """Add the box of a line to the record of its image."""
    if record is None or row.box is None:
        return
    if error := check_box(row.box, record.size):
        issues.add(record.id, Problem(row.where, *error))
    elif row.label in names:
        record.add(row.box, names.index(row.label))
    elif not selected:
        what = f"the class {row.label!r} is not in the file of classes"
        issues.add(record.id, Problem(row.where, what, "add the class, or correct the line"))
