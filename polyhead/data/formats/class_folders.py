"""Find one folder of images for each class, and their splits.

Any two folders with images look like two classes. So folders whose names say that they hold images, masks or splits are
not taken for classes, nor are folders of images and their masks under other names, or those of one image each.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from polyhead.data.formats.data_folder import SPLITS, DataFolder, Found, stems
from polyhead.data.formats.mask_folders import IMAGE_WORDS, MASK_WORDS, OTHER_WORDS, find_pairs, words
from polyhead.data.io.files import Listing
from polyhead.data.readers.folder import class_folders
from polyhead.data.readers.yolo_layout import looks_like_labels
from polyhead.data.readers.yolo_names import describe
from polyhead.errors import PolyheadError, few

ENDINGS = ()
NOT_WORDS = frozenset(["no", "non", "not", "without"])
PROJECT_WORDS = frozenset([
    "docs", "doc", "assets", "screenshots", "screenshot", "figures", "figs", "media", "src", "scripts",
    "notebooks", "results", "output", "outputs", "runs", "logs", "aug", "augmented", "macosx", "preview",
    "previews", "thumbnails",
])  # fmt: skip
"""Names of folders that lie beside class folders and hold other images."""
MOST = 50
"""How many files beside images are opened."""
ANNOTATIONS = (".xml", ".json", ".txt")
"""Endings of annotation files that may be beside the images of a class."""
MOST_PARTS = 8
"""A folder with more images is not one image and its parts."""
DATA_FILES = (".xml", ".json", ".csv", ".yaml", ".yml")
"""Endings of annotation files of a data set; tiny-imagenet has .txt files in its class folders."""


def find(folder: DataFolder) -> Found | None:
    """Return the folder of the class folders of each split."""
    notes: list[str] = []
    try:
        if find_pairs(folder):
            return None
    except PolyheadError:  # masks that cannot be read are no classes either
        return None
    roots = _splits(folder, notes) or ({"train": "."} if _class_names(folder, ".") else {})
    if not roots:
        return None
    train = _in_order(_class_names(folder, roots["train"])) if "train" in roots else []
    splits: dict[str, dict[str, Any]] = {}
    for split, root in roots.items():
        own = _in_order(_class_names(folder, root))
        arguments: dict[str, Any] = {} if root == "." else {"root": str(folder.path / root)}
        subset = split != "train" and set(own) < set(train)  # a small val set may lack images of a class
        if subset or own != _folders(folder, root):
            arguments["classes"] = train if subset else own
        splits[split] = arguments
        notes += _notes(folder, root, own)
    notes += [] if "." in roots.values() else _tables(folder, ".")
    _refuse_labels(folder)
    return Found(splits, [*dict.fromkeys(notes)])


def _refuse_labels(folder: DataFolder) -> None:
    """Raise an error if images of the class folders have YOLO's label files beside them, and no file names classes."""
    beside: list[str] = []
    for sub, files in folder.ending(".txt").items():
        images = stems(folder.images.get(sub, ()))
        beside += [f"{sub}/{file}" for file in files if PurePosixPath(file).stem in images]
    if not beside or describe(Listing(folder.path)):
        return
    filled = [name for name in beside[:MOST] if (folder.path / name).stat().st_size]
    if filled and all(looks_like_labels(folder.path / name) for name in filled):
        raise PolyheadError(
            f"{folder.path}: label files of YOLO are beside the images in folders, such as {filled[0]}, but no file "
            "names their classes. Add classes.txt with one class name per line, in the order of their numbers; or "
            "move the .txt files away if each image has the class of its folder."
        )


def missing_part(folder: DataFolder) -> str:
    """Return why the folders with images are not taken for classes; empty if that is not so."""
    names = _filled(folder, ".")
    for root in (".", *names):
        inner = _filled(folder, root)
        if parts := _parts(folder, [_join(root, name) for name in inner]):
            return (
                f"{few([_join(root, name) for name in inner])} each hold images named {few(parts)}: they are not taken "
                "for classes, but for images and their parts. Add annotations in a format that Polyhead reads; if they "
                "are classes, write 'reader: folder' in a recipe."
            )
    odd = _odd(names)
    if not odd:
        return ""
    texts = [name for name in folder.files.get(".", ()) if name.lower().endswith((".csv", ".json", ".xml", ".txt"))]
    tables = f" {few(texts)} is of no known format." if texts else ""
    if len(names) == 1:
        return (
            f"{names[0]} holds images, but no annotations were found.{tables} Add them in a format that Polyhead reads."
        )
    reason = "their names" if odd == names else f"the names {few(odd)}"
    return (
        f"{few(names)} hold images, but are not taken for classes because of {reason}.{tables} If they are "
        "classes, write 'reader: folder' in a recipe; otherwise add annotations in a format that Polyhead reads."
    )


