"""Find all problems of a data set before anything is trained."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from polyhead.contracts.reader import Reader, Subset
from polyhead.data.readers.recognize import DatasetLayout
from polyhead.data.splits.make import class_difference
from polyhead.errors import DataError, InvalidFileError, Problem
from polyhead.paths import cache
from polyhead.types import IGNORED


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
    ignored = 0
    for index in range(len(reader) if reader.has_masks else 0):
        mask = reader.mask(index)  # uint8 [h, w]
        assert mask is not None
        if bool(((mask > 0) & (mask < len(reader.names))).any()):
            return None
        ignored += int((mask == IGNORED).sum())
    if not reader.has_masks:
        return None
    target = reader.annotation(0)
    where = str(Path(target.mask or target.path).parent)
    what = (
        "expected training pixels of a class other than the background, "
        f"got background and {ignored} ignored pixels ({IGNORED}) only"
    )
    if not target.mask:
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
        DataError: with every problem, if the reader stops at problems or would have to skip more than its ``cap``.
    """
    broken = _undecodable(reader)
    if not reader.problems and not broken:
        return reader
    total = len(reader) + reader.left_out
    if reader.problems or reader.on_bad != "skip" or reader.left_out + len(broken) > reader.cap * total:
        raise DataError(name, [*reader.problems, *broken.values()])
    valid = Subset(reader, [index for index in range(len(reader)) if index not in broken])
    valid.skipped = [*reader.skipped, *broken.values()]
    valid.left_out = reader.left_out + len(broken)
    return valid


def fingerprint(reader: Reader) -> str:
    """Return a digest of the class names, the annotations, and the names and file sizes of images and masks.

    The pixels are not part of it.
    """
    digest = blake2b(repr((reader.names, reader.categories)).encode(), digest_size=16)
    for index in range(len(reader)):
        target = reader.annotation(index)
        path = Path(target.path)
        length = path.stat().st_size if target.path and path.is_file() else 0
        value = None if target.value is None else target.value.tolist()
        objects = (target.boxes.tolist(), target.labels.tolist(), target.ignore.tolist(), target.areas.tolist())
        digest.update(repr((target.id, path.name, length, target.size, objects, value)).encode())
        if target.mask:
            mask = Path(target.mask)
            digest.update(repr((mask.name, mask.stat().st_size if mask.is_file() else 0)).encode())
    digest.update(reader.digest.encode())
    return digest.hexdigest()


def _undecodable(reader: Reader) -> dict[int, Problem]:
    """Return the problem of each image that cannot be read, by index.

    If all images can be read, the result is cached until the size or the time of a file changes.
    """
    checked = cache("POLYHEAD_CHECKED") / _state(reader)
    if checked.is_file():
        return {}

    def decode(index: int) -> Problem | None:
        try:
            reader[index]
        except InvalidFileError as error:
            return error.problem
        return None

    indices = [index for index in range(len(reader)) if reader.annotation(index).path]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        problems = {
            index: problem for index, problem in zip(indices, pool.map(decode, indices), strict=True) if problem
        }
    if not problems:
        with suppress(OSError):  # without a writable cache the check is only repeated
            checked.parent.mkdir(parents=True, exist_ok=True)
            checked.touch()
    return problems


def _state(reader: Reader) -> str:
    """Return a digest of all that decoding depends on: annotations, and paths, sizes and times of the files."""
    digest = blake2b(fingerprint(reader).encode(), digest_size=16)
    for index in range(len(reader)):
        target = reader.annotation(index)
        for path in (Path(file) for file in (target.path, target.mask) if file):
            changed = path.stat().st_mtime_ns if path.is_file() else 0
            digest.update(repr((str(path), changed)).encode())
    return digest.hexdigest()
