"""What was said of each picture, and its truth, in the run folder: what comparisons read instead of the data.

Files are NumPy's ``.npz`` without pickled objects. The boxes of all pictures lie end to end; ``counts`` says how many
each picture has, and their truth has a file of its own. A classifier's file has the probabilities and the true class
of each picture, a segmentation's its counts (:class:`polyhead.metrics.masks.Pixels`). A file is written whole or not at
all.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.metrics.labels import gather
from polyhead.metrics.masks import Pixels
from polyhead.run import whole
from polyhead.types import Annotation, Detections, Labels

T = TypeVar("T")
Kind = Literal["boxes", "labels", "pixels"]
Layout = dict[str, tuple[str, tuple[int, ...]]]

_PREDICTIONS: Layout = {
    "names": ("U", ()),
    "ids": ("U", ()),
    "counts": ("i", ()),
    "boxes": ("f", (4,)),
    "scores": ("f", ()),
    "labels": ("i", ()),
}
_LABELS: Layout = {
    "names": ("U", ()),
    "ids": ("U", ()),
    "probabilities": ("f", (-1,)),
    "true": ("i", ()),
}
_PIXELS: Layout = {
    "names": ("U", ()),
    "ids": ("U", ()),
    "pixels": ("i", (-1, -1)),
}
_PER_PICTURE = ("counts", "sizes", "annotated", "probabilities", "true", "pixels")
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


def kind(path: Path) -> Kind:
    """What a file of predictions is of.

    Raises:
        PolyheadError: when there is no such file, or it is not whole.
    """
    columns = _open(path, lambda archive: list(archive.files))
    return "pixels" if "pixels" in columns else "labels" if "probabilities" in columns else "boxes"


class Said(NamedTuple):
    """Stored answers of a classifier: probabilities and true class of each picture."""

    ids: list[str]
    probabilities: Float[np.ndarray, "p c"]
    true: Int[np.ndarray, " p"]


def save_labels(
    path: Path, predictions: Mapping[str, Labels], truths: Sequence[Annotation], names: Sequence[str]
) -> None:
    """Write the class probabilities of each picture as float32, and its class, in the order of the truth."""
    true, scores = gather(truths, predictions)
    ids = _text([truth.id for truth in truths])
    _write(path, names=_text(names), ids=ids, probabilities=scores.astype(np.float32), true=true)


def load_labels(path: Path) -> tuple[Said, list[str]]:
    """What :func:`save_labels` wrote, and the class names.

    Raises:
        PolyheadError: when there is no such file, or it is not whole.
    """
    table = _read(path, _LABELS)
    classes = table["names"].shape[0]
    if table["probabilities"].shape[1] != classes or not ((table["true"] >= 0) & (table["true"] < classes)).all():
        raise _broken(path, f"probabilities or true classes are not of the {classes} classes")
    return Said(table["ids"].tolist(), table["probabilities"], table["true"]), table["names"].tolist()


def save_pixels(path: Path, predictions: Mapping[str, Pixels], names: Sequence[str]) -> None:
    """Write the counts of each picture; the order of the ids is kept."""
    counts = _join([found.counts[None] for found in predictions.values()]).astype(np.int64)
    shape = (len(predictions), len(names), len(names) + 1)
    _write(path, names=_text(names), ids=_text(predictions), pixels=counts.reshape(shape))


def load_pixels(path: Path) -> tuple[dict[str, Pixels], list[str]]:
    """What :func:`save_pixels` wrote, and the class names.

    Raises:
        PolyheadError: when there is no such file, or it is not whole.
    """
    table = _read(path, _PIXELS)
    classes = table["names"].shape[0]
    if table["pixels"].shape[1:] != (classes, classes + 1) or (table["pixels"] < 0).any():
        raise _broken(path, f"pixels are not counts of the {classes} classes")
    found = [Pixels(torch.from_numpy(counts)) for counts in table["pixels"]]
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
    with whole(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **columns)  # type: ignore[arg-type]  # numpy's stubs take columns for its option allow_pickle


def _read(path: Path, layout: Layout) -> dict[str, np.ndarray]:
    """The columns of ``layout``; shape -1 stands for any length, and rows belong to pictures or to boxes."""
    table = _open(path, lambda archive: {column: archive[column] for column in layout})
    for column, (kind, shape) in layout.items():
        array = table[column]
        fits = len(array.shape) == 1 + len(shape) and all(
            n in (-1, m) for n, m in zip(shape, array.shape[1:], strict=True)
        )
        if array.dtype.kind != kind or not fits:
            raise _broken(path, f"{column} is {array.dtype}{list(array.shape)}")
    pictures, counts = table["ids"].shape[0], table.get("counts", np.zeros(0, dtype=np.int64))
    boxes = int(counts.sum())
    if (counts < 0).any() or len(set(table["ids"].tolist())) != pictures:
        raise _broken(path, "a picture is twice in it, or has a negative count")
    for column in set(layout) - {"names", "ids"}:
        rows = pictures if column in _PER_PICTURE else boxes
        if table[column].shape[0] != rows:
            raise _broken(path, f"{column} has {table[column].shape[0]} rows, expected {rows}")
    return table


def _open(path: Path, look: Callable[[Any], T]) -> T:
    """What ``look`` finds in an archive."""
    if not path.is_file():
        raise PolyheadError(f"there is no file {str(path)!r}; 'polyhead evaluate RUN' writes it")
    try:
        with path.open("rb") as file:
            return look(np.load(file, allow_pickle=False))
    except (OSError, ValueError, EOFError, LookupError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, why: str) -> PolyheadError:
    return PolyheadError(f"{str(path)!r} is broken ({why}); write it again with 'polyhead evaluate RUN'")


def _text(words: Iterable[str]) -> np.ndarray:
    return np.array(list(words), dtype=np.str_)


def _counts(columns: list[Tensor]) -> np.ndarray:
    return np.array([column.shape[0] for column in columns], dtype=np.int64)


def _join(tensors: list[Tensor]) -> np.ndarray:
    return torch.cat(tensors).detach().cpu().numpy() if tensors else np.zeros(0)


def _floats(tensors: list[Tensor]) -> np.ndarray:
    return _join([tensor.float() for tensor in tensors]).astype(np.float32)


def _split(rows: np.ndarray, counts: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(part) for part in np.split(rows, np.cumsum(counts)[:-1])] if counts.size else []
