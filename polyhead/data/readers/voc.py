"""Read PASCAL VOC XML: boxes that are counted from 1 and include both borders; ``difficult`` objects are ignored."""

import re
from contextlib import suppress
from pathlib import Path, PurePosixPath

from polyhead.data.io.files import Listing, escapes, read_text
from polyhead.data.io.images import image_size, is_image
from polyhead.data.readers.in_memory import InMemoryReader, Issues, Record, check_box
from polyhead.data.readers.voc_folders import VocEntries, VocEntry, folder_entries, image_of, is_renamed, unannotated
from polyhead.data.readers.voc_xml import VocFile, read_annotation_file
from polyhead.errors import InvalidFileError, PolyheadError, Problem, suggest
from polyhead.paths import find

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
YEAR = re.compile(r"VOC20\d\d", re.IGNORECASE)
"""The beginning of the names of PASCAL's own folders."""


class Voc(InMemoryReader):
    """A data set of PASCAL VOC's annotation files, in the layout ``VOC2007/{Annotations,JPEGImages,ImageSets/Main}``.

    With ``annotations`` or ``images``, the files may be in any folders: an annotation file belongs to the image of the
    same name beside it, or in a folder such as ``images`` in place of ``annotations``; else to the one that it names.

    Args:
        root: the folder with this layout, the folder of the year folders, or a folder with a ``VOCdevkit``.
        split: the name of a list in ``ImageSets/Main``, or a file with one id per line, relative to ``root``; None for
            every annotation file. Not used with ``annotations`` or ``images``.
        year: the year folder (``"VOC2007"``), or several whose lists are joined; not needed if there is only one.
        annotations: the folder of the annotation files, or several, relative to ``root``. The files in its subfolders
            are read if there are none in itself.
        images: the folder of the images, relative to ``root``; annotation files of images elsewhere are not read.
        classes: the names of the classes to read, in this order. If None: PASCAL's 20 if the folder is named VOC20xx
            and all objects are of these, else every name that occurs, sorted.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the layout, a folder, a year, a list or a class is not found.
    """

    def __init__(
        self,
        root: str | Path,
        split: str | None = "trainval",
        year: str | list[str] | None = None,
        *,
        annotations: str | list[str] | None = None,
        images: str | None = None,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        folder = find(root)
        issues = Issues()
        if annotations is None and images is None:
            entries = _year_entries(folder, split, select_years(folder, year), issues)
        else:
            entries = folder_entries(folder, annotations or ".", images or ".")
        files: dict[str, VocFile] = {}
        for entry in entries.entries:
            try:
                files[entry.id] = read_annotation_file(entry.path)
            except InvalidFileError as error:
                issues.add(entry.id, error.problem)
        names = _names(folder, entries, files, classes)
        labels = {name: label for label, name in enumerate(names)}
        records: dict[str, Record] = {}  # by image
        read = [entry for entry in entries.entries if entry.id in files]
        for entry in read:
            record = _make_record(entry, files[entry.id], entries.folder, issues)
            if record and record.path in records:
                what = f"{records[record.path].id}.xml is of the same image, {record.path}"
                issues.add(entry.id, Problem(str(entry.path), what, "delete one of the two annotation files"))
            elif record:
                records[record.path] = record
                _add_objects(record, files[entry.id], labels, issues)
        self.notes = [*entries.notes, *_notes(read, files), *unannotated(entries, set(records))]
        super().__init__(folder, names, [*names], list(records.values()), issues, on_bad, cap)


def _year_entries(folder: Path, split: str | None, bases: list[Path], issues: Issues) -> VocEntries:
    """Return the annotation files of a split in VOC's layout."""
    entries: dict[str, VocEntry] = {}
    years: dict[str, Path] = {}  # of each id
    found = VocEntries([], [], [], folder, [])
    for base in bases:
        annotations, images = Listing(base / "Annotations"), Listing(base / "JPEGImages")
        by_id: dict[str, list[Path]] = {}
        for name in filter(is_image, images.files):
            by_id.setdefault(str(PurePosixPath(name).with_suffix("")), []).append(images.files[name])
        found.every.extend(path for name, path in annotations.files.items() if name.endswith(".xml"))
        found.images.extend(path for paths in by_id.values() for path in paths)
        for image_id, where in read_ids(folder, base, split, issues):
            if image_id in years:
                issues.add(image_id, duplicate_id(image_id, where, base, years[image_id]))
                continue
            years[image_id] = base
            path = annotations.find(f"{image_id}.xml")
            if isinstance(path, Problem):
                issues.add(image_id, path._replace(where=f"{where}, annotation {image_id + '.xml'!r:.300}"))
            else:
                entries[image_id] = VocEntry(image_id, path, by_id.get(image_id, []), images.find)
    found.entries.extend(entries.values())
    return found


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


def select_years(folder: Path, year: str | list[str] | None, target: str = "Annotations") -> list[Path]:
    """Return the folders of the selected years, each of which contains the folder ``target``.

    Raises:
        PolyheadError: if the layout or a year is not found, or there are several years and none is selected.
    """
    years = voc_years(folder, target)
    if not years:
        raise PolyheadError(
            f"{folder}: has no PASCAL VOC layout (expected the folders {target} and JPEGImages here or in "
            "VOCdevkit/*). Correct root, or set annotations= to the folder of the annotation files."
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
        name = line.strip()  # with spaces, if there is such a file
        if len(columns) > 1 and not escapes(name) and (base / files.replace("*", name)).is_file():
            columns = [name]
        if len(columns) > 2 or any(column not in ("-1", "0", "1") for column in columns[1:]):
            issues.add(where, Problem(where, f"expected one id, got {line!r:.80}", "write one id per line"))
        elif columns and escapes(columns[0]):
            what = f"expected an id, got the path {columns[0]!r}, which leaves the folder"
            issues.add(where, Problem(where, what, "write the id without a folder"))
        elif columns:
            found.append((columns[0], where))
    return found


def _names(root: Path, entries: VocEntries, files: dict[str, VocFile], selected: list[str] | None) -> list[str]:
    """Return the class names; they are the same for every split of a folder."""
    found = {each.name for file in files.values() for each in file.objects}
    if selected is not None and set(selected) <= found | set(CLASSES):
        return list(selected)
    if (
        selected is None
        and found <= set(CLASSES)
        and any(YEAR.match(entry.path.parent.parent.name) for entry in entries.entries)
    ):
        return list(CLASSES)
    for path in entries.every:
        with suppress(InvalidFileError):  # in this split: reported already; in another split: not needed here
            found |= {each.name for each in read_annotation_file(path).objects}
    for name in selected or []:
        if name not in found and name not in CLASSES:
            raise PolyheadError(f"classes: no object in {root} has the class {name!r}{suggest(name, found)}")
    return sorted(found) if selected is None else list(selected)


def _make_record(entry: VocEntry, file: VocFile, folder: Path, issues: Issues) -> Record | None:
    """Return the record of an image without its objects; None if the image is not found or not in ``folder``."""
    path = image_of(entry, file.filename)
    if isinstance(path, Problem):
        issues.add(entry.id, path._replace(where=f"{entry.path}: {path.where}"))
        return None
    if not path.is_relative_to(folder):
        return None
    try:
        return Record(entry.id, path, file.size or image_size(path))
    except InvalidFileError as error:
        issues.add(entry.id, error.problem)
        return None


def _notes(entries: list[VocEntry], files: dict[str, VocFile]) -> list[str]:
    """Return what was assumed where annotation files do not agree with their images."""
    renamed = [entry for entry in entries if is_renamed(entry, files[entry.id].filename)]
    without_size = sum(files[entry.id].size is None for entry in entries)
    notes = []
    if renamed:
        what = f"{len(renamed)} annotation files name another image ({renamed[0].path.name}: "
        notes.append(
            f"{what}{files[renamed[0].id].filename:.100}): the image with the name of the annotation file is read"
        )
    if without_size:
        notes.append(f"{without_size} annotation files have no size of the image: the size of the image file is used")
    return notes


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
