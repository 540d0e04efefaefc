"""Write a smaller COCO annotation file with some of the classes and the images that show them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.data.readers.coco_files import load_coco
from polyhead.errors import PolyheadError, suggest
from polyhead.run import write_text


class SubsetReport(NamedTuple):
    """What was written.

    Attributes:
        file: the new annotation file.
        names: its class names.
        images: number of images.
        objects: number of objects.
    """

    file: Path
    names: list[str]
    images: int
    objects: int


def subset(
    annotations: Path, out: Path, supercategory: str | None = None, classes: Sequence[str] | None = None
) -> SubsetReport:
    """Write ``out/annotations/<name of the file>`` with some classes and every image that has an object of them.

    Ids, crowds, masks and all other keys are copied unchanged. No image is copied or moved.

    Args:
        annotations: a COCO annotation file of object instances; it is not changed.
        out: a folder that does not contain this file yet.
        supercategory: select the categories of this supercategory, such as ``appliance`` or ``food``.
        classes: or select the categories with these names.

    Raises:
        PolyheadError: if neither or both are given, a name is unknown, an entry has no ids, or the file exists.
    """
    if (supercategory is None) == (classes is None):
        raise PolyheadError("no classes selected: give either --supercategory NAME or --classes NAME,NAME, not both")
    document = load_coco(annotations)
    selected = _categories(document["categories"], supercategory, classes, annotations)
    category_ids = {category["id"] for category in selected}
    for section, key in (("annotations", "category_id"), ("annotations", "image_id"), ("images", "id")):
        _check(document[section], section, key, annotations)
    objects = [entry for entry in document["annotations"] if entry["category_id"] in category_ids]
    image_ids = {entry["image_id"] for entry in objects}
    images = [image for image in document["images"] if image["id"] in image_ids]
    file = out / "annotations" / annotations.name
    if file.exists():
        raise PolyheadError(f"{file}: already exists. Give another folder with --out, or delete the file.")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps({**document, "categories": selected, "annotations": objects, "images": images}))
    return SubsetReport(file, [category["name"] for category in selected], len(images), len(objects))


def _check(entries: list[Any], section: str, key: str, file: Path) -> None:
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get(key), str | int):
            raise PolyheadError(
                f"{file}: {section}, number {number}: expected an entry with {key}, got {entry!r:.80}. Correct it "
                "first ('polyhead data check' lists every problem)."
            )


def _categories(
    entries: list[Any], supercategory: str | None, classes: Sequence[str] | None, file: Path
) -> list[dict[str, Any]]:
    """Return the selected categories: of a supercategory, or by name in the order of ``classes``."""
    known = [entry for entry in entries if isinstance(entry, dict) and "id" in entry and "name" in entry]
    if supercategory is not None:
        selected = [entry for entry in known if entry.get("supercategory") == supercategory]
        if not selected:
            groups = {str(entry["supercategory"]) for entry in known if "supercategory" in entry}
            raise PolyheadError(
                f"{file}: has no category of the supercategory {supercategory!r}{suggest(supercategory, groups)}"
            )
        return selected
    names = {entry["name"]: entry for entry in known}
    for name in classes or ():
        if name not in names:
            raise PolyheadError(f"{file}: has no category {name!r}{suggest(name, names)}")
    return [names[name] for name in classes or ()]
