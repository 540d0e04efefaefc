"""Use official weights as they are: networks that were trained elsewhere, under their names (``yolox_nano``)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.data.catalog import WEIGHTS_CATALOG, get_file
from polyhead.errors import PolyheadError
from polyhead.modalities.image import Image
from polyhead.models import yolox
from polyhead.paths import OFFICIAL, WEIGHTS, cache, find
from polyhead.types import TaskInfo
from polyhead.workflows.predictor import Predictor

TASK = "coco"
"""Name of the task of a network that was trained on COCO."""


def is_official(name: Any) -> bool:
    """Return whether this is the name of official weights, and of no file or folder."""
    return isinstance(name, str) and name in OFFICIAL and not Path(name).exists()


def load_official(name: str, max_boxes: int | None = None) -> Predictor:
    """Load a network with its official weights, ready to predict the classes that it was trained for.

    Args:
        name: name of the weights (:data:`polyhead.paths.OFFICIAL`).
        max_boxes: largest number of boxes for an image; None leaves it to the model.

    Raises:
        PolyheadError: if there is no file of these weights.
    """
    model = yolox(weights=name, scale=name.removeprefix("yolox_"))
    assert model.size is not None
    modality = Image()
    modality.restore({"size": list(model.size), "fit": "corner"})
    model.build({TASK: TaskInfo(COCO_NAMES)}, {TASK: modality.spec()})
    predictor = Predictor(model, {TASK: COCO_NAMES}, {TASK: modality})
    predictor.limit(max_boxes)
    return predictor


def download_missing(run: str, asked: bool) -> str:
    """Return the name of a run or of official weights, after a download of missing weights if this was asked for."""
    if asked and is_official(run):
        download(run)
    return run


def download(name: str, folder: Path | None = None, show: Callable[[str], None] = print) -> None:
    """Download official weights into the user's cache folder, unless a file of them is found.

    Args:
        name: name of the weights.
        folder: another folder; the weights are then downloaded even if there is a file of them elsewhere.
        show: receives the lines to print.

    Raises:
        PolyheadError: if there are no such weights, or they cannot be downloaded.
    """
    if folder is None:
        try:
            show(f"{name} exists already: {find(name, WEIGHTS)}")
            return
        except PolyheadError:
            folder = cache(WEIGHTS)
    get_file(WEIGHTS_CATALOG[name], folder, show)
