"""Read COCO JSON: boxes ``[x, y, width, height]`` in pixels, and category ids that need not be consecutive."""

from pathlib import Path
from typing import Any

from polyhead.data.io.images import MAX_PIXELS, image_size, is_size
from polyhead.data.io.json_files import number as to_number
from polyhead.data.io.json_files import whole_number
from polyhead.data.io.named_images import NamedImages
from polyhead.data.io.split_names import split_of, split_of_path
from polyhead.data.readers.coco_categories import Entry, category_names, groups, is_id
from polyhead.data.readers.coco_files import first_ten, image_folder, load_coco, only_json
from polyhead.data.readers.in_memory import Box, InMemoryReader, Issues, Record, check_box
from polyhead.errors import Finding, InvalidFileError, PolyheadError, Problem, suggest
from polyhead.paths import find
from polyhead.types import Size

_GROUP_REMEDY = "remove it from the file, so that other programs do not count it as a class"


class Coco(InMemoryReader):
    """A data set in COCO's layout; ``iscrowd`` objects are ignored in matching and scoring.

    Classes are in the order of their category ids. Images without objects are included, as negatives. A category that
    only groups others and has no annotation in any COCO file of the folder is not a class.

    Args:
        root: the folder of the data set.
        annotations: the JSON file, relative to ``root``; not needed if there is only one. Several files with the same
            categories are read together; the id of an image then starts with the name of its file.
        images: the folder of the images, relative to ``root``; if None, the usual folders around the JSON file are
            searched. Images that are not there are found by the ends of their paths anywhere in ``root``.
        classes: the names of the classes to read, in this order; objects of other classes are left out.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the JSON file or a class is not found, or the file is not COCO JSON.
    """

    def __init__(
        self,
        root: str | Path,
        annotations: str | list[str] | None = None,
        images: str | None = None,
        *,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        folder = find(root)
        if not annotations:
            annotations = str(only_json(folder))
        files = [folder / name for name in ([annotations] if isinstance(annotations, str) else annotations)]
        documents = {file: load_coco(file) for file in files}
        self.file = files[0]
        _require_same_categories(documents)
        issues = Issues()
        entries, notes = self._without_groups(folder, documents, classes)
        self.findings = [Finding("group-category", Problem(str(self.file), note, _GROUP_REMEDY)) for note in notes]
        names, labels = self._classes(entries, classes, issues)
        self._known = not issues.problems  # else the ids of annotations may be those of a faulty category
        records: dict[str, Record | None] = {}
        for self.file, document in documents.items():
            own = self.file.relative_to(folder) if self.file.is_relative_to(folder) else self.file
            self._prefix = f"{own.with_suffix('').as_posix()}/" if len(files) > 1 else ""
            split = split_of(own.stem) or split_of_path(own.parent.as_posix())
            found = NamedImages(folder, image_folder(folder, self.file, images, document["images"]), split)
            read, unsized = self._records(document["images"], found, records, issues)
            self._add_objects(document["annotations"], read, labels, issues)
            records |= read
            notes += [f"{own}: {note}" for note in found.notes]
            if unsized:
                notes.append(f"{own}: {unsized} images have no width and height: those of the image files are used")
        self.notes = notes
        self.file = folder if len(files) > 1 else self.file
        licenses = [name for document in documents.values() for name in _license_names(document)]
        self.license = "; ".join(dict.fromkeys(licenses) if len(files) > 1 else licenses)
        ids: dict[int, int | str] = {label: category for category, label in labels.items() if label is not None}
        categories = [ids.get(label, 0) for label in range(len(names))]  # the background of masks may have no category
        super().__init__(self.file, names, categories, [*filter(None, records.values())], issues, on_bad, cap)

    def _without_groups(
        self, folder: Path, documents: dict[Path, dict[str, Any]], selected: list[str] | None
    ) -> tuple[list[Any], list[str]]:
        """Return the categories except those that only group others, and a note for each of these."""
        entries = documents[self.file]["categories"]
        left_out = groups(documents, folder, boxes=not self.background)
        named = [entry.get("name") for entry in entries if isinstance(entry, dict)]
        left_out = [
            entry for entry in left_out if entry["name"] not in (selected or ()) or named.count(entry["name"]) > 1
        ]
        notes = [
            f"the category {entry['name']!r} (id {entry['id']}) is not a class: it only groups others or is the "
            "background, and has no annotation"
            for entry in left_out
        ]
        return [entry for entry in entries if entry not in left_out], notes

    def _classes(
        self, entries: list[Any], selected: list[str] | None, issues: Issues
    ) -> tuple[list[str], dict[int | str, int | None]]:
        """Return the class names, and the label of each category id: None for a class that is not selected."""
        names = category_names(self.file, entries, issues)
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

    def _records(
        self, entries: list[Any], images: NamedImages, others: dict[str, Record | None], issues: Issues
    ) -> tuple[dict[str, Record | None], int]:
        """Return a record for each image id, None where the image cannot be used, and how many have no size."""
        records: dict[str, Record | None] = {}
        files = {record.path: record.id for record in others.values() if record}
        unsized = 0
        for number, entry in enumerate(entries, 1):
            missing = _missing(entry, ("id", "file_name"))
            where = f"{self.file}: image " + (f"number {number}" if "id" in missing else str(entry["id"]))
            if missing:
                image_id = where if "id" in missing else self._id(entry["id"])
                issues.add(image_id, _incomplete(where, missing))
                records.setdefault(image_id, None)
                continue
            image_id, name = self._id(entry["id"]), str(entry["file_name"])
            if image_id in records:
                issues.add(image_id, Problem(where, "the image id is used twice", "give every image its own id"))
                continue
            records[image_id] = None
            path = images.find(name)
            if isinstance(path, Problem):
                issues.add(image_id, path._replace(where=f"{where}, {path.where}"))
                continue
            unsized += (has_none := entry.get("width") is None and entry.get("height") is None)
            size = _size_of_file(path) if has_none else _size(entry, where)
            if isinstance(size, Problem):
                issues.add(image_id, size)
            elif files.setdefault(str(path), image_id) != image_id:
                what = f"the file {name!r} is listed twice, also as image {files[str(path)]}"
                issues.add(image_id, Problem(where, what, "merge the two entries into one"))
            else:
                records[image_id] = Record(image_id, path, size)
        return records, unsized

    def _id(self, image_id: Any) -> str:
        """Return the id of an image of the file that is being read."""
        return f"{self._prefix}{image_id}"

    def _add_objects(
        self, entries: list[Any], records: dict[str, Record | None], labels: dict[int | str, int | None], issues: Issues
    ) -> None:
        """Add every valid object to the record of its image."""
        seen: set[int | str] = set()
        for number, entry in enumerate(entries, 1):
            missing = _missing(entry, ("id", "image_id", "category_id", "bbox"))
            where = f"{self.file}: annotation " + (f"number {number}" if "id" in missing else str(entry["id"]))
            image_id = self._id(entry["image_id"]) if "image_id" not in missing else where
            if missing:
                issues.add(image_id, _incomplete(where, missing))
            elif image_id not in records:
                remedy = "delete the annotation, or add the image to 'images'"
                issues.add(where, Problem(where, f"the image_id {entry['image_id']} is unknown", remedy))
            elif entry["id"] in seen:
                remedy = "give every annotation its own id"
                issues.add(image_id, Problem(where, "the annotation id is used twice", remedy))
            elif entry["category_id"] not in labels:
                if self._known:
                    what = f"the category_id {entry['category_id']!r} is unknown (known ids: {first_ten(labels)})"
                    issues.add(image_id, Problem(where, what, "add the category to 'categories', or correct the id"))
            else:
                seen.add(entry["id"])
                error = _add(entry, records[image_id], labels[entry["category_id"]])
                if error:
                    issues.add(image_id, Problem(where, *error))


def _require_same_categories(documents: dict[Path, dict[str, Any]]) -> None:
    first, *others = documents
    for file in others:
        if category_set(documents[file]) != category_set(documents[first]):
            raise PolyheadError(
                f"{file}: expected the same categories as {first.name}, got others. Read the two files separately."
            )


def category_set(document: dict[str, Any]) -> set[str]:
    """Return the ids and names of the categories of a file, in a form that can be compared."""
    return {
        repr((entry.get("id"), entry.get("name"))) if isinstance(entry, dict) else repr(entry)
        for entry in document["categories"]
    }


def _size(entry: Entry, where: str) -> Size | Problem:
    """Return height and width of an image."""
    height, width = (whole_number(entry.get(side)) for side in ("height", "width"))
    if height is not None and width is not None and is_size(height, width):
        return height, width
    what = f"expected whole numbers above 0 as width and height, got {entry.get('width')!r} and {entry.get('height')!r}"
    return Problem(where, what, "write the size of the image file")


def _size_of_file(path: Path) -> Size | Problem:
    try:
        return image_size(path)
    except InvalidFileError as error:
        return error.problem


def _add(entry: Entry, record: Record | None, label: int | None) -> tuple[str, str] | None:
    """Add an object to the record of its image, or return what is wrong with it and what to do."""
    if record is None or label is None:
        return None
    box, area = _xyxy(entry["bbox"]), to_number(entry.get("area"))
    if box is None:
        what = f"expected four numbers [x, y, width, height] as bbox, got {entry['bbox']!r:.80}"
        return what, "correct or delete the annotation"
    error = check_box(box, record.size)
    if error:
        return error
    if entry.get("area") is not None and not (area is not None and 0 <= area <= MAX_PIXELS):
        return f"expected a number of pixels as area, got {entry['area']!r}", "correct the area, or delete the key"
    if entry.get("iscrowd", 0) not in (0, 1, "0", "1"):
        return f"expected 0 or 1 as iscrowd, got {entry['iscrowd']!r}", "correct the value, or delete the key"
    record.add(box, label, bool(int(entry.get("iscrowd", 0))), area)
    return None


def _xyxy(value: Any) -> Box | None:
    """Convert ``[x, y, width, height]`` to xyxy; None if it is not four numbers that a float can hold."""
    numbers = [to_number(each) for each in value] if isinstance(value, list) and len(value) == 4 else []
    if not numbers or None in numbers:
        return None
    x, y, width, height = (each for each in numbers if each is not None)
    return x, y, x + width, y + height


def _license_names(document: dict[str, Any]) -> list[str]:
    entries = document.get("licenses")
    return (
        [str(entry["name"]) for entry in entries if not _missing(entry, ("name",))] if isinstance(entries, list) else []
    )


def _missing(entry: Any, keys: tuple[str, ...]) -> list[str]:
    """Return the keys that an entry lacks, and those that need an id but have another type."""
    if not isinstance(entry, dict):
        return list(keys)
    return [key for key in keys if entry.get(key) is None or (key.endswith("id") and not is_id(entry[key]))]


def _incomplete(where: str, missing: list[str]) -> Problem:
    return Problem(where, f"the entry has no usable {', '.join(missing)}", "complete the entry, or delete it")
