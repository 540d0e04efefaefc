"""PASCAL VOC XML: boxes counted from 1, both borders included; ``difficult`` objects are ignored.

Files with a document type are refused: PASCAL VOC has none, and its entities are how XML bombs are built.
"""

from pathlib import Path, PurePosixPath
from typing import NamedTuple
from xml.etree import ElementTree as ET

from polyhead.data.io.files import Listing, escapes, read_text
from polyhead.data.readers.in_memory import Box, Faults, Listed, Scene, box_fault
from polyhead.errors import FileFault, PolyheadError, Problem, suggest
from polyhead.paths import find
from polyhead.types import Size

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
SIDES = ("xmin", "ymin", "xmax", "ymax")


class Thing(NamedTuple):
    """An ``<object>`` of an annotation file; ``box`` is xyxy counted from 0."""

    where: str
    name: str
    box: Box
    difficult: bool


class Page(NamedTuple):
    """An annotation file: what it says of its picture, and its objects that could be read."""

    filename: str | None
    size: Size | None
    things: list[Thing]
    faults: list[Problem]


class Voc(Listed):
    """A data set in the layout ``VOC2007/{Annotations,JPEGImages,ImageSets/Main}``.

    Args:
        root: that folder, the folder of year folders, or one above it that holds ``VOCdevkit``.
        split: a list of ``ImageSets/Main`` by its name, or a file with one id per line, relative to ``root``; None for
            every annotation file.
        year: the year folder (``"VOC2007"``), or several whose lists are joined; not needed where there is only one.
        classes: the names to keep, in this order. None takes PASCAL's 20 where all objects are of these, else every
            name found in ``Annotations``, sorted.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.Listed`.
        cap: the share of pictures that may be skipped.
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
        faults = Faults()
        pages: dict[str, Page] = {}
        listings: dict[str, Listing] = {}
        homes: dict[str, Path] = {}
        bases = chosen_years(folder, year)
        for base in bases:
            sheets = Listing(base / "Annotations", base)
            pictures = Listing(base / "JPEGImages", base)
            for name, where in listed_ids(folder, base, split, faults):
                if name in homes:
                    faults.add(name, twice(name, where, base, homes[name]))
                    continue
                homes[name] = base
                sheet = sheets.find(f"{name}.xml")
                if isinstance(sheet, Problem):
                    faults.add(name, sheet._replace(where=f"{where}, annotation {name + '.xml'!r}"))
                    continue
                try:
                    pages[name] = read_page(sheet)
                except FileFault as fault:
                    faults.add(name, fault.problem)
                listings[name] = pictures
        names = _names(bases, pages, classes)
        labels = {name: label for label, name in enumerate(names)}
        scenes: list[Scene] = []
        for name, page in pages.items():
            scene = _scene(name, page, listings[name], faults)
            if scene:
                scenes.append(scene)
                _fill(scene, page, labels, faults)
        super().__init__(folder, names, [*names], scenes, faults, on_bad, cap)


def twice(name: str, where: str, base: Path, first: Path) -> Problem:
    """The fault of an id that comes again, in the same list or in that of another year."""
    if base == first:
        return Problem(where, f"the id {name!r} is listed twice", "delete one of the lines")
    what = f"the id {name!r} is one of {first.name}, too, and ids of years that are joined must differ"
    return Problem(where, what, "take these folders one by one (year=), each as its own data set, or rename the files")


def voc_years(folder: Path, truth: str = "Annotations") -> dict[str, Path]:
    """The folders of VOC's layout in a folder, by name: itself, its year folders, or those of its ``VOCdevkit``.

    Args:
        folder: where to look.
        truth: the folder that each of them has beside ``JPEGImages``.
    """
    for above in (folder, folder / "VOCdevkit"):
        found = [above] if (above / truth).is_dir() else sorted(above.glob(f"*/{truth}"))
        years = {path.name: path for path in (path.parent if path != above else above for path in found)}
        years = {name: path for name, path in years.items() if (path / "JPEGImages").is_dir()}
        if years:
            return years
    return {}


def read_page(path: Path) -> Page:
    """Read one annotation file.

    Raises:
        FileFault: when it is no XML (with line and column), holds a document type, or is no ``<annotation>``.
    """
    try:
        page = ET.fromstring(path.read_bytes(), parser=ET.XMLParser(target=_NoDoctype(path)))
    except ET.ParseError as fault:
        where = f"{path}: line {fault.position[0]}, column {fault.position[1] + 1}"
        raise FileFault(where, f"not XML ({fault})", "repair the file, or save it as UTF-8") from fault
    except (OSError, LookupError, ValueError) as fault:
        raise FileFault(path, f"cannot be read ({fault})", "repair the file, or save it as UTF-8") from fault
    if page.tag != "annotation":
        raise FileFault(path, f"expected <annotation>, found <{page.tag}>", "choose PASCAL VOC's annotation files")
    things, faults = [], []
    for number, entry in enumerate(page.findall("object"), 1):
        where = f"{path}: object {number}"
        thing = _thing(where, entry)
        if isinstance(thing, Thing):
            things.append(thing)
        else:
            faults.append(thing)
    sides = [page.findtext(f"size/{side}", "").strip() for side in ("height", "width")]
    told = all(side.isdecimal() and len(side) < 9 and int(side) > 0 for side in sides)
    size = (int(sides[0]), int(sides[1])) if told else None
    filename = page.findtext("filename", "").strip() or None
    return Page(filename, size, things, faults)


class _NoDoctype(ET.TreeBuilder):
    """A builder that stops at a document type, before any entity of it is expanded."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def doctype(self, *_: str | None) -> None:
        """Refuse."""
        raise FileFault(
            self.path, "a document type (<!DOCTYPE ...>) is refused", "delete it; PASCAL VOC files have none"
        )


