"""Files of the target boxes that detections were scored against."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from polyhead.metrics import store
from polyhead.types import Boxes

_IMAGES: store.ColumnTypes = {"sizes": ("i", (2,)), "annotated": ("b", (-1,))}
_OBJECTS: store.ColumnTypes = {"boxes": ("f", (4,)), "labels": ("i", ()), "ignore": ("b", ()), "areas": ("f", ())}


def targets_path(predictions: Path) -> Path:
    """Return the path of the targets of a file of detections: ``test.food.npz`` has ``test.food.target.npz``."""
    return predictions.with_suffix(".target.npz")


def save_targets(path: Path, targets: Mapping[str, Boxes], names: Sequence[str]) -> None:
    """Write the objects of each image."""
    rows = [*targets.values()]
    store.write(
        path,
        "detection",
        names,
        targets,
        counts=store.count_rows(each.labels for each in rows),
        sizes=np.array([each.size for each in rows], dtype=np.int64).reshape(-1, 2),
        boxes=store.concat_float32(each.boxes for each in rows).reshape(-1, 4),
        labels=store.concat(each.labels for each in rows).astype(np.int64),
        ignore=store.concat(each.ignore for each in rows).astype(np.bool_),
        areas=store.concat_float32(each.areas for each in rows),
        annotated=store.concat(each.annotated for each in rows).astype(np.bool_).reshape(-1, len(names)),
    )


def load_targets(path: Path) -> tuple[dict[str, Boxes], list[str]]:
    """Return the objects of each image that detections were scored against, by image id, and the class names.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    table = store.read(path, _IMAGES, _OBJECTS)
    if table["annotated"].shape[1] != table["names"].shape[0]:
        raise store.broken(
            path, f"annotated has {table['annotated'].shape[1]} classes, names {table['names'].shape[0]}"
        )
    if not ((table["labels"] >= 0) & (table["labels"] < table["names"].shape[0])).all():
        raise store.broken(path, f"labels do not fit the {table['names'].shape[0]} class names")
    if (table["sizes"] < 1).any():
        raise store.broken(path, "sizes are not those of images")
    columns = [store.split_by_sample(table[column], table["counts"]) for column in _OBJECTS]
    rows = zip(*columns, table["annotated"], table["sizes"].tolist(), strict=True)
    targets = [
        Boxes(boxes, labels, ignore, areas, torch.from_numpy(annotated), (height, width))
        for boxes, labels, ignore, areas, annotated, (height, width) in rows
    ]
    return dict(zip(table["ids"].tolist(), targets, strict=True)), table["names"].tolist()
