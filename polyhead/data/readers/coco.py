"""COCO JSON: boxes ``[x, y, width, height]`` in pixels, category ids that may have holes."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from polyhead.data.io.files import Listing, escapes, read_text
from polyhead.data.io.images import MAX_PIXELS
from polyhead.data.readers.in_memory import Box, Faults, Listed, Scene, box_fault
from polyhead.errors import FileFault, PolyheadError, Problem, suggest
from polyhead.paths import find

Entry = dict[str, Any]
KEYS = ("images", "annotations", "categories")
SPLIT_NAMES = ("train", "val", "valid", "test")


class Coco(Listed):
    """A data set in COCO's layout; ``iscrowd`` objects are ignored in matching and scoring.

    Classes are in the order of their category ids. Pictures without objects stay, as negatives.

    Args:
        root: the data set's folder.
        annotations: the JSON file, relative to ``root``; may be left out where there is only one.
        images: the folder of the pictures, relative to ``root``; looked for beside and above the JSON when None.
        classes: the names to keep, in this order; objects of other classes are not read.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.Listed`.
        cap: the share of pictures that may be skipped.
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
        self.file = folder / annotations if annotations else _only_json(folder)
        document = load_coco(self.file)
        faults = Faults()
        names, labels = self._classes(document["categories"], classes, faults)
        listing = Listing(_picture_folder(folder, self.file, images, document["images"]), folder)
        scenes = self._scenes(document["images"], listing, faults)
        self._objects(document["annotations"], scenes, labels, faults)
        licences = document.get("licenses") or []
        self.licence = "; ".join(str(entry["name"]) for entry in licences if not _missing(entry, ("name",)))
        ids: dict[int, int | str] = {label: category for category, label in labels.items() if label is not None}
        categories = [ids.get(label, 0) for label in range(len(names))]  # a mask's background may be no category
        kept = [scene for scene in scenes.values() if scene is not None]
        super().__init__(self.file, names, categories, kept, faults, on_bad, cap)

    def _classes(
        self, entries: list[Any], wanted: list[str] | None, faults: Faults
    ) -> tuple[list[str], dict[int | str, int | None]]:
        """Class names, and the label of each category id: None for a class that is not wanted."""
        names: dict[int | str, str] = {}
        if not entries:
            where = f"{self.file}: categories"
            faults.add(None, Problem(where, "the list is empty", "add an id and a name for each class"))
        for number, entry in enumerate(entries, 1):
            where = f"{self.file}: category number {number}"
            if not isinstance(entry, dict) or not _is_id(entry.get("id")) or not isinstance(entry.get("name"), str):
                what = f"expected an id and a name, found {entry!r:.80}"
                faults.add(None, Problem(where, what, "complete the entry"))
            elif entry["id"] in names or entry["name"] in names.values():
                what = f"the id {entry['id']} or the name {entry['name']!r} is used twice"
                faults.add(None, Problem(where, what, "give every category its own id and name"))
            else:
                names[entry["id"]] = entry["name"]
        ordered = sorted(names, key=lambda category: (isinstance(category, str), category))
        if wanted is None:
            return [names[category] for category in ordered], {category: i for i, category in enumerate(ordered)}
        for name in wanted:
            if name not in names.values():
                raise PolyheadError(f"classes: {self.file} has no category {name!r}{suggest(name, names.values())}")
        if len(set(wanted)) < len(wanted):
            raise PolyheadError(f"classes: a name is given twice in {', '.join(wanted)}")
        return list(wanted), {
            category: wanted.index(name) if name in wanted else None for category, name in names.items()
        }

    def _scenes(self, entries: list[Any], listing: Listing, faults: Faults) -> dict[str, Scene | None]:
        """A scene per image id; None where the picture cannot be used."""
        scenes: dict[str, Scene | None] = {}
        files: dict[str, str] = {}
        for number, entry in enumerate(entries, 1):
            missing = _missing(entry, ("id", "file_name", "width", "height"))
            where = f"{self.file}: image " + (f"number {number}" if "id" in missing else str(entry["id"]))
            if missing:
                unit = where if "id" in missing else str(entry["id"])
                what = f"the entry has no usable {', '.join(missing)}"
                faults.add(unit, Problem(where, what, "complete the entry, or delete it"))
                scenes.setdefault(unit, None)
                continue
            unit, name, size = str(entry["id"]), str(entry["file_name"]), (entry["height"], entry["width"])
            if unit in scenes:
                faults.add(unit, Problem(where, "the image id is used twice", "give every image its own id"))
                continue
            scenes[unit] = None
            path = listing.find(name)
            if isinstance(path, Problem):
                faults.add(unit, path._replace(where=f"{where}, {path.where}"))
            elif not all(isinstance(side, int) and 0 < side <= MAX_PIXELS for side in size):
                what = f"width and height must be whole numbers above 0, found {size[1]!r} and {size[0]!r}"
                faults.add(unit, Problem(where, what, "write the picture's own size"))
            elif files.setdefault(name, unit) != unit:
                what = f"the picture {name!r} is listed twice, also as image {files[name]}"
                faults.add(unit, Problem(where, what, "merge the two entries into one"))
            else:
                scenes[unit] = Scene(unit, path, size)
        return scenes

    def _objects(
        self, entries: list[Any], scenes: dict[str, Scene | None], labels: dict[int | str, int | None], faults: Faults
    ) -> None:
        """Put every sound object into its scene."""
        seen: set[int | str] = set()
        for number, entry in enumerate(entries, 1):
            missing = _missing(entry, ("id", "image_id", "category_id", "bbox"))
            where = f"{self.file}: annotation " + (f"number {number}" if "id" in missing else str(entry["id"]))
            unit = str(entry["image_id"]) if "image_id" not in missing else where
            if missing:
                what = f"the entry has no usable {', '.join(missing)}"
                faults.add(unit, Problem(where, what, "complete the entry, or delete it"))
            elif unit not in scenes:
                remedy = "delete the annotation, or add the image to 'images'"
                faults.add(where, Problem(where, f"the image_id {unit} is unknown", remedy))
            elif entry["id"] in seen:
                faults.add(unit, Problem(where, "the annotation id is used twice", "give every annotation its own id"))
            elif entry["category_id"] not in labels:
                remedy = f"add the category to 'categories' or correct the id; known are {_some(labels)}"
                faults.add(unit, Problem(where, f"the category_id {entry['category_id']!r} is unknown", remedy))
            else:
                seen.add(entry["id"])
                fault = _add(entry, scenes[unit], labels[entry["category_id"]])
                if fault:
                    faults.add(unit, Problem(where, *fault))


def load_coco(path: Path) -> dict[str, Any]:
    """The document of a COCO annotation file.

    Raises:
        PolyheadError: when it is not readable, not JSON (with line and column), or not of COCO's form.
    """
    text = read_text(path)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as fault:
        where = f"{path}: line {fault.lineno}, column {fault.colno}"
        raise FileFault(where, f"not JSON ({fault.msg})", "repair the file, or export it again") from fault
    except (ValueError, RecursionError) as fault:
        raise FileFault(path, f"not usable as JSON ({fault})", "export the file again") from fault
    if not isinstance(document, dict) or any(not isinstance(document.get(key), list) for key in KEYS):
        found = f"keys {_some(document)}" if isinstance(document, dict) else f"a {type(document).__name__}"
        what = f"expected COCO's object with the lists 'images', 'annotations' and 'categories', found {found}"
        raise FileFault(path, what, "choose the file of instances, not of results or captions")
    return document


def coco_files(folder: Path) -> list[Path]:
    """The JSON files below a folder that may hold COCO's objects, by their place and name."""
    places = [folder, folder / "annotations", *(folder / split for split in SPLIT_NAMES)]
    other = ("captions_", "person_keypoints_", "image_info_", "panoptic_", "stuff_")
    return [path for place in places for path in sorted(place.glob("*.json")) if not path.name.startswith(other)]


def _only_json(folder: Path) -> Path:
    found = coco_files(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        raise PolyheadError(f"{folder}: no JSON file here or in annotations/; name it with annotations=FILE")
    names = ", ".join(str(path.relative_to(folder)) for path in found)
    raise PolyheadError(f"{folder}: several annotation files; choose one with annotations=FILE: {names}")


def _picture_folder(root: Path, file: Path, given: str | None, entries: list[Any]) -> Path:
    """The folder that holds the pictures: the given one, or the first usual one that has one of the first pictures."""
    if given is not None:
        if not (root / given).is_dir():
            raise PolyheadError(f"{root / given}: there is no such folder of pictures; correct images=")
        return root / given
    split = file.stem.removeprefix("instances_")
    plain = split.rstrip("0123456789")
    places = [root / split, root / "images" / split, root / plain, root / "images" / plain, root / "images", root]
    places += [file.parent, root.parent / split]
    names = [str(entry.get("file_name")) for entry in entries[:20] if isinstance(entry, dict)]
    names = [name for name in names if not escapes(name)]
    for place in places:
        if any((place / name).exists() for name in names):
            return place
    return next(place for place in places if place.is_dir())


def _add(entry: Entry, scene: Scene | None, label: int | None) -> tuple[str, str] | None:
    """Add an object to its scene; or tell what is wrong with it, and what to do."""
    if scene is None or label is None:
        return None
    box, area = _box(entry["bbox"]), entry.get("area")
    if box is None:
        return f"bbox must be four numbers [x, y, width, height], found {entry['bbox']!r:.80}", "correct or delete it"
    fault = box_fault(box, scene.size)
    if fault:
        return fault
    if area is not None and not (_is_number(area) and 0 <= area <= MAX_PIXELS):
        return f"the area must be a number of pixels, found {area!r}", "correct the area, or delete the key"
    if entry.get("iscrowd", 0) not in (0, 1):
        return f"iscrowd must be 0 or 1, found {entry['iscrowd']!r}", "correct it, or delete the key"
    scene.add(box, label, bool(entry.get("iscrowd", 0)), None if area is None else float(area))
    return None


def _box(value: Any) -> Box | None:
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(number) for number in value):
        return None
    try:
        x, y, width, height = (float(number) for number in value)
    except OverflowError:
        return None
    return x, y, x + width, y + height


def _missing(entry: Any, keys: tuple[str, ...]) -> list[str]:
    """The keys that an entry lacks, or that hold no id where one is expected."""
    if not isinstance(entry, dict):
        return list(keys)
    return [key for key in keys if entry.get(key) is None or (key.endswith("id") and not _is_id(entry[key]))]


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _some(values: Iterable[Any]) -> str:
    listed = [str(value) for value in values]
    return ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")
