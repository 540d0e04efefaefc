"""Read which samples belong together, such as the images of a patient or the frames of a video."""

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from polyhead.data.io.files import read_text
from polyhead.errors import PolyheadError, counted, few
from polyhead.paths import find
from polyhead.types import Entry

FOLDER = "folder"
"""The rule by which the samples of one folder are a group."""
COLUMNS = ["id", "group"]
"""The header of a CSV file of groups."""


def groups_of(entries: Sequence[Entry], rule: str) -> dict[str, str]:
    r"""Return the group of each sample by its id.

    Args:
        entries: the samples.
        rule: ``folder``: by the folder of its file; the path of a CSV file with the columns id and group; or a regular
            expression, which is searched in each id and whose first group ``(...)`` is the group.

    Raises:
        PolyheadError: if the rule is not valid, does not apply to every sample, or puts all of them in one group.

    Examples:
        >>> groups_of([Entry("p1_a"), Entry("p1_b"), Entry("p2_a")], r"^(p\d+)")
        {'p1_a': 'p1', 'p1_b': 'p1', 'p2_a': 'p2'}
    """
    if rule == FOLDER:
        found: Mapping[str, str | None] = _by_folder(entries)
    elif rule.lower().endswith(".csv"):
        listed = _read(find(rule))
        found = {entry.id: listed.get(entry.id) for entry in entries}
    else:
        found = _by_pattern([entry.id for entry in entries], rule)
    groups = {sample_id: group for sample_id, group in found.items() if group is not None}
    if lost := [sample_id for sample_id in found if sample_id not in groups]:
        raise PolyheadError(
            f"--group {rule}: {counted(len(lost), 'sample')} of {len(found)} without a group: {few(lost, 3)}. Give a "
            "rule that applies to every id."
        )
    if len(set(groups.values())) < 2:
        raise PolyheadError(
            f"--group {rule}: all {len(groups)} samples are in one group, so there is nothing to split. Give another "
            "rule."
        )
    return groups


def _by_folder(entries: Sequence[Entry]) -> dict[str, str]:
    """Return the folder of each sample, relative to the one that has all of them, so that it can be moved."""
    folders = {entry.id: str(PurePosixPath(Path(entry.path or entry.id).as_posix()).parent) for entry in entries}
    top = os.path.commonpath([*folders.values()])
    return {sample_id: Path(os.path.relpath(folder, top or ".")).as_posix() for sample_id, folder in folders.items()}


def _by_pattern(ids: Sequence[str], pattern: str) -> dict[str, str | None]:
    """Return the first group of a regular expression in each id, or all that it matches; None without a match."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise PolyheadError(
            f"--group {pattern}: expected 'folder', a CSV file, or a regular expression, but it is not a valid one "
            f"({error}). Correct it."
        ) from error
    number = min(expression.groups, 1)
    found = {sample_id: expression.search(sample_id) for sample_id in ids}
    return {sample_id: match[number] if match else None for sample_id, match in found.items()}


def _read(path: Path) -> dict[str, str]:
    """Read the groups of a CSV file by id."""
    rows = csv.DictReader(io.StringIO(read_text(path)))
    if not {*COLUMNS} <= {*(rows.fieldnames or [])}:
        raise PolyheadError(
            f"{path}: expected the columns id and group, got {few([*(rows.fieldnames or [])])}. Add them."
        )
    groups: dict[str, str] = {}
    for row in rows:
        sample_id, group = row["id"], row["group"]
        if not sample_id or not group:
            raise PolyheadError(
                f"{path}: line {rows.line_num}: expected an id and a group, got an empty one. Fill it in."
            )
        if groups.setdefault(sample_id, group) != group:
            raise PolyheadError(
                f"{path}: line {rows.line_num}: the id {sample_id!r} is in the group {groups[sample_id]!r} already. "
                "Delete one of the lines."
            )
    return groups
