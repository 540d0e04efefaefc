"""Find images that exist several times under different names, by the bytes of their files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from polyhead.types import Entry

Group = TypeVar("Group")


def image_paths(entries: Iterable[Entry]) -> set[str]:
    """Return the files of the inputs; samples without a file are left out."""
    return {entry.path for entry in entries if entry.path}


def content_keys(groups: Mapping[Group, set[str]]) -> dict[Group, set[str]]:
    """Replace the path of each file by a key; equal keys in two groups mean equal files.

    The key is the digest of the file's bytes. A file whose size no other group has cannot have a copy there, so it is
    not read and its path is the key.

    Args:
        groups: the files of each group.
    """
    sizes = {path: Path(path).stat().st_size for files in groups.values() for path in files}
    group_counts = Counter(size for files in groups.values() for size in {sizes[path] for path in files})
    keys = {
        path: blake2b(Path(path).read_bytes()).hexdigest() if group_counts[size] > 1 else path
        for path, size in sizes.items()
    }
    return {group: {keys[path] for path in files} for group, files in groups.items()}
