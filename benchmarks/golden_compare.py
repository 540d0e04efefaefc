"""Compare what the same commands left behind in two folders: tensors, arrays and numbers, bit for bit.

Names of the old folder are translated first (:mod:`benchmarks.golden_rename`).
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.golden_rename import FLAT, Names, Place, TableError, matches, place_of, rename

Leaves = dict[Place, Any]
"""The values of a tree by their place."""

IGNORED = (
    "command", "started", "finished", "versions", "hardware", "git", "extends.run", "id", "run", "checksum", "time",
    "seconds_per_image", "peak_memory_mb", "format", "protocol", "dummy_baseline.name",
)  # fmt: skip
"""Places that are not compared, in the new names: times, dates, paths, versions, git, texts that explain a number."""
COMPARED = (".pt", ".json", ".csv", ".npz", ".png")
NOT_COMPARED = {"plots", "inputs"}
"""Folders that are not compared: plots have texts, and the inputs are what ``predict`` is given."""
TEXTS = "manifest.json"
"""Files that need not have any number."""
SHOWN = 5
"""Differences of one artifact that are named; the others are counted."""


class Row(NamedTuple):
    """The comparison of one artifact.

    Attributes:
        case: which case the artifact belongs to.
        artifact: its path in the new names, and the part of it.
        compared: tensors, arrays and numbers that both sides have.
        equal: how many of them have the same bits.
        largest: largest absolute difference; infinite where the types or shapes differ.
        faults: what is wrong, one line each; empty when the artifact is equal.
    """

    case: str
    artifact: str
    compared: int
    equal: int
    largest: float
    faults: list[str]


def leaves(tree: Any, place: Place = ()) -> Leaves:
    """Return all values of a tree of mappings and lists; an empty one is a value of its own."""
    if isinstance(tree, Mapping | list | tuple) and tree:
        pairs = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
        return {at: leaf for key, each in pairs for at, leaf in leaves(each, (*place, str(key))).items()}
    return {place: tree}


def without(found: Leaves, ignored: Sequence[str]) -> Leaves:
    """Return the values that do not lie at, or below, an ignored place."""
    patterns = [place_of(each) for each in ignored]
    return {
        place: value
        for place, value in found.items()
        if not any(matches(pattern, place[:end]) for pattern in patterns for end in range(1, len(place) + 1))
    }


def compare(case: str, artifact: str, old: Leaves, new: Leaves) -> Row:
    """Compare all values of one artifact; one without any tensor, array or number is a fault, but for :data:`TEXTS`."""
    shared = [place for place in old if place in new]
    counted = [place for place in shared if is_numeric(old[place]) or is_numeric(new[place])]
    different = [place for place in shared if bits(old[place]) != bits(new[place])]
    faults = [f"missing in NEW: {'.'.join(place)}" for place in old if place not in new]
    faults += [f"additional in NEW: {'.'.join(place)}" for place in new if place not in old]
    faults += [f"different: {'.'.join(place)}: {describe(old[place], new[place])}" for place in different]
    if not counted and not (shared and artifact.endswith(TEXTS)):
        faults.append("nothing was compared: the two sides have no tensor, array or number in common")
    gaps = [gap(old[place], new[place]) for place in different if place in set(counted)]
    return Row(case, artifact, len(counted), len(counted) - len(gaps), max(gaps, default=0.0), faults)


def is_numeric(value: Any) -> bool:
    """Return whether a value is a number, an array or a tensor."""
    return isinstance(value, int | float | np.ndarray | Tensor) and not isinstance(value, bool)


def bits(value: Any) -> tuple[Any, ...]:
    """Return what two values have in common exactly when they have the same type, shape and bits."""
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":  # its width is that of the longest text
        return "text", value.shape, value.tolist()
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    return type(value).__name__, repr(value)


def gap(old: Any, new: Any) -> float:
    """Return the largest absolute difference; infinite where there is none, as for other shapes or for text."""
    with suppress(ValueError, TypeError):
        first, second = as_floats(old), as_floats(new)
        if first.shape == second.shape:
            both_nan = np.isnan(first) & np.isnan(second)
            with np.errstate(invalid="ignore"):
                differences = np.where((first == second) | both_nan, 0.0, np.abs(first - second))
            return float(np.nan_to_num(differences, nan=np.inf).max(initial=0.0))
    return float("inf")


def as_floats(value: Any) -> np.ndarray:
    """Return a number, an array or a tensor as an array of float64.

    Raises:
        TypeError: when the value is something else.
    """
    if not is_numeric(value):
        raise TypeError(f"{type(value).__name__} is not a number")
    return np.asarray(value.double().numpy() if isinstance(value, Tensor) else value, dtype=np.float64)


def describe(old: Any, new: Any) -> str:
    """Return both values, or how far apart they are where they are large."""
    if not isinstance(old, np.ndarray | Tensor):
        return f"{old!r} -> {new!r}"
    if bits(old)[:2] != bits(new)[:2]:
        return f"{bits(old)[0]} {list(old.shape)} -> {type(new).__name__} {bits(new)[0]} {list(np.shape(new))}"
    return f"{bits(old)[0]} {list(old.shape)}, at most {gap(old, new):.3g}"


def compare_folders(
    case: str, old: Path, new: Path, names: Names, expected: Sequence[str], ignored: Sequence[str] = IGNORED
) -> list[Row]:
    """Compare all artifacts of a case.

    Args:
        case: its name.
        old: folder in which the old checkout has worked.
        new: folder in which the new checkout has worked.
        names: how the old names are translated.
        expected: patterns of files (new names) without which the case has not done its work.
        ignored: places in the new names that are not compared; those of the table are added.
    """
    ours = set(artifacts(new))
    theirs: dict[str, list[str]] = {}
    for name in artifacts(old):
        theirs.setdefault(renamed_file(name, names), []).append(name)
    files = sorted({*ours, *theirs})
    rows = [
        Row(case, pattern, 0, 0, 0.0, ["nothing was compared: neither side has such a file"])
        for pattern in expected
        if not any(fnmatch(name, pattern) for name in files)
    ]
    groups: dict[str, list[str]] = {}
    for name in files:
        groups.setdefault(group_of(name), []).append(name)
    for group, members in groups.items():
        faults = {name: _lacking(name, theirs.get(name, []), name in ours) for name in members}
        pairs = [(name, old / theirs[name][0], new / name) for name, fault in faults.items() if not fault]
        lacking = [fault for fault in faults.values() if fault]
        rows += _compare_group(case, group, pairs, names, [*ignored, *names.ignore], lacking)
    return rows


def artifacts(folder: Path) -> list[str]:
    """Return the files of a case that are compared, relative to its folder."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.suffix in COMPARED and path.is_file()]
    return [path.as_posix() for path in files if not NOT_COMPARED & {*path.parts}]


