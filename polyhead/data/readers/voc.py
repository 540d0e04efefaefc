"""Read PASCAL VOC XML: boxes that are counted from 1 and include both borders; ``difficult`` objects are ignored.

Files with a document type declaration are rejected: PASCAL VOC has none, and XML bombs are built from its entities.
"""

from pathlib import Path, PurePosixPath
from typing import NamedTuple
from xml.etree import ElementTree as ET

from polyhead.data.io.files import Listing, escapes, read_text
from polyhead.data.readers.in_memory import Box, InMemoryReader, Issues, Record, check_box
from polyhead.errors import InvalidFileError, PolyheadError, Problem, suggest
from polyhead.paths import find
from polyhead.types import Size

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
SIDES = ("xmin", "ymin", "xmax", "ymax")


class VocObject(NamedTuple):
    """An ``<object>`` of an annotation file.

    Attributes:
        where: the file and the number of the object, for messages.
        name: its class.
        box: xyxy in pixels, counted from 0.
        difficult: whether it is marked as difficult.
    """

    where: str
    name: str
    box: Box
    difficult: bool


class VocFile(NamedTuple):
    """An annotation file.

    Attributes:
        filename: name of the image, if there is one.
        size: height and width of the image; None if they are invalid.
        objects: the objects that could be read.
        problems: the problems of the others.
    """

    filename: str | None
    size: Size | None
    objects: list[VocObject]
    problems: list[Problem]


