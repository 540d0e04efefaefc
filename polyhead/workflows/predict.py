"""Predict with a trained run: ``polyhead.load(run).predict(source)``.

Inputs go through the same eval transform (:attr:`polyhead.contracts.modality.Modality.eval`) as the val and test
samples; its settings are stored in the weights file. The network runs in the precision that the hardware supports
natively; boxes are decoded in float32.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyhead import checkpoint
from polyhead.checkpoint import Checkpoint
from polyhead.config.recipe import build_model
from polyhead.contracts.classes import allow
from polyhead.contracts.modality import Modality
from polyhead.contracts.operating import Point
from polyhead.errors import PolyheadError
from polyhead.modalities import modality_of
from polyhead.nets.model import Model
from polyhead.nets.precision import standard_defaults
from polyhead.run import Run
from polyhead.types import TaskInfo
from polyhead.workflows.official import is_official, load_official
from polyhead.workflows.operating import stored_points
from polyhead.workflows.predictor import Predictor
from polyhead.workflows.result import Result


def predict(run: str | Path | Run, source: Any, *, max_boxes: int | None = None, **settings: Any) -> list[Result]:
    """Predict with a trained run; for several calls, :func:`load` it once.

    Args:
        run: a run, its folder, a weights file, or the name of official weights (``yolox_nano``).
        source: see :meth:`Predictor.predict`, as are the settings.
        max_boxes: see :func:`load`.
        settings: ``tasks``, ``conf``, ``batch``, ``on_bad``, ``across``.

    Examples:
        >>> photo = torch.zeros(3, 48, 64, dtype=torch.uint8)
        >>> [result.task for result in polyhead.predict("runs/small", photo)]
        ['fruit', 'signs']
    """
    return load(run, max_boxes=max_boxes).predict(source, **settings)


def info_of(entry: Mapping[str, Any]) -> TaskInfo:
    """Return what a head was built from, as a weights file stores it."""
    return TaskInfo(
        list(entry["names"]), list(entry.get("categories", ())), entry.get("counts", {}), entry.get("target", {})
    )


@standard_defaults()
def load(run: str | Path | Run, model: Model | None = None, *, max_boxes: int | None = None) -> Predictor:
    """Load the best weights of a run, ready to predict.

    Args:
        run: a run, its folder, a weights file such as ``weights/best.pt``, or the name of official weights
            (``yolox_nano``), which predict the 80 classes of COCO.
        model: the model that was trained, built by the same code; needed for a run of :func:`polyhead.fit` alone, since
            recipes describe their models.
        max_boxes: largest number of boxes of a head for an image; None leaves it to the model (``max_detections``).

    Raises:
        PolyheadError: when ``max_boxes`` is not positive, the run does not exist, has no weights yet, or the file is
            not a Polyhead weights file.

    Examples:
        >>> predictor = polyhead.load("runs/small")
        >>> len(predictor([torch.zeros(3, 48, 64, dtype=torch.uint8)] * 2, tasks=["signs"]))
        2
    """
    if is_official(run):
        return load_official(str(run), max_boxes)
    path = run.best if isinstance(run, Run) else Path(run)
    if not path.is_file():
        path = Run.open(path if isinstance(run, str | Path) else run.folder).best
    return predictor_of(path, checkpoint.load(path), _precision(path), model, max_boxes)


@standard_defaults()
def predictor_of(
    path: Path,
    weights: Checkpoint,
    precision: str,
    model: Model | None = None,
    max_boxes: int | None = None,
    remedy: str = checkpoint.REMEDY,
) -> Predictor:
    """Build the model that a file describes, with its weights.

    Args:
        path: the file, for error messages.
        weights: its content.
        precision: precision of predictions.
        model: see :func:`load`, as is ``max_boxes``.
        max_boxes: largest number of boxes of a head.
        remedy: what to do where the tensors do not fit the model, for the error message.

    Raises:
        PolyheadError: if the content does not fit together.
    """
    if not weights.tasks or not (weights.model or model):
        raise PolyheadError(
            f"{path} does not describe its model. Give weights/best.pt of a run of 'polyhead train', or load it with "
            "the model that was trained: polyhead.load(run, model)."
        )
    names = {task: list(entry["names"]) for task, entry in weights.tasks.items()}
    modalities = {task: _restored(path, task, entry) for task, entry in weights.tasks.items()}
    infos = {task: info_of(entry) for task, entry in weights.tasks.items()}
    specs = {task: modality.spec() for task, modality in modalities.items()}
    if model is None:
        with checkpoint.built_for(weights.state, path):
            built = build_model(weights.model).build(infos, specs)
    else:
        built, remedy = model.build(infos, specs), "Give the model that was trained, built by the same code."
        allow(built.head(task).kind.partition(".")[0] for task in names)  # what is given in Python is trusted
    for task, spec in specs.items():
        if spec.size != built.size and None not in (spec.size, built.size):
            raise checkpoint.damaged(path, f"the size of the images of {task} is not that of the model")
    checkpoint.fill(built, weights.state, path, remedy)
    points = {task: _point(path, task, names[task], point) for task, point in stored_points(weights.tasks).items()}
    predictor = Predictor(built, names, modalities, precision, points)
    predictor.limit(max_boxes)
    return predictor


def _restored(path: Path, task: str, entry: Mapping[str, Any]) -> Modality:
    """Return the modality of a task of a weights file."""
    if "modality" not in entry:
        raise checkpoint.damaged(path, f"tasks.{task}: modality is missing")
    try:
        modality = modality_of(entry["modality"]["name"])
    except PolyheadError as error:
        raise PolyheadError(f"{path}: tasks.{task}: {error}") from error
    try:
        modality.restore(entry["modality"]["state"])
    except (PolyheadError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        what = f"tasks.{task}.modality.state, {type(error).__name__}: {error}"
        raise checkpoint.damaged(path, what) from error
    return modality


def _point(path: Path, task: str, names: list[str], point: Point) -> Point:
    """Return the operating point of a task of a weights file, after a check of its numbers."""
    scores = [*point.thresholds, *([] if point.threshold is None else [point.threshold])]
    lengths = {len(point.thresholds), len(point.own)}
    if (
        not all(0 <= score <= 1 for score in scores)
        or lengths not in ({0}, {len(names)})
        or (point.threshold is None) != (lengths == {0})
        or not 0 < point.temperature < math.inf
    ):
        raise checkpoint.damaged(path, f"tasks.{task}.{checkpoint.OPERATING} is not an operating point of its classes")
    return point


def _precision(weights: Path) -> str:
    """Return the precision of the run that a weights file is in; the default for a file elsewhere."""
    run = Run(weights.parent.parent)
    return run.precision if weights.parent == run.weights else "auto"