def renamed_file(name: str, names: Names) -> str:
    """Return the new path of a file; names of the table are relative to the run folder, ``runs/NAME``."""
    parts = name.split("/")
    outside = parts[:2] if parts[0] == "runs" else []
    return "/".join([*outside, rename("/".join(parts[len(outside) :]), names.flat["files"], FLAT["files"])])


def group_of(name: str) -> str:
    """Return the artifact that a file belongs to: images of one folder are one artifact."""
    return f"{name.rpartition('/')[0]}/*.png" if name.endswith(".png") else name


def _lacking(name: str, old: list[str], new: bool) -> str:
    """Return why a file cannot be compared; empty where each side has one."""
    if len(old) > 1:
        return f"the files {', '.join(old)} of OLD have one new name, {name}"
    if not old:
        return f"additional file in NEW: {name}"
    return "" if new else f"missing file in NEW: {name}"


def _compare_group(
    case: str,
    group: str,
    pairs: Iterable[tuple[str, Path, Path]],
    names: Names,
    ignored: Sequence[str],
    lacking: list[str],
) -> list[Row]:
    """Compare the files of one artifact, part by part; a file that one side lacks is a fault of the first row."""
    old: dict[str, Leaves] = {}
    new: dict[str, Leaves] = {}
    for name, before, after in pairs:
        try:
            for part, found in read(before, names).items():
                old.setdefault(part, {}).update(without(_placed(name, found), ignored))
        except TableError as error:
            lacking = [*lacking, f"the table of names: {error}"]
        for part, found in read(after, None).items():
            new.setdefault(part, {}).update(without(_placed(name, found), ignored))
    parts = list(dict.fromkeys([*old, *new])) or [""]
    rows = [compare(case, f"{group} {part}".strip(), old.get(part, {}), new.get(part, {})) for part in parts]
    return [rows[0]._replace(faults=lacking + rows[0].faults), *rows[1:]]


def _placed(name: str, found: Leaves) -> Leaves:
    """Return an image's values below the name of its file, others as they are: they have an artifact of their own."""
    return (
        {(name.rpartition("/")[2], *place): value for place, value in found.items()} if name[-4:] == ".png" else found
    )


def read(path: Path, names: Names | None) -> dict[str, Leaves]:
    """Return the values of a file by the part that they belong to; ``names`` translates those of the old side."""
    if path.suffix == ".pt":
        return read_weights(path, names)
    if path.suffix == ".json":
        tree = json.loads(path.read_text(encoding="utf-8"))
        return {"": leaves(names.json.to_new(tree) if names else tree)}
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{name: number(text) for name, text in row.items()} for row in csv.DictReader(file)]
        return {"": renamed_last(leaves(rows), "csv", names)}
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {"": renamed_last({(name,): archive[name] for name in archive.files}, "arrays", names)}
    with Image.open(path) as image:
        return {"": {(): np.asarray(image)}}


def read_weights(path: Path, names: Names | None) -> dict[str, Leaves]:
    """Return the tensors and the plain entries of a weights file."""
    tree = torch.load(path, map_location="cpu", weights_only=True)
    if names:
        tree = {key: names.recipe.to_new(value, ("model",)) if key == "model" else value for key, value in tree.items()}
        tree = names.checkpoint.to_new(tree)
    found = leaves(tree)
    tensors = {place: value for place, value in found.items() if isinstance(value, Tensor)}
    plain = {place: value for place, value in found.items() if place not in tensors}
    return {"tensors": renamed_last(tensors, "tensors", names), "metadata": plain}


def number(text: str) -> float | str:
    """Return the number of a CSV cell, or its text where it is none."""
    with suppress(ValueError):
        return float(text)
    return text


def renamed_last(found: Leaves, section: str, names: Names | None) -> Leaves:
    """Return values whose last part of the place, a column or a name of a tensor or an array, has its new name.

    Raises:
        TableError: when two of them get the same name.
    """
    if names is None:
        return found
    table, separator = names.flat[section], FLAT[section]
    result = {(*place[:-1], rename(place[-1], table, separator)): value for place, value in found.items()}
    if len(result) < len(found):
        raise TableError(f"{section}: two old names get the same new name")
    return result
