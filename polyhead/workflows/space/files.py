"""A file of a Space with its license, and how files are listed."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

DRAWN = (".jpg", ".png")
"""Ends of the names of images."""


class SpaceFile(NamedTuple):
    """A file of a Space.

    Attributes:
        path: where it is in the Space, with ``/`` between folders.
        source: the file that is copied, or the content.
        license: its license, or those of what it was made from.
    """

    path: str
    source: Path | bytes
    license: str

    @property
    def size(self) -> int:
        """Its number of bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def read(self) -> bytes:
        """Return its content."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


def grouped(files: list[SpaceFile]) -> list[tuple[str, int, int, str]]:
    """Return path, number of files, bytes and license of each file; Polyhead's source, and images, are one folder."""
    groups: dict[tuple[str, str], list[SpaceFile]] = {}
    for file in files:
        parts = PurePosixPath(file.path)
        name = "polyhead/" if parts.parts[0] == "polyhead" else file.path
        groups.setdefault((f"{parts.parent}/" if parts.suffix in DRAWN else name, file.license), []).append(file)
    return [(name, len(each), sum(file.size for file in each), terms) for (name, terms), each in groups.items()]


def readable(size: int) -> str:
    """Return a number of bytes as a short text.

    Examples:
        >>> readable(900), readable(12_000_000)
        ('1 KiB', '11.4 MiB')
    """
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{-(-size // 2**10)} KiB"
