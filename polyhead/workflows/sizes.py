"""Check that a model can be trained at several image sizes."""

from collections.abc import Sequence

import torch

from polyhead.data.loading.source import TaskData
from polyhead.data.loading.streams import Collate
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.rng import fork_rng
from polyhead.types import Pyramid

REFUSALS = (AssertionError, IndexError, RuntimeError, TypeError, ValueError)
"""What networks raise on images of a size that they do not take."""
CELLS = 2
"""Rows and columns of the coarsest level of the backbone at the smallest size; images of one cell teach nothing."""


def check_sizes(model: Model, tasks: Sequence[TaskData], sizes: Sequence[int], where: str) -> None:
    """Check that a stage's sizes have an effect, and that the model takes images of each, with one sample of each task.

    Tasks whose inputs have no size, such as texts, are trained as without sizes.

    Args:
        model: the model, with its heads built.
        tasks: the tasks that the stage trains.
        sizes: the sides of its images.
        where: the stage, for messages.

    Raises:
        PolyheadError: for the first size that is not possible, or has too few cells.
    """
    shown = [task for task in tasks if task.inputs_spec.size is not None]
    if not shown:
        names = ", ".join(repr(task.name) for task in tasks)
        raise PolyheadError(f"{where}.sizes: the inputs of {names} have no size that could change. Remove the setting.")
    height, width = shown[0].inputs_spec.size or (0, 0)
    if height != width:
        raise PolyheadError(
            f"{where}.sizes: the sizes are sides of square images, but the model is made for images of {height} x "
            f"{width} pixels. Give the model a square size, or remove the setting."
        )
    assert model.neck_input is not None  # the heads are built
    stride = max(model.neck_input.strides)  # of the backbone; levels that a neck adds may have a single cell
    least = min(CELLS * stride, height)
    if min(sizes) < least:
        raise PolyheadError(
            f"{where}.sizes: expected sides of {least} pixels or more, {CELLS} cells of the coarsest level of the "
            f"backbone (stride {stride}), got {min(sizes)}. Use larger sizes."
        )
    model.eval()
    for side in sorted(set(sizes)):
        for task in shown:
            _check_size(model, task, side, f"{where}.sizes")
    model.train()


def _check_size(model: Model, task: TaskData, side: int, where: str) -> None:
    """Check that the model takes a training sample of a task in one size."""
    with fork_rng(task.seed):
        batch = Collate(task.kind, task.modality)([task.modality.train.at(side)(task.sample("train", 0))])
    try:
        with torch.no_grad():
            pyramid: Pyramid = model.trunk(batch.inputs, task.name)
            model.head(task.name)(pyramid)
    except REFUSALS as error:
        raise PolyheadError(
            f"{where}: the model does not take images of {side} x {side} pixels ({' '.join(str(error).split()):.200}). "
            "Use other sizes, such as multiples of 32, or a backbone that takes images of any size."
        ) from error
    if pyramid.canvas != (side, side):
        raise PolyheadError(
            f"{where}: {type(task.modality.train).__name__}, the training transform of task {task.name!r}, has no "
            f"method 'at' that changes the size (expected images of {side} x {side} pixels, got {pyramid.canvas}). "
            "Write it, or remove the setting."
        )