def _thing(where: str, entry: ET.Element) -> Thing | Problem:
    name = entry.findtext("name", "").strip()
    if not name:
        return Problem(where, "the object has no <name>", "name its class, or delete the object")
    texts = [entry.findtext(f"bndbox/{side}") for side in SIDES]
    try:
        x1, y1, x2, y2 = (float(text) for text in texts if text is not None)
    except ValueError:
        told = ", ".join(f"{side}={text}" for side, text in zip(SIDES, texts, strict=True))
        return Problem(where, f"<bndbox> needs four numbers, found {told}", "correct the box, or delete the object")
    difficult = entry.findtext("difficult", "").strip() or "0"
    if difficult not in ("0", "1"):
        return Problem(where, f"<difficult> must be 0 or 1, found {difficult!r}", "correct it, or delete the tag")
    return Thing(where, name, (x1 - 1, y1 - 1, x2, y2), difficult == "1")


def chosen_years(folder: Path, year: str | list[str] | None, truth: str = "Annotations") -> list[Path]:
    """The folders of the wanted years, each of which has the folder ``truth``."""
    years = voc_years(folder, truth)
    if not years:
        raise PolyheadError(
            f"{folder}: no PASCAL VOC layout; looked for {truth} and JPEGImages here and in VOCdevkit/*"
        )
    wanted = [year] if isinstance(year, str) else year
    if wanted is None:
        if len(years) > 1:
            raise PolyheadError(f"{folder}: several years; choose with year= from {', '.join(years)}")
        return list(years.values())
    for name in wanted:
        if name not in years:
            raise PolyheadError(f"{folder}: there is no year {name!r}{suggest(name, years)}")
    return [years[name] for name in wanted]


def listed_ids(
    folder: Path,
    base: Path,
    split: str | None,
    faults: Faults,
    lists: str = "ImageSets/Main",
    files: str = "Annotations/*.xml",
) -> list[tuple[str, str]]:
    """The ids of a split, each with the file and line that names it.

    Args:
        folder: the root that the user gave.
        base: a year's folder.
        split: the name of a list, a file below ``folder``, or None for every one of ``files``.
        faults: where lines that are no ids go.
        lists: the folder of the lists in ``base``.
        files: pattern of the files of truth in ``base``.
    """
    if split is None:
        return [(path.stem, str(path)) for path in sorted(base.glob(files))]
    home = base / lists
    path = home / f"{split}.txt" if not split.endswith(".txt") else folder / split
    if not path.is_file():
        known = [found.stem for found in home.glob("*.txt") if "_" not in found.stem]
        raise PolyheadError(f"{path}: there is no such list of ids{suggest(split, known)}")
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        where, columns = f"{path}: line {number}", line.split()
        if len(columns) > 2 or any(column not in ("-1", "0", "1") for column in columns[1:]):
            faults.add(where, Problem(where, f"expected one id, found {line!r:.80}", "write one id per line"))
        elif columns and escapes(columns[0]):
            faults.add(where, Problem(where, f"the id {columns[0]!r} leaves its folder", "write the plain id"))
        elif columns:
            found.append((columns[0], where))
    return found


def _names(bases: list[Path], pages: dict[str, Page], wanted: list[str] | None) -> list[str]:
    """The class names: never other ones for another split of the same folder."""
    found = {thing.name for page in pages.values() for thing in page.things}
    if found <= set(CLASSES) and wanted is None:
        return list(CLASSES)
    if wanted is not None and set(wanted) <= found | set(CLASSES):
        return list(wanted)
    for path in (path for base in bases for path in sorted((base / "Annotations").glob("*.xml"))):
        try:
            found |= {thing.name for thing in read_page(path).things}
        except FileFault:  # of this split: already told; of another: not ours
            continue
    for name in wanted or []:
        if name not in found and name not in CLASSES:
            raise PolyheadError(f"classes: no object in {bases[0]} is a {name!r}{suggest(name, found)}")
    return sorted(found) if wanted is None else list(wanted)


def _scene(name: str, page: Page, pictures: Listing, faults: Faults) -> Scene | None:
    stem = {PurePosixPath(file).stem: file for file in pictures.files} if page.filename is None else {}
    path = pictures.find(page.filename or stem.get(name, f"{name}.jpg"))
    where = f"{pictures.folder.parent / 'Annotations' / name}.xml"
    if isinstance(path, Problem):
        faults.add(name, path._replace(where=f"{where}: {path.where}"))
        return None
    if page.size is None:
        what = "<size> needs a <width> and a <height> of whole numbers above 0"
        faults.add(name, Problem(where, what, "write the picture's own size"))
        return None
    return Scene(name, path, page.size)


def _fill(scene: Scene, page: Page, labels: dict[str, int], faults: Faults) -> None:
    for problem in page.faults:
        faults.add(scene.id, problem)
    for thing in page.things:
        fault = box_fault(thing.box, scene.size)
        if fault:
            faults.add(scene.id, Problem(thing.where, *fault))
        elif thing.name in labels:
            scene.add(thing.box, labels[thing.name], thing.difficult)