def _splits(folder: DataFolder, notes: list[str]) -> dict[str, str]:
    """Return the folder of the class folders of each split."""
    found: dict[str, list[str]] = {}
    left_out = _others(folder, ".")
    for name in _filled(folder, "."):
        word = next((word for word in words(name) if word in SPLITS), "")
        root = _unwrapped(folder, name)
        if word and _class_names(folder, root, least=1):
            found.setdefault(SPLITS[word], []).append(root)
        else:
            left_out.append(name)
    for split, roots in found.items():
        if len(roots) > 1:
            raise PolyheadError(
                f"{folder.path}: expected one folder of class folders for {split}, got {few(roots)}. Move all but one "
                "away."
            )
    splits = {split: roots[0] for split, roots in found.items()}
    full = [split for split, root in splits.items() if _class_names(folder, root)]
    if not full:
        return {}
    train = set(_class_names(folder, splits["train" if "train" in full else full[0]]))
    for split, root in list(splits.items()):
        if split not in full and not set(_class_names(folder, root, least=1)) <= train:
            left_out.append(splits.pop(split))
    for name in sorted(left_out):
        why = "is a data set of its own" if _is_data_set(folder, name) else "does not hold class folders"
        notes.append(f"{name}/ ({folder.image_counts[name]} images) is not read: it {why}")
    return splits


def _is_data_set(folder: DataFolder, root: str) -> bool:
    """Return whether a folder holds class folders or splits of them."""
    try:
        return find(DataFolder(folder.path / root)) is not None
    except PolyheadError:
        return True


def _class_names(folder: DataFolder, root: str, least: int = 2) -> list[str]:
    """Return the class folders in a folder; none if they are less than ``least``, or others are among them."""
    names = _filled(folder, root)
    if len(names) < least or _odd(names):
        return []
    paths = [_join(root, name) for name in names]
    if _parts(folder, paths) or _are_labeled(folder, paths):
        return []
    nested = [path for path in paths if path not in folder.images]
    return [] if any(len(_filled(folder, path)) > 1 or _is_annotated(folder, path) for path in nested) else names


def _in_order(names: list[str]) -> list[str]:
    """Return the names of class folders in order; numbers by their value.

    >>> _in_order(["0", "1", "10", "2"]), _in_order(["0", "1", "10", "2a"])
    (['0', '1', '2', '10'], ['0', '1', '10', '2a'])
    """
    return sorted(names, key=int) if all(re.fullmatch("[0-9]{1,9}", name) for name in names) else names


def _parts(folder: DataFolder, paths: Sequence[str]) -> list[str]:
    """Return the names of the images in each of these folders, if each folder is one image and its parts.

    Then most folders hold the same few names, such as ``img`` and ``label``. Classes may hold the same names, too, if
    they are numbered, such as ``image_0001``, or many.
    """
    few_images = [names for path in paths if len(names := folder.images.get(path, ())) <= MOST_PARTS]
    if len(paths) < 2 or len(few_images) * 10 < len(paths) * 9:
        return []
    ((parts, count),) = Counter(frozenset(stems(names)) for names in few_images).most_common(1)
    series = {re.sub(r"\d+", "0", name) for name in parts}
    numbered = len(series) == 1 and "0" in next(iter(series))
    return sorted(parts) if parts and not numbered and count * 10 >= len(paths) * 9 else []


def _are_labeled(folder: DataFolder, paths: Sequence[str]) -> bool:
    """Return whether annotations of the images of one of these folders are in a folder below it, as OIDv4 has them."""
    for sub, files in folder.files.items():
        above = str(PurePosixPath(sub).parent)
        if above in paths and above in folder.images:
            labels = stems([file for file in files if file.lower().endswith(ANNOTATIONS)])
            images = stems(folder.images[above])
            if len(labels & images) * 2 > len(images):
                return True
    return False


def _is_annotated(folder: DataFolder, root: str) -> bool:
    """Return whether a folder without images of its own holds annotations: it is a data set, not a class."""
    return any(PurePosixPath(sub).is_relative_to(root) for sub in folder.ending(*DATA_FILES))


