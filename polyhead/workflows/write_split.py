"""Split the data in a folder once, and store the split, so that every recipe uses the same one."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from polyhead.contracts.kind import Kind, Targets
from polyhead.contracts.reader import Reader
from polyhead.data.loading.stored_splits import RECORD, write_splits
from polyhead.data.splits.groups import groups_of
from polyhead.data.splits.make import DEFAULT_FRACTION, SPLITS, split_ids
from polyhead.data.splits.stratify import split, subset
from polyhead.errors import DataError, PolyheadError, counted
from polyhead.kinds import kind_of
from polyhead.paths import make_folder
from polyhead.workflows.examine import examine


def data_split(
    folder: str | Path,
    out: str | Path,
    val: float = DEFAULT_FRACTION,
    test: float = DEFAULT_FRACTION,
    group: str | None = None,
    seed: int = 0,
    reader: str | None = None,
    settings: Mapping[str, Any] | None = None,
    show: Callable[[str], None] = print,
) -> Path:
    """Split the data in a folder into train, val and test, stratified by class; write lists of ids and a record.

    Splits that the data has already stay as they are: only those that it lacks are made from its training samples. The
    test split does not depend on the seed. Without groups, it is the split that a recipe with these fractions makes.

    Args:
        folder: the data set; it is not changed.
        out: the folder of ``train.txt``, ``val.txt``, ``test.txt`` and ``split.json``.
        val: fraction of val.
        test: fraction of test.
        group: which samples must be in the same split (:func:`polyhead.data.splits.groups.groups_of`).
        seed: of val and train.
        reader: the data format, for a folder with data in several formats.
        settings: settings of the reader.
        show: receives the lines to print.

    Returns:
        The record, ``split.json``.

    Raises:
        DataError: with every problem of the data.
        PolyheadError: if files would be overwritten, the data has all splits, or the fractions or groups do not fit.
    """
    target = Path(out)
    if existing := [name for name in (*(f"{each}.txt" for each in SPLITS), RECORD) if (target / name).exists()]:
        raise PolyheadError(
            f"{target / existing[0]} already exists and is not overwritten. Give another folder with --out."
        )
    examined = examine(folder, reader, settings)
    if examined.problems:
        raise DataError(str(folder), examined.problems, examined.hint)
    layout = examined.layout
    missing = [name for name in SPLITS if name not in layout.splits]
    if not missing:
        raise PolyheadError(
            f"{folder}: the data has train, val and test already. Use them, or choose the samples to split with the "
            "settings of the reader, such as split=train."
        )
    data = layout.splits["train"]
    kind = kind_of(data.kind)
    groups = groups_of([data.entry(index) for index in range(len(data))], group) if group else None
    if groups and len(set(groups.values())) <= len(missing):
        raise PolyheadError(
            f"--group {group}: {len(set(groups.values()))} groups cannot fill {len(missing) + 1} splits, because a "
            "group is never divided. Give a rule that makes more groups."
        )
    fractions = {name: fraction for name, fraction in (("val", val), ("test", test)) if name in missing}
    function = partial(split, kind=kind, groups=groups)
    members = split_ids(str(folder), data, missing, fractions, seed, function, by_part=True)
    record = {
        "seed": seed,
        "method": "stratified by class" + (" and grouped" if groups else ""),
        "fractions": fractions,
        "reader": layout.reader,
        "group": group,
        "groups": {name: len({groups[each] for each in ids}) for name, ids in members.items()} if groups else None,
        "samples": {name: len(ids) for name, ids in members.items()},
        "classes": _class_counts(kind, data, members),
    }
    make_folder(target)
    write_splits(target, members, data, record)
    for line in _lines(record, target):
        show(line)
    return target / RECORD


def _class_counts(kind: Kind, data: Reader, members: Mapping[str, Sequence[str]]) -> dict[str, dict[str, int]]:
    """Return how many samples of each split show each class."""
    counts: dict[str, dict[str, int]] = {}
    for name, ids in members.items():
        shown = kind.shown(Targets.of(kind, subset(data, list(ids))))
        samples = Counter(label for classes in shown for label in {label for _, label in classes})
        counts[name] = {class_name: samples[label] for label, class_name in enumerate(data.names)}
    return counts


def _lines(record: Mapping[str, Any], folder: Path) -> list[str]:
    """Return what was written, and the setting of a recipe that uses it."""
    total, lines = sum(record["samples"].values()), []
    for name, count in record["samples"].items():
        groups = f" in {counted(record['groups'][name], 'group')}" if record["groups"] else ""
        absent = sum(not shown for shown in record["classes"][name].values())
        without = f", {counted(absent, 'class', 'classes')} not shown" if absent else ""
        lines.append(f"{name}: {counted(count, 'sample')} ({count / total:.1%}){groups}{without}")
    files = ", ".join(f"{name}: {folder / name}.txt" for name in record["samples"])
    return [*lines, f"wrote {folder / RECORD}; in a recipe: split: {{{files}}}"]
