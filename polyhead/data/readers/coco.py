"""Read COCO JSON: boxes ``[x, y, width, height]`` in pixels, and category ids that need not be consecutive."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from polyhead.data.io.files import Listing, escapes, read_text
from polyhead.data.io.images import MAX_PIXELS
from polyhead.data.readers.in_memory import Box, InMemoryReader, Issues, Record, check_box
from polyhead.errors import InvalidFileError, PolyheadError, Problem, suggest
from polyhead.paths import find

Entry = dict[str, Any]
KEYS = ("images", "annotations", "categories")
SPLIT_NAMES = ("train", "val", "valid", "test")
OTHER_TASKS = ("captions_", "person_keypoints_", "image_info_", "panoptic_", "stuff_")
"""How COCO names its files that hold no object instances."""


class Coco(InMemoryReader):
    """A data set in COCO's layout; ``iscrowd`` objects are ignored in matching and scoring.

    Classes are in the order of their category ids. Images without objects are included, as negatives.

    Args:
        root: the folder of the data set.
        annotations: the JSON file, relative to ``root``; not needed if there is only one.
        images: the folder of the images, relative to ``root``; if None, the usual folders around the JSON file are
            searched.
        classes: the names of the classes to read, in this order; objects of other classes are left out.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the JSON file or a class is not found, or the file is not COCO JSON.
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
        issues = Issues()
        names, labels = self._classes(document["categories"], classes, issues)
        listing = Listing(_image_folder(folder, self.file, images, document["images"]), folder)
        records = self._records(document["images"], listing, issues)
        self._add_objects(document["annotations"], records, labels, issues)
        licenses = document.get("licenses") or []
        self.license = "; ".join(str(entry["name"]) for entry in licenses if not _missing(entry, ("name",)))
        ids: dict[int, int | str] = {label: category for category, label in labels.items() if label is not None}
        categories = [ids.get(label, 0) for label in range(len(names))]  # the background of masks may have no category
        usable = [record for record in records.values() if record is not None]
        super().__init__(self.file, names, categories, usable, issues, on_bad, cap)

    def _classes(
        self, entries: list[Any], selected: list[str] | None, issues: Issues
    ) -> tuple[list[str], dict[int | str, int | None]]:
        """Return the class names, and the label of each category id: None for a class that is not selected."""
        names = self._category_names(entries, issues)
        ordered = sorted(names, key=lambda category: (isinstance(category, str), category))
        if selected is None:
            return [names[category] for category in ordered], {category: i for i, category in enumerate(ordered)}
        for name in selected:
            if name not in names.values():
                raise PolyheadError(f"classes: {self.file} has no category {name!r}{suggest(name, names.values())}")
        if len(set(selected)) < len(selected):
            raise PolyheadError(f"classes: expected different names, got a name twice in {', '.join(selected)}")
        return list(selected), {
            category: selected.index(name) if name in selected else None for category, name in names.items()
        }

    def _category_names(self, entries: list[Any], issues: Issues) -> dict[int | str, str]:
        """Return the name of each category id."""
        names: dict[int | str, str] = {}
        if not entries:
            where = f"{self.file}: categories"
            issues.add(None, Problem(where, "the list is empty", "add an id and a name for each class"))
        for number, entry in enumerate(entries, 1):
            where = f"{self.file}: category number {number}"
            if not isinstance(entry, dict) or not _is_id(entry.get("id")) or not isinstance(entry.get("name"), str):
                what = f"expected an id and a name, got {entry!r:.80}"
                issues.add(None, Problem(where, what, "complete the entry"))
            elif entry["id"] in names or entry["name"] in names.values():
                what = f"the id {entry['id']} or the name {entry['name']!r} is used twice"
                issues.add(None, Problem(where, what, "give every category its own id and name"))
            else:
                names[entry["id"]] = entry["name"]
        return names

    def _records(self, entries: list[Any], listing: Listing, issues: Issues) -> dict[str, Record | None]:
        """Return a record for each image id; None where the image cannot be used."""
        records: dict[str, Record | None] = {}
        files: dict[str, str] = {}
        for number, entry in enumerate(entries, 1):
            missing = _missing(entry, ("id", "file_name", "width", "height"))
            where = f"{self.file}: image " + (f"number {number}" if "id" in missing else str(entry["id"]))
            if missing:
                image_id = where if "id" in missing else str(entry["id"])
                issues.add(image_id, _incomplete(where, missing))
                records.setdefault(image_id, None)
                continue
            image_id, name, size = str(entry["id"]), str(entry["file_name"]), (entry["height"], entry["width"])
            if image_id in records:
                issues.add(image_id, Problem(where, "the image id is used twice", "give every image its own id"))
                continue
            records[image_id] = None
            path = listing.find(name)
            if isinstance(path, Problem):
                issues.add(image_id, path._replace(where=f"{where}, {path.where}"))
            elif not all(isinstance(side, int) and 0 < side <= MAX_PIXELS for side in size):
                what = f"expected whole numbers above 0 as width and height, got {size[1]!r} and {size[0]!r}"
                issues.add(image_id, Problem(where, what, "write the size of the image file"))
            elif files.setdefault(name, image_id) != image_id:
                what = f"the file {name!r} is listed twice, also as image {files[name]}"
                issues.add(image_id, Problem(where, what, "merge the two entries into one"))
            else:
                records[image_id] = Record(image_id, path, size)
        return records

    def _add_objects(
        self, entries: list[Any], records: dict[str, Record | None], labels: dict[int | str, int | None], issues: Issues
    ) -> None:
        """Add every valid object to the record of its image."""
        seen: set[int | str] = set()
        for number, entry in enumerate(entries, 1):
            missing = _missing(entry, ("id", "image_id", "category_id", "bbox"))
            where = f"{self.file}: annotation " + (f"number {number}" if "id" in missing else str(entry["id"]))
            image_id = str(entry["image_id"]) if "image_id" not in missing else where
            if missing:
                issues.add(image_id, _incomplete(where, missing))
            elif image_id not in records:
                remedy = "delete the annotation, or add the image to 'images'"
                issues.add(where, Problem(where, f"the image_id {image_id} is unknown", remedy))
            elif entry["id"] in seen:
                remedy = "give every annotation its own id"
                issues.add(image_id, Problem(where, "the annotation id is used twice", remedy))
            elif entry["category_id"] not in labels:
                what = f"the category_id {entry['category_id']!r} is unknown (known ids: {_first_ten(labels)})"
                issues.add(image_id, Problem(where, what, "add the category to 'categories', or correct the id"))
            else:
                seen.add(entry["id"])
                error = _add(entry, records[image_id], labels[entry["category_id"]])
                if error:
                    issues.add(image_id, Problem(where, *error))


