"""Detections of each picture, and the truth beside them, in the run folder: what comparisons read instead of the data.

Files are NumPy's ``.npz`` without pickled objects. The boxes of all pictures lie end to end; ``counts`` says how many
each picture has. A file is written whole or not at all.
"""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.run import replace
from polyhead.types import Annotation, Detections

Layout = dict[str, tuple[str, tuple[int, ...]]]

_PREDICTIONS: Layout = {
    "names": ("U", ()),
    "ids": ("U", ()),
    "counts": ("i", ()),
    "boxes": ("f", (4,)),
    "scores": ("f", ()),
    "labels": ("i", ()),
}
_TRUTHS: Layout = {
    "names": ("U", ()),
    "ids": ("U", ()),
    "counts": ("i", ()),
    "sizes": ("i", (2,)),
    "boxes": ("f", (4,)),
    "labels": ("i", ()),
    "ignore": ("b", ()),
    "areas": ("f", ()),
}


def save(path: Path, predictions: Mapping[str, Detections], names: Sequence[str], top_k: int = 300) -> None:
    """Write the best ``top_k`` detections of each picture, as float32, best first; the order of the ids is kept.

    COCO measures up to 100 detections of *each class* in a picture: scores from the file and from memory are the same
    only if the detector gives no more than ``top_k`` in all.
    """
    best = [detections.scores.argsort(descending=True, stable=True)[:top_k] for detections in predictions.values()]
    found = [
        Detections(*(column[index] for column in detections))
        for detections, index in zip(predictions.values(), best, strict=True)
    ]
    _write(
        path,
        names=_text(names),
        ids=_text(predictions),
        counts=_counts([detections.scores for detections in found]),
        boxes=_floats([detections.boxes for detections in found]).reshape(-1, 4),
        scores=_floats([detections.scores for detections in found]),
        labels=_join([detections.labels for detections in found]).astype(np.int64),
    )


def load(path: Path) -> tuple[dict[str, Detections], list[str]]:
    """Predictions by id, in the order they were saved in, and the class names.

    Raises:
        PolyheadError: when there is no such file, or it is not whole.
    """
    table = _read(path, _PREDICTIONS)
    parts = [_split(table[column], table["counts"]) for column in ("boxes", "scores", "labels")]
    found = [Detections(*columns) for columns in zip(*parts, strict=True)]
    return dict(zip(table["ids"].tolist(), found, strict=True)), table["names"].tolist()


def truths_of(predictions: Path) -> Path:
    """Where the truth of a file of predictions lies: ``test.food.npz`` has ``test.food.truth.npz``."""
    return predictions.with_suffix(".truth.npz")


def save_truths(path: Path, truths: Sequence[Annotation], names: Sequence[str]) -> None:
    """Write the boxes of the pictures; the pictures' paths and ``value`` are left out."""
    _write(
        path,
        names=_text(names),
        ids=_text([truth.id for truth in truths]),
        counts=_counts([truth.labels for truth in truths]),
        sizes=np.array([truth.size for truth in truths], dtype=np.int64).reshape(-1, 2),
        boxes=_floats([truth.boxes for truth in truths]).reshape(-1, 4),
        labels=_join([truth.labels for truth in truths]).astype(np.int64),
        ignore=_join([truth.ignore for truth in truths]).astype(np.bool_),
        areas=_floats([truth.areas for truth in truths]),
        annotated=_join([truth.annotated for truth in truths]).astype(np.bool_).reshape(-1, len(names)),
    )


def load_truths(path: Path) -> tuple[list[Annotation], list[str]]:
    """The truth that predictions were measured against, and the class names; paths are empty.

    Raises:
        PolyheadError: when there is no such file, or it is not whole.
    """
    table = _read(path, _TRUTHS | {"annotated": ("b", (-1,))})
    if table["annotated"].shape[1] != table["names"].shape[0]:
        raise _broken(path, f"annotated has {table['annotated'].shape[1]} classes, names {table['names'].shape[0]}")
    parts = [_split(table[column], table["counts"]) for column in ("boxes", "labels", "ignore", "areas")]
    rows = zip(table["ids"].tolist(), table["sizes"].tolist(), *parts, table["annotated"], strict=True)
    truths = [
        Annotation(name, "", (height, width), boxes, labels, ignore, areas, torch.from_numpy(annotated))
        for name, (height, width), boxes, labels, ignore, areas, annotated in rows
    ]
    return truths, table["names"].tolist()


def _write(path: Path, **columns: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]  # numpy's stubs take columns for its option allow_pickle
    replace(partial, path)


def _read(path: Path, layout: Layout) -> dict[str, np.ndarray]:
    """The columns of ``layout``; shape -1 stands for any length, and rows belong to pictures or to boxes."""
    if not path.is_file():
        raise PolyheadError(f"there is no file {str(path)!r}; 'polyhead evaluate RUN' writes it")
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            table = {column: archive[column] for column in layout}
    except (OSError, ValueError, EOFError, LookupError, zipfile.BadZipFile, zlib.error) as error:
        raise _broken(path, str(error)) from error
    for column, (kind, shape) in layout.items():
        array = table[column]
        fits = len(array.shape) == 1 + len(shape) and all(
            n in (-1, m) for n, m in zip(shape, array.shape[1:], strict=True)
        )
        if array.dtype.kind != kind or not fits:
            raise _broken(path, f"{column} is {array.dtype}{list(array.shape)}")
    pictures, boxes = table["ids"].shape[0], int(table["counts"].sum())
    if (table["counts"] < 0).any() or len(set(table["ids"].tolist())) != pictures:
        raise _broken(path, "a picture is twice in it, or has a negative count")
    for column in set(layout) - {"names", "ids"}:
        rows = pictures if column in ("counts", "sizes", "annotated") else boxes
        if table[column].shape[0] != rows:
            raise _broken(path, f"{column} has {table[column].shape[0]} rows, expected {rows}")
    return table


def _broken(path: Path, why: str) -> PolyheadError:
    return PolyheadError(f"{str(path)!r} is broken ({why}); write it again with 'polyhead evaluate RUN'")


def _text(words: Sequence[str] | Mapping[str, Detections]) -> np.ndarray:
    return np.array(list(words), dtype=np.str_)


def _counts(columns: list[Tensor]) -> np.ndarray:
    return np.array([column.shape[0] for column in columns], dtype=np.int64)


def _join(tensors: list[Tensor]) -> np.ndarray:
    return torch.cat(tensors).detach().cpu().numpy() if tensors else np.zeros(0)


def _floats(tensors: list[Tensor]) -> np.ndarray:
    return _join([tensor.float() for tensor in tensors]).astype(np.float32)


def _split(rows: np.ndarray, counts: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(part) for part in np.split(rows, np.cumsum(counts)[:-1])] if counts.size else []