def _odd(names: Sequence[str]) -> list[str]:
    """Return the names of folders beside each other that are not names of classes.

    >>> _odd(["cat_images", "dog_images"]), _odd(["cat_images", "cat_masks"]), _odd(["image_2", "road"])
    ([], ['cat_images', 'cat_masks'], ['image_2'])
    >>> _odd(["mask", "no mask"]), _odd(["train", "bus"]), _odd(["n01440764", "n02102040"]), _odd(["0", "1"])
    ([], ['train'], [], [])
    """
    own = {name: tuple(words(name)) for name in names}
    parts = IMAGE_WORDS | MASK_WORDS | OTHER_WORDS | SPLITS.keys()
    keys = {name: tuple(word for word in found if word not in parts) for name, found in own.items()}
    alike: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for name in names:
        alike.setdefault(keys[name], set()).add(own[name])
    negated = {found[1:] for found in own.values() if found and found[0] in NOT_WORDS}
    odd = [name for name in names if own[name] not in {()} | negated and (not keys[name] or len(alike[keys[name]]) > 1)]
    few_of_many = len(odd) * 10 <= len(names) and not any(SPLITS.keys() & {*own[name]} for name in odd)
    return [] if few_of_many else odd


def _folders(folder: DataFolder, root: str) -> list[str]:
    """Return the names of the folders in a folder, except hidden ones."""
    return class_folders(folder.path / root)


def _filled(folder: DataFolder, root: str) -> list[str]:
    """Return the folders in a folder with images below them, except those that usually hold other images."""
    others = _others(folder, root)
    return [name for name in _folders(folder, root) if _join(root, name) in folder.image_counts and name not in others]


def _others(folder: DataFolder, root: str) -> list[str]:
    """Return the folders in a folder that have images and the names of a project's folders, such as docs."""
    named = [name for name in _folders(folder, root) if PROJECT_WORDS.issuperset(words(name)) and words(name)]
    return [name for name in named if _join(root, name) in folder.image_counts]


def _unwrapped(folder: DataFolder, root: str) -> str:
    """Return the only folder in a folder, as in training_set/training_set/, if it holds two or more; else itself."""
    names = _filled(folder, root)
    inner = _join(root, names[0]) if len(names) == 1 else root
    return inner if len(_filled(folder, inner)) > 1 else root


def _notes(folder: DataFolder, root: str, names: Sequence[str]) -> list[str]:
    """Return what is in a folder besides the images of its class folders."""
    where = "" if root == "." else f" in {root}/"
    others = _others(folder, root)
    empty = [name for name in _folders(folder, root) if name not in others and name not in names]
    notes = [f"the class folders {few(empty)}{where} have no images and are left out"] if empty else []
    if others:
        notes.append(f"{few(others)}{where} hold images that are not read, because these are not names of classes")
    if root in folder.images:
        notes.append(f"{len(folder.images[root])} images{where or ' beside the class folders'} are in no class folder")
    for ending, count in _annotations(folder, root).items():
        notes.append(
            f"{count} {ending} files beside the images{where} are not read: each image has the class of its folder"
        )
    notes += _tables(folder, root)
    files = [stems(folder.images.get(_join(root, name), ())) for name in names[:2]]
    if len(files) == 2 and len(files[0] & files[1]) > max(2, 0.9 * min(map(len, files))):
        notes.append(f"{names[0]} and {names[1]}{where} hold files of the same names; each is read as a class")
    return notes


def _tables(folder: DataFolder, root: str) -> list[str]:
    """Return a note with the tables in a folder, which may hold other classes of the images."""
    tables = [_join(root, name) for name in folder.files.get(root, ()) if name.lower().endswith(".csv")]
    return [f"not read, because each image has the class of its folder: {few(tables)}"] if tables else []


def _annotations(folder: DataFolder, root: str) -> dict[str, int]:
    """Return the number of files below a folder, by ending, that have the name of an image beside them."""
    counts: dict[str, int] = {}
    for sub, files in folder.ending(*ANNOTATIONS).items():
        images = stems(folder.images.get(sub, ()))
        if PurePosixPath(sub).is_relative_to(root):
            for ending in [PurePosixPath(file).suffix.lower() for file in files if PurePosixPath(file).stem in images]:
                counts[ending] = counts.get(ending, 0) + 1
    return counts


def _join(root: str, name: str) -> str:
    return name if root == "." else f"{root}/{name}"
