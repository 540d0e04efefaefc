"""Predictions and targets of the images of a split, stored in the run folder: comparisons read these, not the data.

Files are NumPy's ``.npz`` without pickled objects, replaced atomically.

- Detections: the boxes of all images are concatenated, and ``counts`` has the number of boxes of each image. Their
  targets are in a file of their own (:func:`targets_path`).
- Labels: probabilities and target class of each image.
- Masks: the pixel counts of each image (:class:`polyhead.metrics.masks.PixelCounts`), never the masks.
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
from polyhead.metrics.labels import gather_labels
from polyhead.metrics.masks import PixelCounts
from polyhead.run import atomic_write
from polyhead.types import Annotation, Detections, Labels

T = TypeVar("T")
StoredKind = Literal["boxes", "labels", "pixels"]
ColumnTypes = dict[str, tuple[str, tuple[int, ...]]]
"""Column -> NumPy's ``dtype.kind``, and the shape of one row; -1 stands for any length."""

_PREDICTIONS: ColumnTypes = {
    "names": ("U", ()),
    "ids": ("U", ()),
    "counts": ("i", ()),
    "boxes": ("f", (4,)),
    "scores": ("f", ()),
    "labels": ("i", ()),
}
_LABELS: ColumnTypes = {
    "names": ("U", ()),
    "ids": ("U", ()),
    "probabilities": ("f", (-1,)),
    "true": ("i", ()),
}
_PIXELS: ColumnTypes = {
    "names": ("U", ()),
    "ids": ("U", ()),
    "pixels": ("i", (-1, -1)),
}
_PER_IMAGE = ("counts", "sizes", "annotated", "probabilities", "true", "pixels")
"""Columns with one row for each image; the others (but ``names`` and ``ids``) have one for each box."""
_TARGETS: ColumnTypes = {
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
    """Write the ``top_k`` highest-scoring detections of each image as float32, best first, in the order of the ids.

    COCO evaluates up to 100 detections of *each class* in an image: scores computed from the file and from memory are
    equal only if the detector returns no more than ``top_k`` detections in all.
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
        boxes=_concat_float32([detections.boxes for detections in found]).reshape(-1, 4),
        scores=_concat_float32([detections.scores for detections in found]),
        labels=_concat([detections.labels for detections in found]).astype(np.int64),
    )


def load(path: Path) -> tuple[dict[str, Detections], list[str]]:
    """Return the detections by image id, in the order in which they were saved, and the class names.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    table = _read(path, _PREDICTIONS)
    columns = [_split_by_image(table[column], table["counts"]) for column in ("boxes", "scores", "labels")]
    found = [Detections(*row) for row in zip(*columns, strict=True)]
    return dict(zip(table["ids"].tolist(), found, strict=True)), table["names"].tolist()


def kind(path: Path) -> StoredKind:
    """Return what kind of predictions a file has.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    columns = _open(path, lambda archive: list(archive.files))
    return "pixels" if "pixels" in columns else "labels" if "probabilities" in columns else "boxes"


class LabelPredictions(NamedTuple):
    """Stored predictions of a classifier: probabilities and target class of each image."""

    ids: list[str]
    probabilities: Float[np.ndarray, "p c"]
    target: Int[np.ndarray, " p"]


def save_labels(
    path: Path, predictions: Mapping[str, Labels], targets: Sequence[Annotation], names: Sequence[str]
) -> None:
    """Write the class probabilities of each image as float32, and its target class, in the order of the targets."""
    target, scores = gather_labels(targets, predictions)
    ids = _text([each.id for each in targets])
    _write(path, names=_text(names), ids=ids, probabilities=scores.astype(np.float32), true=target)


def load_labels(path: Path) -> tuple[LabelPredictions, list[str]]:
    """Return what :func:`save_labels` wrote, and the class names.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    table = _read(path, _LABELS)
    classes = table["names"].shape[0]
    if table["probabilities"].shape[1] != classes or not ((table["true"] >= 0) & (table["true"] < classes)).all():
        raise _broken(path, f"probabilities or target classes do not fit the {classes} class names")
    return LabelPredictions(table["ids"].tolist(), table["probabilities"], table["true"]), table["names"].tolist()


def save_pixels(path: Path, predictions: Mapping[str, PixelCounts], names: Sequence[str]) -> None:
    """Write the pixel counts of each image, in the order of the ids."""
    counts = _concat([found.counts[None] for found in predictions.values()]).astype(np.int64)
    shape = (len(predictions), len(names), len(names) + 1)  # given in full, for the case without images
    _write(path, names=_text(names), ids=_text(predictions), pixels=counts.reshape(shape))


def load_pixels(path: Path) -> tuple[dict[str, PixelCounts], list[str]]:
    """Return what :func:`save_pixels` wrote, and the class names.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    table = _read(path, _PIXELS)
    classes = table["names"].shape[0]
    if table["pixels"].shape[1:] != (classes, classes + 1) or (table["pixels"] < 0).any():
        raise _broken(path, f"pixels are not counts of the {classes} classes")
    found = [PixelCounts(torch.from_numpy(counts)) for counts in table["pixels"]]
    return dict(zip(table["ids"].tolist(), found, strict=True)), table["names"].tolist()


def targets_path(predictions: Path) -> Path:
    """Return the path of the targets of a file of detections: ``test.food.npz`` has ``test.food.target.npz``."""
    return predictions.with_suffix(".target.npz")


def save_targets(path: Path, targets: Sequence[Annotation], names: Sequence[str]) -> None:
    """Write the target boxes of the images, without their paths and ``value``."""
    _write(
        path,
        names=_text(names),
        ids=_text([target.id for target in targets]),
        counts=_counts([target.labels for target in targets]),
        sizes=np.array([target.size for target in targets], dtype=np.int64).reshape(-1, 2),
        boxes=_concat_float32([target.boxes for target in targets]).reshape(-1, 4),
        labels=_concat([target.labels for target in targets]).astype(np.int64),
        ignore=_concat([target.ignore for target in targets]).astype(np.bool_),
        areas=_concat_float32([target.areas for target in targets]),
        annotated=_concat([target.annotated for target in targets]).astype(np.bool_).reshape(-1, len(names)),
    )


def load_targets(path: Path) -> tuple[list[Annotation], list[str]]:
    """Return the targets that predictions were scored against, with empty paths, and the class names.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    table = _read(path, _TARGETS | {"annotated": ("b", (-1,))})
    if table["annotated"].shape[1] != table["names"].shape[0]:
        raise _broken(path, f"annotated has {table['annotated'].shape[1]} classes, names {table['names'].shape[0]}")
    columns = [_split_by_image(table[column], table["counts"]) for column in ("boxes", "labels", "ignore", "areas")]
    rows = zip(table["ids"].tolist(), table["sizes"].tolist(), *columns, table["annotated"], strict=True)
    targets = [
        Annotation(image_id, "", (height, width), boxes, labels, ignore, areas, torch.from_numpy(annotated))
        for image_id, (height, width), boxes, labels, ignore, areas, annotated in rows
    ]
    return targets, table["names"].tolist()


def _write(path: Path, **columns: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **columns)  # type: ignore[arg-type]  # numpy's stubs take columns for its option allow_pickle


def _read(path: Path, expected: ColumnTypes) -> dict[str, np.ndarray]:
    """Read the columns of ``expected``, and check their types, shapes and numbers of rows."""
    table = _open(path, lambda archive: {column: archive[column] for column in expected})
    for column, (kind, shape) in expected.items():
        array = table[column]
        fits = len(array.shape) == 1 + len(shape) and all(
            n in (-1, m) for n, m in zip(shape, array.shape[1:], strict=True)
        )
        if array.dtype.kind != kind or not fits:
            raise _broken(path, f"{column} is {array.dtype}{list(array.shape)}")
    images, counts = table["ids"].shape[0], table.get("counts", np.zeros(0, dtype=np.int64))
    boxes = int(counts.sum())
    if (counts < 0).any() or len(set(table["ids"].tolist())) != images:
        raise _broken(path, "an image appears twice or has a negative count")
    for column in set(expected) - {"names", "ids"}:
        rows = images if column in _PER_IMAGE else boxes
        if table[column].shape[0] != rows:
            raise _broken(path, f"{column} has {table[column].shape[0]} rows, expected {rows}")
    return table


def _open(path: Path, look: Callable[[Any], T]) -> T:
    """Open an archive and return what ``look`` reads from it."""
    if not path.is_file():
        raise PolyheadError(f"file {str(path)!r} does not exist. Write it with 'polyhead evaluate RUN'.")
    try:
        with path.open("rb") as file:
            return look(np.load(file, allow_pickle=False))
    except (OSError, ValueError, EOFError, LookupError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, why: str) -> PolyheadError:
    return PolyheadError(f"file {str(path)!r} is damaged ({why}). Write it again with 'polyhead evaluate RUN'.")


def _text(words: Iterable[str]) -> np.ndarray:
    return np.array(list(words), dtype=np.str_)


def _counts(columns: list[Tensor]) -> np.ndarray:
    """Return the number of rows of each image's tensor."""
    return np.array([column.shape[0] for column in columns], dtype=np.int64)


def _concat(tensors: list[Tensor]) -> np.ndarray:
    return torch.cat(tensors).detach().cpu().numpy() if tensors else np.zeros(0)


def _concat_float32(tensors: list[Tensor]) -> np.ndarray:
    return _concat([tensor.float() for tensor in tensors]).astype(np.float32)


def _split_by_image(rows: np.ndarray, counts: np.ndarray) -> list[Tensor]:
    """Split concatenated rows into one tensor for each image."""
    return [torch.from_numpy(part) for part in np.split(rows, np.cumsum(counts)[:-1])] if counts.size else []
