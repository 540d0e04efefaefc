"""Pictures that are in several places under several names, found by the bytes of their files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from polyhead.types import Annotation

Group = TypeVar("Group")


def paths(truths: Iterable[Annotation]) -> set[str]:
    """The files of samples that have one."""
    return {truth.path for truth in truths if truth.path}


def by_content(groups: Mapping[Group, set[str]]) -> dict[Group, set[str]]:
    """In the place of each file its digest, if another group has a file of its size: else it has no copy there."""
    sizes = {path: Path(path).stat().st_size for files in groups.values() for path in files}
    met = Counter(size for files in groups.values() for size in {sizes[path] for path in files})
    digests = {
        path: blake2b(Path(path).read_bytes()).hexdigest() if met[size] > 1 else path for path, size in sizes.items()
    }
    return {group: {digests[path] for path in files} for group, files in groups.items()}
