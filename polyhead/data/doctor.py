"""What is wrong with a data set, all of it, before anything is trained."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from polyhead.contracts.reader import Reader, Subset
from polyhead.data.readers.recognize import Layout
from polyhead.data.splits.make import differing
from polyhead.errors import DataError, FileFault, Problem
from polyhead.paths import cache
from polyhead.types import IGNORED


def check(reader: Reader) -> list[Problem]:
    """Every fault of a data set: what the reader knows, and what opening each picture tells."""
    return [*reader.problems, *_undecodable(reader).values()]


def check_layout(layout: Layout) -> list[Problem]:
    """Every fault of a folder's data sets, each once, and of what they are together."""
    found = [problem for reader in layout.splits.values() for problem in check(reader)]
    for split, reader in layout.splits.items():
        if told := differing(split, layout.classes, reader.names):
            where = str(layout.init_args[split].get("annotations", layout.init_args[split]["root"]))
            remedy = f"give both the same classes, or move {split} away, to have it cut from train"
            found.append(Problem(where, told, remedy))
    if not found and (nothing := blank(layout.splits["train"])):
        found.append(nothing)
    return list(dict.fromkeys(found))


def blank(reader: Reader) -> Problem | None:
    """The fault of masks that show nothing, no pixel off the background; None for all other data."""
    ignored = 0
    for index in range(len(reader) if reader.masked else 0):
        mask = reader.mask(index)
        assert mask is not None
        if bool(((mask > 0) & (mask < len(reader.names))).any()):
            return None
        ignored += int((mask == IGNORED).sum())
    if not reader.masked:
        return None
    truth = reader.annotation(0)
    where = str(Path(truth.mask or truth.path).parent)
    what = f"no training pixel is of a class but the background, and {ignored} are ignored ({IGNORED})"
    if not truth.mask:
        return Problem(where, what, "give pictures of objects that are to be found; crowds are ignored")
    if not ignored:
        return Problem(where, what, "see that the masks hold the numbers of the classes, 1 for the first, not 0")
    remedy = (
        f"save the first class as 1, not {IGNORED}, or take the reader png_masks, and tell colours in the lines of "
        f"classes.txt: 'background 0 0 0', '{reader.names[-1]} {IGNORED} {IGNORED} {IGNORED}'"
    )
    return Problem(where, what, remedy)


def require_sound(reader: Reader, name: str) -> Reader:
    """A reader of sound pictures only: the same one, or with ``on_bad="skip"`` one without what cannot be opened.

    Args:
        reader: any reader.
        name: of the data set, for the report.

    Raises:
        DataError: with every fault, when the reader stops at faults, or would have to skip more than its ``cap``.
    """
    broken = _undecodable(reader)
    if not reader.problems and not broken:
        return reader
    total = len(reader) + reader.left_out
    if reader.problems or reader.on_bad != "skip" or reader.left_out + len(broken) > reader.cap * total:
        raise DataError(name, [*reader.problems, *broken.values()])
    sound = Subset(reader, [index for index in range(len(reader)) if index not in broken])
    sound.skipped = [*reader.skipped, *broken.values()]
    sound.left_out = reader.left_out + len(broken)
    return sound


def fingerprint(reader: Reader) -> str:
    """A digest of a data set: class names, annotations, names and sizes of its pictures and masks; not their pixels."""
    digest = blake2b(repr((reader.names, reader.categories)).encode(), digest_size=16)
    for index in range(len(reader)):
        truth = reader.annotation(index)
        path = Path(truth.path)
        length = path.stat().st_size if truth.path and path.is_file() else 0
        value = None if truth.value is None else truth.value.tolist()
        objects = (truth.boxes.tolist(), truth.labels.tolist(), truth.ignore.tolist(), truth.areas.tolist())
        digest.update(repr((truth.id, path.name, length, truth.size, objects, value)).encode())
        if truth.mask:
            mask = Path(truth.mask)
            digest.update(repr((mask.name, mask.stat().st_size if mask.is_file() else 0)).encode())
    digest.update(reader.digest.encode())
    return digest.hexdigest()


def _undecodable(reader: Reader) -> dict[int, Problem]:
    """The pictures that cannot be read. A set without any is remembered, until a file's size or time changes."""
    mark = cache("POLYHEAD_CHECKED") / _state(reader)
    if mark.is_file():
        return {}

    def look(index: int) -> Problem | None:
        try:
            reader[index]
        except FileFault as fault:
            return fault.problem
        return None

    files = [index for index in range(len(reader)) if reader.annotation(index).path]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = {index: problem for index, problem in zip(files, pool.map(look, files), strict=True) if problem}
    if not found:
        with suppress(OSError):  # a cache that cannot be written costs time, nothing else
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
    return found


def _state(reader: Reader) -> str:
    """A digest of what reading every picture depends on: paths, sizes and times of the files, and their annotations."""
    digest = blake2b(fingerprint(reader).encode(), digest_size=16)
    for index in range(len(reader)):
        truth = reader.annotation(index)
        for path in (Path(file) for file in (truth.path, truth.mask) if file):
            changed = path.stat().st_mtime_ns if path.is_file() else 0
            digest.update(repr((str(path), changed)).encode())
    return digest.hexdigest()