def load_coco(path: Path) -> dict[str, Any]:
    """Read a COCO annotation file.

    Raises:
        PolyheadError: if the file cannot be read, is not valid JSON (names line and column), or lacks COCO's lists.
    """
    text = read_text(path)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}: line {error.lineno}, column {error.colno}"
        raise InvalidFileError(
            where, f"is not valid JSON ({error.msg})", "repair the file, or export it again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidFileError(path, f"cannot be used as JSON ({error})", "export the file again") from error
    if not isinstance(document, dict) or any(not isinstance(document.get(key), list) for key in KEYS):
        found = f"the keys {_first_ten(document)}" if isinstance(document, dict) else f"a {type(document).__name__}"
        what = f"expected a COCO object with the lists 'images', 'annotations' and 'categories', got {found}"
        raise InvalidFileError(path, what, "choose the file of instances, not of results or captions")
    return document


def coco_files(folder: Path) -> list[Path]:
    """Return the JSON files of a folder that may hold object instances, sorted within each subfolder."""
    folders = [folder, folder / "annotations", *(folder / split for split in SPLIT_NAMES)]
    files = [path for each in folders for path in sorted(each.glob("*.json"))]
    return [path for path in files if not path.name.startswith(OTHER_TASKS)]


def _only_json(folder: Path) -> Path:
    found = coco_files(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        raise PolyheadError(
            f"{folder}: has no JSON file, neither here nor in annotations/. Name the file with annotations=FILE."
        )
    names = ", ".join(str(path.relative_to(folder)) for path in found)
    raise PolyheadError(f"{folder}: has several annotation files ({names}). Choose one with annotations=FILE.")


def _image_folder(root: Path, file: Path, given: str | None, entries: list[Any]) -> Path:
    """Return the folder of the images: the given one, or the first usual folder with one of the first 20 images."""
    if given is not None:
        if not (root / given).is_dir():
            raise PolyheadError(f"{root / given}: the folder of images does not exist. Correct images=.")
        return root / given
    split = file.stem.removeprefix("instances_")  # such as train2017
    plain = split.rstrip("0123456789")
    folders = [root / split, root / "images" / split, root / plain, root / "images" / plain, root / "images", root]
    folders += [file.parent, root.parent / split]
    names = [str(entry.get("file_name")) for entry in entries[:20] if isinstance(entry, dict)]
    names = [name for name in names if not escapes(name)]
    for folder in folders:
        if any((folder / name).exists() for name in names):
            return folder
    return next(folder for folder in folders if folder.is_dir())


def _add(entry: Entry, record: Record | None, label: int | None) -> tuple[str, str] | None:
    """Add an object to the record of its image, or return what is wrong with it and what to do."""
    if record is None or label is None:
        return None
    box, area = _xyxy(entry["bbox"]), entry.get("area")
    if box is None:
        what = f"expected four numbers [x, y, width, height] as bbox, got {entry['bbox']!r:.80}"
        return what, "correct or delete the annotation"
    error = check_box(box, record.size)
    if error:
        return error
    if area is not None and not (is_number(area) and 0 <= area <= MAX_PIXELS):
        return f"expected a number of pixels as area, got {area!r}", "correct the area, or delete the key"
    if entry.get("iscrowd", 0) not in (0, 1):
        return f"expected 0 or 1 as iscrowd, got {entry['iscrowd']!r}", "correct the value, or delete the key"
    record.add(box, label, bool(entry.get("iscrowd", 0)), None if area is None else float(area))
    return None


def _xyxy(value: Any) -> Box | None:
    """Convert ``[x, y, width, height]`` to xyxy; None if it is not four numbers that a float can hold."""
    if not isinstance(value, list) or len(value) != 4 or not all(is_number(number) for number in value):
        return None
    try:
        x, y, width, height = (float(number) for number in value)
    except OverflowError:
        return None
    return x, y, x + width, y + height


def _missing(entry: Any, keys: tuple[str, ...]) -> list[str]:
    """Return the keys that an entry lacks, and those that need an id but have another type."""
    if not isinstance(entry, dict):
        return list(keys)
    return [key for key in keys if entry.get(key) is None or (key.endswith("id") and not _is_id(entry[key]))]


def _incomplete(where: str, missing: list[str]) -> Problem:
    return Problem(where, f"the entry has no usable {', '.join(missing)}", "complete the entry, or delete it")


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _first_ten(values: Iterable[Any]) -> str:
    listed = [str(value) for value in values]
    return ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")
