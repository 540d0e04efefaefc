"""Splits that are stored as lists of ids, and the record beside them by which a change is noticed.

The record (``split.json``) has the seed, the method, how much of each class is in each split, and digests: of each
list, of the samples, and of the samples with their annotations. Lists that were written by hand have no record and are
used as they are.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from polyhead.contracts.reader import Reader
from polyhead.data.catalog import checksum
from polyhead.data.doctor import FINGERPRINT, fingerprint
from polyhead.data.io.json_files import load_json
from polyhead.data.splits.make import SPLITS
from polyhead.errors import PolyheadError, counted, few
from polyhead.paths import find
from polyhead.run import write_json, write_text

RECORD = "split.json"
"""The record's file, beside the lists."""
_AGAIN = "Split the data again with 'polyhead data split', or delete split.json to use the lists as they are."


def write_splits(folder: Path, members: Mapping[str, Sequence[str]], reader: Reader, record: Mapping[str, Any]) -> None:
    """Write ``SPLIT.txt`` for each split, with one id per line, and the record.

    Args:
        folder: an existing folder.
        members: the ids of each split.
        reader: the data that was split.
        record: what else the record has.
    """
    files = {split: folder / f"{split}.txt" for split in members}
    for split, file in files.items():
        write_text(file, "".join(f"{sample_id}\n" for sample_id in sorted(members[split])))
    digests = {"fingerprint": fingerprint(reader), "samples_digest": samples_digest(reader)}
    sha256 = {file.name: checksum(file) for file in files.values()}
    write_json(folder / RECORD, {**record, **digests, "sha256": sha256})


def samples_digest(reader: Reader) -> str:
    """Return a digest of the ids of the samples and the names and sizes of their input files, in any order."""
    lines = []
    for entry in map(reader.entry, range(len(reader))):
        path = Path(entry.path)
        lines.append(repr((entry.id, path.name, path.stat().st_size) if entry.path else (entry.id, entry.bytes)))
    return blake2b("\n".join(sorted(lines)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def check_stored(settings: Mapping[str, int | float | str], given: Mapping[str, Reader]) -> list[str]:
    """Check the lists of ids that a source is split by against the record beside them, if there is one.

    Args:
        settings: how the source is split (:attr:`polyhead.data.loading.source.Source.split`).
        given: the readers that it has; that of train is split.

    Returns:
        A sentence if the annotations or classes are others, which leaves a split valid.

    Raises:
        PolyheadError: if a list was changed, or the samples are others.
    """
    named = {key: value for key, value in settings.items() if key in SPLITS and isinstance(value, str)}
    if named.keys() & given.keys() - {"train"}:
        return []  # a split with a reader of its own, which make_splits refuses
    lists, reader = [*named.values()], given["train"]
    notes: list[str] = []
    for folder in dict.fromkeys(find(path).parent for path in lists):
        if (folder / RECORD).is_file():
            record, names = _read(folder / RECORD), [Path(path).name for path in lists if find(path).parent == folder]
            _check_lists(folder, record, names)
            if record["samples_digest"] != samples_digest(reader):
                raise PolyheadError(f"{folder / RECORD}: {_difference(folder, record, reader)}. {_AGAIN}")
            mark = str(record.get("fingerprint"))
            if mark.startswith(FINGERPRINT) and mark != fingerprint(reader):
                notes.append(f"the annotations or classes are not those that {folder / RECORD} was stratified by")
    return notes


def _read(path: Path) -> dict[str, Any]:
    record = load_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("sha256"), dict) or "samples_digest" not in record:
        raise PolyheadError(f"{path}: expected the record of a split, got something else. {_AGAIN}")
    return record


def _check_lists(folder: Path, record: Mapping[str, Any], names: Sequence[str]) -> None:
    """Check that the lists that the record knows are those that were written."""
    for name in names:
        if name in record["sha256"] and checksum(folder / name) != record["sha256"][name]:
            raise PolyheadError(
                f"{folder / name}: the list is not the one that was written with {RECORD} (another SHA-256). Restore "
                f"it. {_AGAIN}"
            )


def _difference(folder: Path, record: Mapping[str, Any], reader: Reader) -> str:
    """Return how the samples differ from those that were split."""
    files = [folder / name for name in record["sha256"] if (folder / name).is_file()]
    listed = {line for file in files for line in file.read_text(encoding="utf-8").splitlines()}
    ids = {reader.entry(index).id for index in range(len(reader))}
    new, lost = sorted(ids - listed), sorted(listed - ids)
    if not new and not lost:
        return "the samples have the same ids as when the data was split, but other files"
    parts = [f"{counted(len(new), 'sample')} added ({few(new, 3)})"] if new else []
    parts += [f"{counted(len(lost), 'sample')} removed ({few(lost, 3)})"] if lost else []
    return f"the data is not the one that was split: {' and '.join(parts)}"
