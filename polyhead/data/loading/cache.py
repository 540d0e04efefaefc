"""A reader that caches decoded images in memory, because decoding costs more than all later steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torchvision import tv_tensors as tv

from polyhead.contracts.reader import Reader, Wrapped
from polyhead.types import Annotation, Sample

GIB = 2**30
"""Bytes in a GiB."""


class CacheEntry(NamedTuple):
    """A sample as it was read, with the size and modification time of its file."""

    sample: Sample
    stamp: tuple[int, int]


class Cached(Wrapped):
    """A reader that caches the samples of another reader, up to a number of bytes.

    The samples are bitwise the same as without the cache. A cached sample is returned again and again, so its tensors
    must not be modified. An image whose file has changed is read again. Entries are never evicted for new ones: where
    every image is equally likely to be next, eviction gains nothing. Generated images, which have no file, are not
    cached.

    Args:
        reader: the reader to cache.
        paths: the image file of each sample, or an empty string.
        limit: bytes of pixels, in each process that uses the reader.
    """

    def __init__(self, reader: Reader, paths: Sequence[str], limit: int) -> None:
        super().__init__(reader)
        self.paths, self.limit = paths, limit
        self.used = 0
        self._entries: dict[int, CacheEntry] = {}

    def __len__(self) -> int:
        return len(self.reader)

    def annotation(self, index: int) -> Annotation:
        """Return the annotation of one image, as the reader returns it."""
        return self.reader.annotation(index)

    def mask(self, index: int) -> tv.Mask | None:
        """Return the mask of one image, as the reader returns it."""
        return self.reader.mask(index)

    def __getitem__(self, index: int) -> Sample:
        """Return the decoded image with its target, from memory if it is cached."""
        stamp = _stamp(self.paths[index])
        entry = self._entries.get(index)
        if entry is not None and entry.stamp == stamp:
            return entry.sample
        if entry is not None:  # the file has changed
            self.used -= _bytes(self._entries.pop(index).sample)
        sample = self.reader[index]
        if stamp is not None and self.used + _bytes(sample) <= self.limit:
            self._entries[index] = CacheEntry(sample, stamp)
            self.used += _bytes(sample)
        return sample


def _stamp(path: str) -> tuple[int, int] | None:
    """Return the size and modification time of a file; None if there is no file."""
    try:
        status = Path(path).stat() if path else None
    except OSError:
        return None
    return status and (status.st_size, status.st_mtime_ns)


def _bytes(sample: Sample) -> int:
    """Return the bytes of a sample's image and mask."""
    planes = [sample.input, *([] if sample.mask is None else [sample.mask])]
    return sum(int(plane.nbytes) for plane in planes)
