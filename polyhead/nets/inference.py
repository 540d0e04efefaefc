"""Inference on a batch, up to predictions in pixels of the original images; val, test and predict all use it."""

from collections.abc import Iterable

import torch

from polyhead.boxes.postprocess import to_original
from polyhead.nets.model import Model
from polyhead.nets.precision import autocast
from polyhead.types import Batch, Prediction


def predictions_by_id(predictions: Iterable[Prediction], batch: Batch) -> dict[str, Prediction]:
    """Map the decoded predictions of a batch to the original images.

    Returns:
        ``{sample id: prediction}``, on the CPU and in pixels of the original images.
    """
    sizes = [(int(height), int(width)) for height, width in batch.sizes.tolist()]
    frames = batch.frames.cpu()  # [b, 3, 2]
    parts = zip(batch.ids, predictions, frames, sizes, strict=True)
    return {image_id: to_original(_cpu(prediction), frame, size) for image_id, prediction, frame, size in parts}


@torch.inference_mode()
def predict_batch(
    model: Model, batch: Batch, tasks: Iterable[str], precision: str = "32-true"
) -> dict[str, dict[str, Prediction]]:
    """Predict with the given heads on one batch; the trunk runs once.

    Returns:
        ``{task: {sample id: prediction}}``.
    """
    with autocast(precision, batch.inputs.device):
        pyramid = model.trunk(batch.inputs)
        raws = {task: model.head(task)(pyramid) for task in tasks}
    return {task: predictions_by_id(model.head(task).decode(raw), batch) for task, raw in raws.items()}


def _cpu(prediction: Prediction) -> Prediction:
    return type(prediction)(*(value.cpu() for value in prediction))
