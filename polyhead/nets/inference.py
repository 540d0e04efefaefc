"""Inference on a batch, up to predictions in the space of the original samples; val, test and predict all use it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from polyhead.contracts.kind import Kind
from polyhead.nets.checked import decoded
from polyhead.nets.inputs import device_of, to_device
from polyhead.nets.model import Model
from polyhead.nets.precision import autocast
from polyhead.types import Batch


def predictions_by_id(kind: Kind, predictions: Sequence[Any], batch: Batch) -> dict[str, Any]:
    """Map the decoded predictions of a batch to the original samples, on the CPU, by sample id."""
    return {meta.id: kind.restore(found, meta) for found, meta in zip(predictions, batch.meta, strict=True)}


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Return a batch with its inputs on a device; images have channels last in memory."""
    return batch._replace(inputs=to_device(batch.inputs, device))


@torch.inference_mode()
def predict_batch(
    model: Model, batch: Batch, kinds: Mapping[str, Kind], precision: str = "32-true"
) -> dict[str, dict[str, Any]]:
    """Predict with some heads on one batch; the trunk runs once.

    Args:
        model: the model.
        batch: inputs that all of these heads take.
        kinds: the kind of each head to use, by task.
        precision: see :func:`polyhead.nets.precision.resolve`.

    Returns:
        ``{task: {sample id: prediction}}``.
    """
    names = list(kinds)
    with autocast(precision, device_of(batch.inputs)):
        pyramid = model.trunk(batch.inputs, names[0])
        raws = {task: model.head(task)(pyramid) for task in names}
    found = {task: decoded(model.head(task), raw, kinds[task], batch) for task, raw in raws.items()}
    return {task: predictions_by_id(kinds[task], each, batch) for task, each in found.items()}
