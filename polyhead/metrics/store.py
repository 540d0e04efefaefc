"""Files of stored predictions: NumPy's ``.npz`` without pickled objects, replaced atomically.

Each kind of task chooses its columns (:meth:`polyhead.contracts.kind.Kind.save`). A column has one row for each sample,
or one for each object; the objects of all samples are then concatenated, and ``counts`` has the number of each sample.
"""

import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.run import Run, atomic_write

T = TypeVar("T")
ColumnTypes = Mapping[str, tuple[str, tuple[int, ...]]]
"""Column -> NumPy's ``dtype.kind``, and the shape of one row; -1 stands for any length."""

_TEXT: ColumnTypes = {"names": ("U", ()), "ids": ("U", ())}
_COUNTS: ColumnTypes = {"counts": ("i", ())}
MAX_BYTES = 2**30
"""Files that claim to hold more are refused: a damaged size must not fill the memory."""
KIND = "kind"
"""The column that names the kind of task; files of older runs lack it."""


def write(path: Path, kind: str, names: Sequence[str], ids: Iterable[str], **columns: np.ndarray) -> None:
    """Write the columns of a split, with the names of the classes and the ids of the samples.

    Args:
        path: the file.
        kind: name of the kind of task.
        names: class names, or names of the predicted numbers.
        ids: ids of the samples.
        columns: the other columns, by name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {KIND: text([kind]), "names": text(names), "ids": text(ids), **columns}
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **table)  # type: ignore[arg-type]  # numpy's stubs take columns for its option allow_pickle


def read(path: Path, per_sample: ColumnTypes, per_object: ColumnTypes | None = None) -> dict[str, np.ndarray]:
    """Read columns, and check their types, shapes and numbers of rows.

    Args:
        path: the file.
        per_sample: columns with one row for each sample, besides ``names`` and ``ids``.
        per_object: columns with one row for each object; the file then has the column ``counts``, too.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    per_sample = per_sample if per_object is None else {**per_sample, **_COUNTS}
    expected = {**_TEXT, **per_sample, **(per_object or {})}
    table = _open(path, lambda archive: {column: _native(archive[column]) for column in expected})
    for column, (kind, shape) in expected.items():
        array = table[column]
        fits = len(array.shape) == 1 + len(shape) and all(
            n in (-1, m) for n, m in zip(shape, array.shape[1:], strict=True)
        )
        if array.dtype.kind != kind or not fits:
            raise broken(path, f"{column} is {array.dtype}{list(array.shape)}")
        if kind == "f" and not np.isfinite(array).all():
            raise broken(path, f"{column} has values that are not finite")
    samples, counts = table["ids"].shape[0], table.get("counts", np.zeros(0, dtype=np.int64))
    if (counts < 0).any() or len(set(table["ids"].tolist())) != samples:
        raise broken(path, "an image appears twice or has a negative count")
    rows = {**dict.fromkeys(per_sample, samples), **dict.fromkeys(per_object or {}, int(counts.sum()))}
    for column, count in rows.items():
        if table[column].shape[0] != count:
            raise broken(path, f"{column} has {table[column].shape[0]} rows, expected {count}")
    return table


def columns(path: Path) -> list[str]:
    """Return the names of the columns of a file.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    return _open(path, lambda archive: list(archive.files))


def kind_name(path: Path) -> str | None:
    """Return the name of the kind of task; None in a file of an older run.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    return _open(path, lambda archive: str(archive[KIND][0]) if KIND in archive.files else None)


def broken(path: Path, why: str) -> PolyheadError:
    """Return the error for a damaged file."""
    return PolyheadError(f"file {str(path)!r} is damaged ({why}). Write it again with '{_command(path)}'.")


def _command(path: Path) -> str:
    """Return the command that writes a file of stored predictions, ``RUN/predictions/SPLIT.TASK.npz``."""
    if path.parent.name != Run(".").predictions.name:
        return "polyhead evaluate RUN"
    return f"polyhead evaluate {path.parent.parent} --split {path.name.partition('.')[0]}"


def text(words: Iterable[str]) -> np.ndarray:
    """Return an array of strings."""
    return np.array(list(words), dtype=np.str_)


def count_rows(tensors: Iterable[Tensor]) -> np.ndarray:
    """Return the number of rows of each sample's tensor, for the column ``counts``."""
    return np.array([tensor.shape[0] for tensor in tensors], dtype=np.int64)


def concat(tensors: Iterable[Tensor]) -> np.ndarray:
    """Concatenate the rows of all samples."""
    rows = list(tensors)
    return torch.cat(rows).detach().cpu().numpy() if rows else np.zeros(0)


def concat_float32(tensors: Iterable[Tensor]) -> np.ndarray:
    """Concatenate the rows of all samples as float32."""
    return concat([tensor.float() for tensor in tensors]).astype(np.float32)


def split_by_sample(rows: np.ndarray, counts: np.ndarray) -> list[Tensor]:
    """Split concatenated rows into one tensor for each sample."""
    return [torch.from_numpy(part) for part in np.split(rows, np.cumsum(counts)[:-1])] if counts.size else []


def _open(path: Path, look: Callable[[Any], T]) -> T:
    """Open an archive and return what ``look`` reads from it."""
    if not path.is_file():
        raise PolyheadError(f"file {str(path)!r} does not exist. Write it with '{_command(path)}'.")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > MAX_BYTES:
                raise broken(path, f"it claims to hold more than {MAX_BYTES >> 20} MiB")
        with path.open("rb") as file:
            return look(np.load(file, allow_pickle=False))
    except PolyheadError:
        raise
    except Exception as error:  # a damaged archive, or the header of an array in it, can raise anything
        raise broken(path, f"{type(error).__name__}: {' '.join(str(error).split()):.200}") from error


def _native(array: np.ndarray) -> np.ndarray:
    """Return an array in the byte order of this machine, with integers of 8 bytes."""
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return native.astype(np.int64, copy=False) if native.dtype.kind == "i" else native
