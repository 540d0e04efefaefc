"""Find and load the JSON files of COCO's layout, and the folder of their images."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from polyhead.data.io.files import escapes
from polyhead.data.io.json_files import contains, head, load_json
from polyhead.data.io.named_images import plain_name
from polyhead.errors import InvalidFileError, PolyheadError

KEYS = ("images", "annotations", "categories")
SPLIT_NAMES = ("train", "val", "valid", "test")
OTHER_TASKS = ("captions_", "person_keypoints_", "image_info_", "panoptic_", "stuff_")
"""How COCO names its files that hold no object instances."""
USUAL = ("", "annotations/", *(f"{split}/" for split in SPLIT_NAMES))
"""Where annotation files usually are."""


def load_coco(path: Path) -> dict[str, Any]:
    """Read a COCO annotation file.

    Raises:
        PolyheadError: if the file cannot be read, is not valid JSON (names line and column), or lacks COCO's lists.
    """
    document = load_json(path)
    if not isinstance(document, dict) or any(not isinstance(document.get(key), list) for key in KEYS):
        found = f"the keys {first_ten(document)}" if isinstance(document, dict) else f"a {type(document).__name__}"
        what = f"expected a COCO object with the lists 'images', 'annotations' and 'categories', got {found}"
        raise InvalidFileError(path, what, "choose the file of instances, not of results or captions")
    return document


def is_coco(path: Path) -> bool:
    """Return whether a JSON file looks like COCO's object instances; it is not parsed."""
    start = head(path)
    if path.name.startswith(OTHER_TASKS) or b'"shapes"' in start or b'"segments_info"' in start:
        return False  # LabelMe's files may be many and large, and are known by their first bytes
    return contains(path, (f'"{key}"'.encode() for key in KEYS))


def json_files(folder: Path) -> list[Path]:
    """Return the JSON files of a folder and of two levels of subfolders, those in the usual places first."""
    found = [path for depth in ("", "*/", "*/*/") for path in sorted(folder.glob(f"{depth}*.json"))]
    found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    usual = [folder / name for name in USUAL]
    ranks = {path: usual.index(path.parent) if path.parent in usual else len(usual) for path in found}
    return sorted(found, key=lambda path: ranks[path])


def coco_files(folder: Path) -> list[Path]:
    """Return the JSON files below a folder that look like COCO's object instances."""
    return [path for path in json_files(folder) if is_coco(path)]


def only_json(folder: Path) -> Path:
    """Return the only JSON file of a folder.

    Raises:
        PolyheadError: if there is none, or more than one.
    """
    usual = [folder / name for name in USUAL]
    found = coco_files(folder) or [path for path in json_files(folder) if path.parent in usual]
    if len(found) == 1:
        return found[0]
    if not found:
        raise PolyheadError(
            f"{folder}: has no JSON file, neither here nor in annotations/. Name the file with annotations=FILE."
        )
    names = ", ".join(str(path.relative_to(folder)) for path in found)
    raise PolyheadError(f"{folder}: has several annotation files ({names}). Choose one with annotations=FILE.")


def image_folder(root: Path, file: Path, given: str | None, entries: list[Any]) -> Path:
    """Return the folder of the images: the given one, or the first usual folder with one of the first 20 images.

    Args:
        root: the folder of the data set.
        file: the annotation file.
        given: the folder that the user gave, relative to ``root``.
        entries: the entries of the images.

    Raises:
        PolyheadError: if the given folder does not exist.
    """
    if given is not None:
        if not (root / given).is_dir():
            raise PolyheadError(f"{root / given}: the folder of images does not exist. Correct images=.")
        return root / given
    split = file.stem.removeprefix("instances_")  # such as train2017
    plain = split.rstrip("0123456789")
    folders = [root / split, root / "images" / split, root / plain, root / "images" / plain, root / "images", root]
    folders += [file.parent, root.parent / split, file.parent / "data", file.parent / "images"]
    names = [plain_name(str(entry.get("file_name"))) for entry in entries[:20] if isinstance(entry, dict)]
    names = [name for name in names if not escapes(name)]
    for folder in folders:
        if any(_exists(folder / name) for name in names):
            return folder
    return next(folder for folder in folders if folder.is_dir())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or has a zero byte
        return False


def first_ten(values: Iterable[Any]) -> str:
    """Join the first ten values, and add dots if there are more."""
    listed = [str(value) for value in values]
    return ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")
