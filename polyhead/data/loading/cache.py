"""Decoded pictures that are kept in memory: decoding costs more than everything that follows it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torchvision import tv_tensors as tv

from polyhead.contracts.reader import Reader, Wrapped
from polyhead.types import Annotation, Sample

GIB = 2**30


class Held(NamedTuple):
    """A sample as it was read, with the size and the time of change of its file."""

    sample: Sample
    stamp: tuple[int, int]


class Cached(Wrapped):
    """A reader that keeps the samples it has read, up to a number of bytes; bitwise the same as without.

    What is kept is given out again and again: nothing may write into its tensors. A picture whose file has changed is
    read again. Nothing is ever put out for something new: where every picture is as likely as any other to be
    next, that gains nothing. A sample of a generated picture, which has no file, is not kept.

    Args:
        reader: what is read from.
        paths: the picture file of each of its samples, or an empty string.
        limit: bytes of pixels, in each process that uses the reader.
    """

    def __init__(self, reader: Reader, paths: Sequence[str], limit: int) -> None:
        super().__init__(reader)
        self.paths, self.limit = paths, limit
        self.used = 0
        self._held: dict[int, Held] = {}

    def __len__(self) -> int:
        return len(self.reader)

    def annotation(self, index: int) -> Annotation:
        """The truth of one picture, as the reader itself gives it."""
        return self.reader.annotation(index)

    def mask(self, index: int) -> tv.Mask | None:
        """The mask of one picture, as the reader itself gives it."""
        return self.reader.mask(index)

    def __getitem__(self, index: int) -> Sample:
        """The decoded picture with its truth, from memory where it is kept."""
        stamp = _stamp(self.paths[index])
        held = self._held.get(index)
        if held is not None and held.stamp == stamp:
            return held.sample
        if held is not None:
            self.used -= _bytes(self._held.pop(index).sample)
        sample = self.reader[index]
        if stamp is not None and self.used + _bytes(sample) <= self.limit:
            self._held[index] = Held(sample, stamp)
            self.used += _bytes(sample)
        return sample


def _stamp(path: str) -> tuple[int, int] | None:
    """Size and time of change of a file; None where there is no file."""
    try:
        status = Path(path).stat() if path else None
    except OSError:
        return None
    return status and (status.st_size, status.st_mtime_ns)


def _bytes(sample: Sample) -> int:
    planes = [sample.input, *([] if sample.mask is None else [sample.mask])]
    return sum(int(plane.nbytes) for plane in planes)
