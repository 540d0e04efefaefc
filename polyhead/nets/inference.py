"""From a batch to predictions in the original pictures' pixels: the one path of val, test and predict."""

from collections.abc import Iterable

import torch

from polyhead.boxes.postprocess import restore
from polyhead.nets.model import Model
from polyhead.nets.precision import autocast
from polyhead.types import Batch, Prediction


def restored(predictions: Iterable[Prediction], batch: Batch) -> dict[str, Prediction]:
    """Predictions of one batch by sample id, on the CPU, in pixels of the original pictures."""
    sizes = [(int(height), int(width)) for height, width in batch.sizes.tolist()]
    frames = batch.frames.cpu()
    parts = zip(batch.ids, predictions, frames, sizes, strict=True)
    return {name: restore(_cpu(prediction), frame, size) for name, prediction, frame, size in parts}


@torch.inference_mode()
def predict_batch(
    model: Model, batch: Batch, tasks: Iterable[str], precision: str = "32-true"
) -> dict[str, dict[str, Prediction]]:
    """``{task: {sample id: prediction}}`` of the given heads on one batch; the trunk runs once."""
    with autocast(precision, batch.inputs.device):
        pyramid = model.trunk(batch.inputs)
        raws = {task: model.head(task)(pyramid) for task in tasks}
    return {task: restored(model.head(task).decode(raw), batch) for task, raw in raws.items()}


def _cpu(prediction: Prediction) -> Prediction:
    return type(prediction)(*(value.cpu() for value in prediction))
