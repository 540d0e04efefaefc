"""Name data formats that are recognized but not read, and how to convert them."""

from polyhead.data.formats.data_folder import DataFolder


def unread(folder: DataFolder) -> list[str]:
    """Return a sentence for each format in the folder that no reader reads: what it is, and how to convert it."""
    del folder
    return []
