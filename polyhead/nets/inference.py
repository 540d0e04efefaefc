"""Inference on a batch, up to predictions in the space of the original samples; val, test and predict all use it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

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
    """Return a batch with inputs and target on a device; images have channels last in memory."""
    target = batch.target
    if target is not None:
        moved = {name: each.to(device) for name, each in target._asdict().items() if isinstance(each, Tensor)}
        target = target._replace(**moved)
    return batch._replace(inputs=to_device(batch.inputs, device), target=target)


@torch.inference_mode()
def raw_predictions(model: Model, batch: Batch, names: Sequence[str], precision: str = "32-true") -> dict[str, Any]:
    """Return the raw predictions of some heads on one batch, by task; the trunk runs once."""
    with autocast(precision, device_of(batch.inputs)):
        pyramid = model.trunk(batch.inputs, names[0])
        return {task: model.head(task)(pyramid) for task in names}


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
    raws = raw_predictions(model, batch, list(kinds), precision)
    found = {task: decoded(model.head(task), raw, kinds[task], batch) for task, raw in raws.items()}
    return {task: predictions_by_id(kinds[task], each, batch) for task, each in found.items()}
