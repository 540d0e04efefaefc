"""The tables beside a data card: the samples with their files and checksums, and the annotations."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.contracts.card import CardFacts
from polyhead.data.catalog import checksum
from polyhead.data.io.files import Listing
from polyhead.errors import counted, few
from polyhead.run import write_rows
from polyhead.workflows.card.subject import Subject


class Inventory(NamedTuple):
    """The samples and files of a data set.

    Attributes:
        base: the folder that holds all files; None if the inputs are in no files of their own.
        rows: of each sample: id, split, and if there are files, input file, its SHA-256 and the target file.
        others: further files of the data set, such as annotations, by their path below ``base``.
    """

    base: Path | None
    rows: list[dict[str, Any]]
    others: dict[str, Path]

    def paths(self, column: str) -> list[str]:
        """Return the files in a column, below ``base``."""
        return [row[column] for row in self.rows if row.get(column)]


def take_inventory(subject: Subject) -> Inventory:
    """List the samples and files of a data set; the inputs are read for their checksums."""
    entries = [
        (split, reader.entry(index)) for split, reader in subject.readers.items() for index in range(len(reader))
    ]
    inputs = [entry.path for _, entry in entries]
    if not all(inputs):
        rows: list[dict[str, Any]] = [{"id": entry.id, "split": split} for split, entry in entries]
        base = subject.folder
    else:
        tops = [] if subject.folder is None else [str(subject.folder)]
        base = Path(
            os.path.commonpath([*tops, *(str(Path(file).parent) for _, each in entries for file in each.files)])
        )
        with ThreadPoolExecutor() as pool:
            digests = list(pool.map(checksum, map(Path, inputs)))
        own = bool(subject.kind.croissant_types) and all(len(entry.files) > 1 for _, entry in entries)
        rows = [
            {
                "id": entry.id,
                "split": split,
                "file": _below(base, entry.path),
                "sha256": digest,
                **({"target": _below(base, entry.files[1])} if own else {}),
            }
            for (split, entry), digest in zip(entries, digests, strict=True)
        ]
    listed = Listing(subject.folder).files.values() if subject.folder else []
    known = {Path(file).resolve() for _, entry in entries for file in entry.files}
    others = {_below(base, path): path for path in listed if path.resolve() not in known}
    return Inventory(base, rows, others)


def _below(base: Path | None, path: str | Path) -> str:
    return Path(os.path.relpath(path, base)).as_posix()


def write_tables(subject: Subject, inventory: Inventory, samples: Path, annotations: Path) -> None:
    """Write the table of the samples, and that of the annotations if the kind has one."""
    write_rows(samples, inventory.rows)
    columns = subject.kind.croissant_columns
    if columns:
        rows = [
            {"sample": sample_id, **dict(zip(columns, row, strict=True))}
            for targets in subject.targets.values()
            for index, sample_id in enumerate(targets.ids)
            for row in subject.kind.croissant_rows(targets.read(index), targets.names)
        ]
        write_rows(annotations, rows or [dict.fromkeys(["sample", *columns], "")])


def copies(inventory: Inventory) -> CardFacts:
    """Return a sentence about files with the same bytes, in one split or in several."""
    counts = Counter(row["sha256"] for row in inventory.rows if "sha256" in row)
    twice = [row for row in inventory.rows if counts.get(row.get("sha256", ""), 0) > 1]
    if not twice:
        return CardFacts()
    splits: dict[str, set[str]] = {}
    for row in twice:
        splits.setdefault(row["sha256"], set()).add(row["split"])
    across = sum(len(each) > 1 for each in splits.values())
    more = f", {across} of them in several splits, so scores on these are too high" if across else ""
    files: Sequence[str] = [row["file"] for row in twice]
    what = f"{len(twice)} files are copies of each other ({counted(len(splits), 'different file')}{more})"
    return CardFacts(limitations=[f"{what}: {few(files, 4)}"])