class Voc(InMemoryReader):
    """A data set in the layout ``VOC2007/{Annotations,JPEGImages,ImageSets/Main}``.

    Args:
        root: the folder with this layout, the folder of the year folders, or a folder with a ``VOCdevkit``.
        split: the name of a list in ``ImageSets/Main``, or a file with one id per line, relative to ``root``; None for
            every annotation file.
        year: the year folder (``"VOC2007"``), or several whose lists are joined; not needed if there is only one.
        classes: the names of the classes to read, in this order. If None: PASCAL's 20 if all objects are of these, else
            every name in ``Annotations``, sorted.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the layout, a year, a list or a class is not found.
    """

    def __init__(
        self,
        root: str | Path,
        split: str | None = "trainval",
        year: str | list[str] | None = None,
        *,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        folder = find(root)
        issues = Issues()
        files: dict[str, VocFile] = {}
        listings: dict[str, Listing] = {}
        years: dict[str, Path] = {}  # of each id
        bases = select_years(folder, year)
        for base in bases:
            annotations = Listing(base / "Annotations", base)
            images = Listing(base / "JPEGImages", base)
            for image_id, where in read_ids(folder, base, split, issues):
                if image_id in years:
                    issues.add(image_id, duplicate_id(image_id, where, base, years[image_id]))
                    continue
                years[image_id] = base
                path = annotations.find(f"{image_id}.xml")
                if isinstance(path, Problem):
                    issues.add(image_id, path._replace(where=f"{where}, annotation {image_id + '.xml'!r}"))
                    continue
                try:
                    files[image_id] = read_annotation_file(path)
                except InvalidFileError as error:
                    issues.add(image_id, error.problem)
                listings[image_id] = images
        names = _names(bases, files, classes)
        labels = {name: label for label, name in enumerate(names)}
        records: list[Record] = []
        for image_id, file in files.items():
            record = _make_record(image_id, file, listings[image_id], issues)
            if record:
                records.append(record)
                _add_objects(record, file, labels, issues)
        super().__init__(folder, names, [*names], records, issues, on_bad, cap)


def duplicate_id(image_id: str, where: str, base: Path, first: Path) -> Problem:
    """Return the problem of an id that is listed twice, in one list or in the lists of two years.

    Args:
        image_id: the id.
        where: file and line of the second time.
        base: its year folder.
        first: the year folder of the first time.
    """
    if base == first:
        return Problem(where, f"the id {image_id!r} is listed twice", "delete one of the lines")
    what = f"the id {image_id!r} is also an id of {first.name}, but the ids of joined years must differ"
    return Problem(where, what, "read these folders separately (year=), each as its own data set, or rename the files")


def voc_years(folder: Path, target: str = "Annotations") -> dict[str, Path]:
    """Return the folders with VOC's layout by name: the folder itself, its subfolders, or those of its ``VOCdevkit``.

    Args:
        folder: where to look.
        target: the folder that each of them has besides ``JPEGImages``.
    """
    for above in (folder, folder / "VOCdevkit"):
        found = [above] if (above / target).is_dir() else sorted(above.glob(f"*/{target}"))
        years = {path.name: path for path in (path.parent if path != above else above for path in found)}
        years = {name: path for name, path in years.items() if (path / "JPEGImages").is_dir()}
        if years:
            return years
    return {}


def read_annotation_file(path: Path) -> VocFile:
    """Read one annotation file.

    Raises:
        InvalidFileError: if the file is not valid XML (names line and column), has a document type declaration, or its
            root element is not ``<annotation>``.
    """
    try:
        root = ET.fromstring(path.read_bytes(), parser=ET.XMLParser(target=_NoDoctype(path)))
    except ET.ParseError as error:
        where = f"{path}: line {error.position[0]}, column {error.position[1] + 1}"
        remedy = "repair the file, or save it as UTF-8"
        raise InvalidFileError(where, f"is not valid XML ({error})", remedy) from error
    except (OSError, LookupError, ValueError) as error:
        raise InvalidFileError(path, f"cannot be read ({error})", "repair the file, or save it as UTF-8") from error
    if root.tag != "annotation":
        what = f"expected the root element <annotation>, got <{root.tag}>"
        raise InvalidFileError(path, what, "choose PASCAL VOC's annotation files")
    objects, problems = [], []
    for number, entry in enumerate(root.findall("object"), 1):
        result = _read_object(f"{path}: object {number}", entry)
        if isinstance(result, VocObject):
            objects.append(result)
        else:
            problems.append(result)
    sides = [root.findtext(f"size/{side}", "").strip() for side in ("height", "width")]
    valid = all(side.isdecimal() and len(side) < 9 and int(side) > 0 for side in sides)
    size = (int(sides[0]), int(sides[1])) if valid else None
    filename = root.findtext("filename", "").strip() or None
    return VocFile(filename, size, objects, problems)


class _NoDoctype(ET.TreeBuilder):
    """An XML builder that stops at a document type declaration, before any of its entities is expanded."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def doctype(self, *_: str | None) -> None:
        """Raise an InvalidFileError."""
        what = "the document type declaration (<!DOCTYPE ...>) is not allowed"
        raise InvalidFileError(self.path, what, "delete it; PASCAL VOC files have none")


def _read_object(where: str, entry: ET.Element) -> VocObject | Problem:
    name = entry.findtext("name", "").strip()
    if not name:
        return Problem(where, "the object has no <name>", "add its class as <name>, or delete the object")
    texts = [entry.findtext(f"bndbox/{side}") for side in SIDES]
    try:
        x1, y1, x2, y2 = (float(text) for text in texts if text is not None)
    except ValueError:
        found = ", ".join(f"{side}={text}" for side, text in zip(SIDES, texts, strict=True))
        return Problem(
            where, f"expected four numbers in <bndbox>, got {found}", "correct the box, or delete the object"
        )
    difficult = entry.findtext("difficult", "").strip() or "0"
    if difficult not in ("0", "1"):
        what = f"expected 0 or 1 in <difficult>, got {difficult!r}"
        return Problem(where, what, "correct the value, or delete the tag")
    # pixel 1 of VOC is pixel 0 here; x2 and y2 stay, because VOC includes the last pixel
    return VocObject(where, name, (x1 - 1, y1 - 1, x2, y2), difficult == "1")


def select_years(folder: Path, year: str | list[str] | None, target: str = "Annotations") -> list[Path]:
    """Return the folders of the selected years, each of which contains the folder ``target``.

    Raises:
        PolyheadError: if the layout or a year is not found, or there are several years and none is selected.
    """
    years = voc_years(folder, target)
    if not years:
        raise PolyheadError(
            f"{folder}: has no PASCAL VOC layout (expected the folders {target} and JPEGImages here or in "
            "VOCdevkit/*). Correct root."
        )
    selected = [year] if isinstance(year, str) else year
    if selected is None:
        if len(years) > 1:
            raise PolyheadError(f"{folder}: has several years ({', '.join(years)}). Choose with year=.")
        return list(years.values())
    for name in selected:
        if name not in years:
            raise PolyheadError(f"{folder}: has no year {name!r}{suggest(name, years)}")
    return [years[name] for name in selected]


def read_ids(
    folder: Path,
    base: Path,
    split: str | None,
    issues: Issues,
    lists: str = "ImageSets/Main",
    files: str = "Annotations/*.xml",
) -> list[tuple[str, str]]:
    """Return the ids of a split, each with the file and line that names it.

    Args:
        folder: the root that the user gave.
        base: the folder of a year.
        split: the name of a list, a file below ``folder``, or None for all ``files``.
        issues: where invalid lines are reported.
        lists: the folder of the lists in ``base``.
        files: pattern of the annotation or mask files in ``base``.

    Raises:
        PolyheadError: if the list does not exist.
    """
    if split is None:
        return [(path.stem, str(path)) for path in sorted(base.glob(files))]
    list_folder = base / lists
    path = list_folder / f"{split}.txt" if not split.endswith(".txt") else folder / split
    if not path.is_file():
        # names such as aeroplane_train are lists of one class
        known = [found.stem for found in list_folder.glob("*.txt") if "_" not in found.stem]
        raise PolyheadError(f"{path}: the list of ids does not exist{suggest(split, known)}")
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        where, columns = f"{path}: line {number}", line.split()
        if len(columns) > 2 or any(column not in ("-1", "0", "1") for column in columns[1:]):
            issues.add(where, Problem(where, f"expected one id, got {line!r:.80}", "write one id per line"))
        elif columns and escapes(columns[0]):
            what = f"expected an id, got the path {columns[0]!r}, which leaves the folder"
            issues.add(where, Problem(where, what, "write the id without a folder"))
        elif columns:
            found.append((columns[0], where))
    return found


def _names(bases: list[Path], files: dict[str, VocFile], selected: list[str] | None) -> list[str]:
    """Return the class names; they are the same for every split of a folder."""
    found = {each.name for file in files.values() for each in file.objects}
    if found <= set(CLASSES) and selected is None:
        return list(CLASSES)
    if selected is not None and set(selected) <= found | set(CLASSES):
        return list(selected)
    for path in (path for base in bases for path in sorted((base / "Annotations").glob("*.xml"))):
        try:
            found |= {each.name for each in read_annotation_file(path).objects}
        except InvalidFileError:  # in this split: reported already; in another split: not needed here
            continue
    for name in selected or []:
        if name not in found and name not in CLASSES:
            raise PolyheadError(f"classes: no object in {bases[0]} has the class {name!r}{suggest(name, found)}")
    return sorted(found) if selected is None else list(selected)


def _make_record(image_id: str, file: VocFile, images: Listing, issues: Issues) -> Record | None:
    """Return the record of an image without its objects; None if the image or its size is missing."""
    names = {PurePosixPath(name).stem: name for name in images.files} if file.filename is None else {}
    path = images.find(file.filename or names.get(image_id, f"{image_id}.jpg"))
    where = f"{images.folder.parent / 'Annotations' / image_id}.xml"
    if isinstance(path, Problem):
        issues.add(image_id, path._replace(where=f"{where}: {path.where}"))
        return None
    if file.size is None:
        what = "expected whole numbers above 0 in <width> and <height> of <size>"
        issues.add(image_id, Problem(where, what, "write the size of the image file"))
        return None
    return Record(image_id, path, file.size)


def _add_objects(record: Record, file: VocFile, labels: dict[str, int], issues: Issues) -> None:
    """Add the valid objects of the selected classes to a record."""
    for problem in file.problems:
        issues.add(record.id, problem)
    for each in file.objects:
        error = check_box(each.box, record.size)
        if error:
            issues.add(record.id, Problem(each.where, *error))
        elif each.name in labels:
            record.add(each.box, labels[each.name], each.difficult)
