"""Find Penn-Fudan's pedestrians."""

from polyhead.data.formats.data_folder import DataFolder, Found
from polyhead.data.readers.penn_fudan import penn_fudan_folder

ENDINGS = (".png", ".txt")


def find(folder: DataFolder) -> Found | None:
    """Return the training split, which is all there is."""
    return Found({"train": {}}) if penn_fudan_folder(folder.path) else None
