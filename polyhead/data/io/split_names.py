"""The split that the name of a file or folder means: train, val or test."""

from pathlib import PurePosixPath

SPLITS = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""The split that a word in the name of a file or folder means."""


def split_of(name: str) -> str | None:
    """Return the split that the name of a file or folder contains as a word; None if it contains none.

    >>> split_of("instances_val2017"), split_of("Testing"), split_of("trainer"), split_of("images")
    ('val', 'test', None, None)
    """
    words = name.lower().replace("-", "_").replace(".", "_").replace(" ", "_").split("_")
    return next((SPLITS[word] for word in (each.rstrip("0123456789") for each in words) if word in SPLITS), None)


def split_of_path(folder: str) -> str | None:
    """Return the split that the last part of a relative path with one names; None if no part does.

    >>> split_of_path("data/train/images"), split_of_path("images")
    ('train', None)
    """
    return next((split for part in reversed(PurePosixPath(folder).parts) if (split := split_of(part))), None)
