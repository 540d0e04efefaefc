"""Find all problems of a data set before anything is trained."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from polyhead.contracts.reader import Reader, Subset
from polyhead.data.formats.recognize import DatasetLayout
from polyhead.data.splits.make import class_difference
from polyhead.errors import DataError, PolyheadError, Problem
from polyhead.paths import cache
from polyhead.types import IGNORED

FINGERPRINT = "2:"
"""Version of the digests of :func:`fingerprint`."""


def check(reader: Reader) -> list[Problem]:
    """Return all problems of a data set: those in its annotations, and the images that cannot be decoded."""
    return [*reader.problems, *_undecodable(reader).values()]


def check_layout(layout: DatasetLayout) -> list[Problem]:
    """Return all problems of the splits of a folder, without duplicates, and of their class names together."""
    problems = [problem for reader in layout.splits.values() for problem in check(reader)]
    for split, reader in layout.splits.items():
        if difference := class_difference(split, layout.classes, reader.names):
            where = str(layout.init_args[split].get("annotations", layout.init_args[split]["root"]))
            remedy = f"give both the same classes, or move {split} away to have it split off from train"
            problems.append(Problem(where, difference, remedy))
    if not problems and (problem := empty_masks(layout.splits["train"])):
        problems.append(problem)
    return list(dict.fromkeys(problems))


def empty_masks(reader: Reader) -> Problem | None:
    """Return a problem if no mask has a pixel of a class other than the background; None if the data has no masks."""
    if not reader.background:
        return None
    ignored = 0
    for index in range(len(reader)):
        mask = reader.target(index).classes  # uint8 [h, w]
        if bool(((mask > 0) & (mask < len(reader.names))).any()):
            return None
        ignored += int((mask == IGNORED).sum())
    entry = reader.entry(0)
    own_file = len(entry.files) > 1  # the mask is a file of its own
    where = str(Path(entry.files[-1]).parent) if entry.files else f"{entry.id} and all others"
    what = (
        "expected training pixels of a class other than the background, "
        f"got background and {ignored} ignored pixels ({IGNORED}) only"
    )
    if not entry.files:
        return Problem(where, what, "give the first class the index 1 in the masks; 0 is the background")
    if not own_file:
        return Problem(where, what, "add images with objects that are not crowds; crowds are ignored")
    if not ignored:
        return Problem(
            where, what, "save the masks with the class numbers as pixel values: 1 for the first class, not 0"
        )
    remedy = (
        f"save the first class as 1, not {IGNORED}, or use the reader png_masks and write colors in the lines of "
        f"classes.txt: 'background 0 0 0', '{reader.names[-1]} {IGNORED} {IGNORED} {IGNORED}'"
    )
    return Problem(where, what, remedy)


def require_valid(reader: Reader, name: str) -> Reader:
    """Return a reader of valid images: the same reader, or with ``on_bad="skip"`` one without undecodable images.

    Args:
        reader: any reader.
        name: name of the data set, for the report.

    Raises:
        DataError: with every problem, if the reader stops at problems, would have to skip more than its ``cap``, or has
            no valid image.
    """
    broken = _undecodable(reader)
    if not reader.problems and not broken:
        return reader
    total = len(reader) + reader.left_out
    too_many = reader.left_out + len(broken) > reader.cap * total or len(broken) == len(reader)
    if reader.problems or reader.on_bad != "skip" or too_many:
        raise DataError(name, [*reader.problems, *broken.values()])
    valid = Subset(reader, [index for index in range(len(reader)) if index not in broken])
    valid.skipped = [*reader.skipped, *broken.values()]
    valid.left_out = reader.left_out + len(broken)
    return valid


def fingerprint(reader: Reader) -> str:
    """Return a digest of the class names, the targets, and the names and sizes of the files.

    The content of files is not part of it. It begins with :data:`FINGERPRINT`; others cannot be compared with it.
    """
    digest = blake2b(repr((reader.names, reader.categories)).encode(), digest_size=16)
    for index in range(len(reader)):
        entry = reader.entry(index)
        files = [(path.name, path.stat().st_size if path.is_file() else 0) for path in map(Path, entry.files)]
        digest.update(repr((entry.id, files, reader.content(index))).encode())
    digest.update(reader.digest.encode())
    return FINGERPRINT + digest.hexdigest()


def _undecodable(reader: Reader) -> dict[int, Problem]:
    """Return the problem of each image that cannot be read, by index.

    If all images can be read, the result is cached until the size or the time of a file changes.
    """
    checked: Path | None = None
    with suppress(PolyheadError):  # without a home folder the check is only repeated
        checked = cache("POLYHEAD_CHECKED") / _state(reader)
    if checked is not None and checked.is_file():
        return {}

    indices = [index for index in range(len(reader)) if reader.entry(index).files]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        problems = {
            index: problem for index, problem in zip(indices, pool.map(reader.verify, indices), strict=True) if problem
        }
    if checked is not None and not problems:
        with suppress(OSError):  # without a writable cache the check is only repeated
            checked.parent.mkdir(parents=True, exist_ok=True)
            checked.touch()
    return problems


def _state(reader: Reader) -> str:
    """Return a digest of all that decoding depends on: annotations, and paths, sizes and times of the files."""
    digest = blake2b(fingerprint(reader).encode(), digest_size=16)
    for index in range(len(reader)):
        for path in map(Path, reader.entry(index).files):
            changed = path.stat().st_mtime_ns if path.is_file() else 0
            digest.update(repr((str(path), changed)).encode())
    return digest.hexdigest()
