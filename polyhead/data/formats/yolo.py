"""Find YOLO's description of a data set and its splits."""

from polyhead.data.formats.data_folder import SPLITS, DataFolder, Found
from polyhead.data.readers.yolo import describe_yolo, yolo_description

ENDINGS = (".txt", ".yaml", ".yml")


def find(folder: DataFolder) -> Found | None:
    """Return the splits that data.yaml or the usual folders name."""
    if yolo_description(folder.path) is None:
        return None
    splits = describe_yolo(folder.path).splits
    # data.yaml often names the images of train as val, too: that is not a split
    own = [split for split in splits if split == "train" or splits[split] != splits.get("train")]
    return Found({SPLITS[split]: {"split": split} for split in own})


def missing_part(folder: DataFolder) -> str:
    """Return what is missing in a folder that is almost a YOLO data set; empty for other folders."""
    if yolo_description(folder.path) is not None:
        return ""
    if (folder.path / "labels").is_dir():
        return (
            "labels/ exists, but classes.txt is missing. Add classes.txt with one class name per line, or data.yaml "
            "with names."
        )
    texts = {name.removesuffix(".txt") for name in folder.ending(".txt").get(".", ())}
    image = next((name for name in folder.images.get(".", ()) if name.rpartition(".")[0] in texts), None)
    if image is None:
        return ""
    return (
        f"{image.rpartition('.')[0]}.txt is next to {image}. For YOLO, put the images into images/, their txt files "
        "into labels/, and one class name per line into classes.txt."
    )
