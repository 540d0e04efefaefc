"""Find images with PNG masks of the same names, and their splits."""

from polyhead.data.formats.data_folder import DataFolder, Found, split_of
from polyhead.data.readers.png_masks import CLASS_FILE, mask_folders

ENDINGS = (".png", ".txt")


def find(folder: DataFolder) -> Found | None:
    """Return the folders of the images and the masks of each split."""
    splits = {split_of(name) or "train": folders for name, folders in mask_folders(folder.path).items()}
    return Found(splits) if splits else None


def missing_part(folder: DataFolder) -> str:
    """Return what is missing in a folder that is almost a data set of masks; empty for other folders."""
    if folder.has(CLASS_FILE) or not {"images", "masks"} <= {path.split("/")[0] for path in folder.images}:
        return ""
    return f"images/ and masks/ exist, but {CLASS_FILE} is missing. Add {CLASS_FILE} with one class name per line."
