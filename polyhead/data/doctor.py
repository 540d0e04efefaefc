"""Find all problems of a data set before anything is trained."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from polyhead.contracts.modality import Facts, Modality
from polyhead.contracts.reader import Reader, Subset
from polyhead.data.checks.results import store, stored
from polyhead.data.formats.recognize import DatasetLayout
from polyhead.data.splits.make import class_difference
from polyhead.errors import DataError, Problem
from polyhead.types import IGNORED

FINGERPRINT = "2:"
"""Version of the digests of :func:`fingerprint`."""


class Inspection(NamedTuple):
    """What reading all samples of a data set has shown.

    Attributes:
        problems: why samples cannot be read, by index.
        facts: what the modality observed of each input that can be read, by its file.
    """

    problems: dict[int, Problem]
    facts: dict[str, Facts]


def inspect(reader: Reader, modality: Modality | None = None) -> Inspection:
    """Read the samples of a data set that are in files, or look up what reading them has shown before.

    Samples that could not be read are read again: what was wrong may be a permission or a missing package.

    Args:
        reader: any reader.
        modality: observes the inputs; without one, there are no facts.
    """
    indices = [index for index in range(len(reader)) if reader.entry(index).files]
    if not indices:
        return Inspection({}, {})
    if modality is not None and type(modality).inspect is Modality.inspect:
        modality = None  # it observes nothing, so the reader reads inputs in its own way
    key = f"{_state(reader)}-{modality.name if modality else 'none'}"
    known = stored(key)
    facts: dict[int, Facts] = {int(index): each for index, each in (known or {}).items()}
    new = [index for index in indices if index not in facts]
    if not new:
        return Inspection({}, _by_file(reader, facts))

    def look(index: int) -> tuple[Problem | None, Facts]:
        found: list[Facts] = []
        problem = reader.verify(index, (lambda raw: found.append(modality.inspect(raw))) if modality else None)
        return problem, found[0] if found else {}

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        looked = dict(zip(new, pool.map(look, new), strict=True))
    facts |= {index: found for index, (problem, found) in looked.items() if problem is None}
    store(key, {str(index): each for index, each in facts.items()})
    return Inspection(
        {index: problem for index, (problem, _) in looked.items() if problem is not None}, _by_file(reader, facts)
    )


def check(reader: Reader, modality: Modality | None = None) -> list[Problem]:
    """Return all problems of a data set: those in its annotations, and the images that cannot be decoded."""
    return [*reader.problems, *inspect(reader, modality).problems.values()]


def check_layout(layout: DatasetLayout, modality: Modality | None = None) -> list[Problem]:
    """Return all problems of the splits of a folder, without duplicates, and of the splits together."""
    problems = [problem for reader in layout.splits.values() for problem in check(reader, modality)]
    problems += shared_files(layout.splits)
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


def shared_files(splits: Mapping[str, Reader]) -> list[Problem]:
    """Return a problem for each file that lies in two splits."""
    seen: dict[str, str] = {}
    problems = []
    for split, reader in splits.items():
        for path in {entry.path: None for entry in map(reader.entry, range(len(reader))) if entry.path}:
            if (other := seen.setdefault(path, split)) != split:
                what = f"the file is in both {other} and {split}, and a score on training data means nothing"
                problems.append(Problem(path, what, "leave it in one split"))
    return problems


def require_valid(reader: Reader, name: str, inspection: Inspection | None = None) -> Reader:
    """Return a reader of valid images: the same reader, or with ``on_bad="skip"`` one without undecodable images.

    Args:
        reader: any reader.
        name: name of the data set, for the report.
        inspection: what reading its samples has shown; if None, they are read.

    Raises:
        DataError: with every problem, if the reader stops at problems, would have to skip more than its ``cap``, or has
            no valid image.
    """
    broken = (inspection or inspect(reader)).problems
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


def _state(reader: Reader) -> str:
    """Return a digest of all that decoding depends on: annotations, and paths, sizes and times of the files."""
    digest = blake2b(fingerprint(reader).encode(), digest_size=16)
    for index in range(len(reader)):
        for path in map(Path, reader.entry(index).files):
            changed = path.stat().st_mtime_ns if path.is_file() else 0
            digest.update(repr((str(path), changed)).encode())
    return digest.hexdigest()


def _by_file(reader: Reader, facts: dict[int, Facts]) -> dict[str, Facts]:
    return {reader.entry(index).path: each for index, each in facts.items()}
