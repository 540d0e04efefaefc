"""Read the categories of COCO JSON; those that only group others are no classes."""

from pathlib import Path
from typing import Any

from polyhead.data.readers.coco_files import coco_files, load_coco
from polyhead.data.readers.in_memory import Issues
from polyhead.data.readers.mask_files import is_background
from polyhead.errors import PolyheadError, Problem

Entry = dict[str, Any]
NO_GROUP = (None, "", "none")
"""Values of ``supercategory`` that mean none."""


def category_names(file: Path, entries: list[Any], issues: Issues) -> dict[int | str, str]:
    """Return the name of each category id."""
    names: dict[int | str, str] = {}
    if not entries:
        where = f"{file}: categories"
        issues.add(None, Problem(where, "the list is empty", "add an id and a name for each class"))
    for number, entry in enumerate(entries, 1):
        where = f"{file}: category number {number}"
        if not _is_category(entry):
            what = f"expected an id and a name, got {entry!r:.80}"
            issues.add(None, Problem(where, what, "complete the entry"))
        elif entry["id"] in names or entry["name"] in names.values():
            what = f"the id {entry['id']} or the name {entry['name']!r} is used twice"
            issues.add(None, Problem(where, what, "give every category its own id and name"))
        else:
            names[entry["id"]] = entry["name"]
    return names


def groups(documents: dict[Path, dict[str, Any]], folder: Path, *, boxes: bool) -> list[Entry]:
    """Return the categories without an annotation in any split that are not classes.

    These are the supercategories of others, and the background of boxes. Roboflow writes the name of the project as
    such a category, and LabelMe's converter the background.

    Args:
        documents: the loaded files, which have the same categories.
        folder: the folder of the data set; its other files are only read if there may be such a category.
        boxes: whether the objects are boxes; a category of the background is known in masks.
    """
    entries = [entry for entry in next(iter(documents.values()))["categories"] if _is_category(entry)]
    used = set().union(*(_used(document) for document in documents.values()))
    if not used:
        return []
    found = [entry for entry in entries if entry["id"] not in used and _is_group(entry, entries, boxes=boxes)]
    for path in (path for path in coco_files(folder) if path not in documents) if found else ():
        try:
            document = load_coco(path)
        except PolyheadError:  # it is reported where it is read
            continue
        same = {(entry["id"], entry["name"]) for entry in document["categories"] if _is_category(entry)}
        used = _used(document)
        found = [entry for entry in found if (entry["id"], entry["name"]) not in same or entry["id"] not in used]
    return found


def _is_group(entry: Entry, entries: list[Entry], *, boxes: bool) -> bool:
    if boxes and is_background(entry["name"]):
        return True
    others = [other.get("supercategory") for other in entries if other is not entry]
    is_top = entry.get("supercategory") == "none" and all(name not in NO_GROUP for name in others)
    return entry["name"] in others or (bool(others) and is_top)


def _used(document: dict[str, Any]) -> set[int | str]:
    """Return the ids of the categories that have an annotation."""
    ids = (entry.get("category_id") for entry in document["annotations"] if isinstance(entry, dict))
    return {category for category in ids if isinstance(category, int | str)}


def _is_category(entry: Any) -> bool:
    return isinstance(entry, dict) and is_id(entry.get("id")) and isinstance(entry.get("name"), str)


def is_id(value: Any) -> bool:
    """Return whether a JSON value can be an id: a whole number or a text."""
    return isinstance(value, int | str) and not isinstance(value, bool)
