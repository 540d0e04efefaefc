"""Find inputs that are the same, or almost: within a split, in two splits of a task, and in two tasks."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

from polyhead.contracts.modality import Facts, Modality
from polyhead.data.checks.data_set import DataSet
from polyhead.data.checks.results import store, stored
from polyhead.errors import Finding, Problem

ONE = "remove one of them"
APART = "remove it from one of the two, or put both images in the same split"
Place = tuple[str, str]
"""A task and a split."""


def copies(data_sets: Sequence[DataSet]) -> dict[str, list[Finding]]:
    """Return warnings of inputs that are the same or almost, for each task.

    A copy is reported once: with the training image that it is a copy of where there is one. Val and test are compared
    with the training data of all tasks, as scores on training data mean nothing, but two test sets are not compared.
    """
    findings: dict[str, list[Finding]] = {data.name: [] for data in data_sets}
    for _, alike in groupby(sorted(data_sets, key=_modality), key=_modality):
        sharing = list(alike)
        facts = {path: found for data in sharing for path, found in data.facts.items()}
        used = _places(sharing)
        for group in _groups(sharing[0].modality, {path: facts[path] for path in used if path in facts}):
            for task, finding in _of_group(group, used):
                findings[task].append(finding)
    return findings


def _modality(data: DataSet) -> str:
    return data.modality.name


def _places(data_sets: Sequence[DataSet]) -> dict[str, list[Place]]:
    """Return the tasks and splits that use each file."""
    places: dict[str, list[Place]] = {}
    for data in data_sets:
        for split, reader in data.readers.items():
            for path in dict.fromkeys(reader.entry(index).path for index in range(len(reader))):
                places.setdefault(path, []).append((data.name, split))
    return places


def _groups(modality: Modality, facts: Mapping[str, Facts]) -> list[list[str]]:
    """Return the groups of files that are almost the same; known ones are looked up."""
    files = sorted(facts)
    listed = [facts[file] for file in files]
    key = f"copies-{blake2b(repr([sorted(each.items()) for each in listed]).encode(), digest_size=16).hexdigest()}"
    groups: list[list[int]] | None = stored(key)
    if groups is None:
        groups = modality.near_copies(listed)
        store(key, groups)
    return [[files[index] for index in group] for group in groups]


def _of_group(group: Sequence[str], used: Mapping[str, Sequence[Place]]) -> list[tuple[str, Finding]]:
    """Return the tasks and the findings of a group of files that are almost the same."""
    findings = []
    for number, file in enumerate(group):
        others = [other for other in group if other != file]
        for task, split in used[file]:
            own = next((each for each in others if split != "train" and (task, "train") in used[each]), None)
            foreign = next(
                (each for each in others if split == "test" and any(place[1] == "train" for place in used[each])), None
            )
            same = next((each for each in group[:number] if (task, split) in used[each]), None)
            if own:
                findings.append((task, _finding("split-copies", file, own, f"{split} image", "training image", APART)))
            elif foreign:
                where = next(place[0] for place in used[foreign] if place[1] == "train")
                what = f"training image of {where}"
                findings.append((task, _finding("task-copies", file, foreign, "test image", what, APART)))
            elif same:
                findings.append((task, _finding("copies", file, same, "image", "image", ONE)))
    return findings


def _finding(check: str, file: str, other: str, name: str, what: str, remedy: str) -> Finding:
    """Return the finding of a copy; equal files are reported as such."""
    exact = _equal(Path(file), Path(other))
    alike = "a copy of" if exact else "almost the same as"
    return Finding(
        check if exact else f"near-{check}", Problem(file, f"the {name} is {alike} the {what} {other!r}", remedy)
    )


def _equal(one: Path, other: Path) -> bool:
    """Return whether two files have the same bytes."""
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
