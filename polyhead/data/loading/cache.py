"""Decoded inputs in memory, because decoding costs more than all later steps."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from polyhead.types import Entry, Sample

GIB = 2**30
"""Bytes in a GiB."""


class CacheEntry(NamedTuple):
    """A decoded sample, and the size and modification time of its files."""

    sample: Sample
    stamp: tuple[tuple[int, int], ...]


class Cached:
    """Decoded samples that are stored in memory, up to a number of bytes.

    The samples are bitwise the same as without the cache. A stored sample is returned again and again, so its tensors
    must not be modified. A sample whose file has changed is read again. Entries are never evicted for new ones: where
    every sample is equally likely to be next, eviction gains nothing. Generated samples, which have no file, are not
    stored.

    Args:
        read: returns the decoded sample with an index.
        entries: what is known of each sample.
        size: returns the bytes of a decoded input; None if it is not worth storing.
        limit: bytes of the inputs and targets, in each process that uses the cache.
    """

    def __init__(
        self,
        read: Callable[[int], Sample],
        entries: Sequence[Entry],
        size: Callable[[Any], int | None],
        limit: int,
    ) -> None:
        self.read, self.entries, self.size, self.limit = read, entries, size, limit
        self.used = 0
        self._entries: dict[int, CacheEntry] = {}

    def __call__(self, index: int) -> Sample:
        """Return the decoded sample, from memory if it is stored."""
        stamp = _stamp(self.entries[index])
        entry = self._entries.get(index)
        if entry is not None and entry.stamp == stamp:
            return entry.sample
        if entry is not None:  # a file has changed
            self.used -= self._bytes(self._entries.pop(index).sample) or 0
        sample = self.read(index)
        count = self._bytes(sample)
        if stamp is not None and count is not None and self.used + count <= self.limit:
            self._entries[index] = CacheEntry(sample, stamp)
            self.used += count
        return sample

    def _bytes(self, sample: Sample) -> int | None:
        """Return the bytes of a sample's input and target."""
        count = self.size(sample.input)
        columns = () if sample.target is None else sample.target
        return None if count is None else count + sum(each.nbytes for each in columns if isinstance(each, Tensor))


def _stamp(entry: Entry) -> tuple[tuple[int, int], ...] | None:
    """Return the size and modification time of each file; None if there are none."""
    try:
        statuses = [Path(path).stat() for path in entry.files]
    except OSError:
        return None
    return tuple((status.st_size, status.st_mtime_ns) for status in statuses) or None
