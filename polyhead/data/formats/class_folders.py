"""Find one folder of images for each class, and their splits."""

from pathlib import Path

from polyhead.data.formats.data_folder import SPLITS, DataFolder, Found, split_of
from polyhead.data.io.images import is_image
from polyhead.data.readers.folder import class_folders

ENDINGS = ()


def find(folder: DataFolder) -> Found | None:
    """Return the folder of the class folders of each split."""
    root = folder.path
    if set(class_folders(root)) == {"images", "masks"}:  # these are images and their masks, not two classes
        return None
    splits: dict[str, dict[str, object]] = {
        SPLITS[name]: {"root": str(root / name)} for name in class_folders(root) if name in SPLITS
    }
    names = _classes(root / "train") if "train" in splits else []
    for split, arguments in list(splits.items()):
        own = _classes(Path(str(arguments["root"])))
        if set(own) < set(names) and set(class_folders(Path(str(arguments["root"])))) <= set(names):
            arguments["classes"] = names  # a small val set may lack images of a class
        if len(own) < (1 if "classes" in arguments else 2):
            del splits[split]
    if splits:
        return Found(splits)
    return Found({"train": {}}) if len(_classes(root)) > 1 else None


def _classes(root: Path) -> list[str]:
    """Return the folders that contain images; an empty list if one of them is a split."""
    filled = [name for name in class_folders(root) if any(is_image(path) for path in (root / name).iterdir())]
    named = any(split_of(name) == name for name in filled) or all(map(split_of, filled))  # or train_images, test_images
    return [] if named else filled
