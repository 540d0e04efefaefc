"""A smaller COCO annotation file cut out of a larger one: some classes, and the pictures that hold them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.data.readers.coco import load_coco
from polyhead.errors import PolyheadError, suggest
from polyhead.run import write_text


class Cut(NamedTuple):
    """What was cut out: the new file, its class names, and how many pictures and objects it has."""

    file: Path
    names: list[str]
    images: int
    objects: int


def subset(annotations: Path, out: Path, supercategory: str | None = None, classes: Sequence[str] | None = None) -> Cut:
    """Write ``out/annotations/<name of the file>`` with some classes and every picture that has an object of them.

    Ids, crowds, masks and all other keys stay as they are; pictures stay where they are.

    Args:
        annotations: any COCO annotation file of objects; it is not changed.
        out: a folder; it may not have such a file yet.
        supercategory: take the categories of this one, such as ``appliance`` or ``food``.
        classes: or take the categories of these names.

    Raises:
        PolyheadError: when neither or both are given, a name is unknown, an entry has no ids, or the file is there.
    """
    if (supercategory is None) == (classes is None):
        raise PolyheadError("which classes? give either --supercategory NAME or --classes NAME,NAME")
    document = load_coco(annotations)
    chosen = _categories(document["categories"], supercategory, classes, annotations)
    wanted = {category["id"] for category in chosen}
    for part, key in (("annotations", "category_id"), ("annotations", "image_id"), ("images", "id")):
        _check(document[part], part, key, annotations)
    objects = [entry for entry in document["annotations"] if entry["category_id"] in wanted]
    having = {entry["image_id"] for entry in objects}
    images = [image for image in document["images"] if image["id"] in having]
    file = out / "annotations" / annotations.name
    if file.exists():
        raise PolyheadError(f"{file} is there already; give another folder with --out, or delete it")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps({**document, "categories": chosen, "annotations": objects, "images": images}))
    return Cut(file, [category["name"] for category in chosen], len(images), len(objects))


def _check(entries: list[Any], part: str, key: str, file: Path) -> None:
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get(key), str | int):
            raise PolyheadError(
                f"{file}: {part}, number {number}: expected an entry with {key}, found {entry!r:.80}; correct it first "
                "('polyhead data check' names every fault)"
            )


def _categories(
    entries: list[Any], supercategory: str | None, classes: Sequence[str] | None, file: Path
) -> list[dict[str, Any]]:
    known = [entry for entry in entries if isinstance(entry, dict) and "id" in entry and "name" in entry]
    if supercategory is not None:
        chosen = [entry for entry in known if entry.get("supercategory") == supercategory]
        if not chosen:
            groups = {str(entry["supercategory"]) for entry in known if "supercategory" in entry}
            raise PolyheadError(
                f"{file}: no category of the supercategory {supercategory!r}{suggest(supercategory, groups)}"
            )
        return chosen
    names = {entry["name"]: entry for entry in known}
    for name in classes or ():
        if name not in names:
            raise PolyheadError(f"{file}: no category {name!r}{suggest(name, names)}")
    return [names[name] for name in classes or ()]
