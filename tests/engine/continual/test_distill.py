"""Distillation where inputs are not images: padding, and tasks that read something else."""

from typing import Any

import pytest
import torch
from builders.toy_inputs import SPECS, texts, texts_and_rows
from torch import nn
from torch.nn import functional as F

from polyhead.engine.continual import Distill
from polyhead.types import Batch, Meta, TaskInfo


def distilled(features: float, other: bool, padding: int, filling: int) -> dict[str, float]:
    """Return the distillation losses on texts, and on rows that go through another backbone, after a change."""
    torch.manual_seed(0)
    model = texts_and_rows().build(dict.fromkeys(SPECS, TaskInfo(["a", "b"])), SPECS).eval()
    loss = Distill(features=features)
    loss.start(model, {})
    loss.heads = ["news"]
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.add_(0.1)
        if filling:  # the features of padding change more than those of words
            embedding = model.get_submodule("backbone.text.embed")
            assert isinstance(embedding, nn.Embedding)
            embedding.weight[0] += filling
    ids = F.pad(texts(3, 6)["ids"], (0, padding))
    inputs: dict[str, Any] = {"reviews": {"ids": ids}, **({"houses": torch.randn(3, 3)} if other else {})}
    batches = {name: Batch(value, None, [Meta(each) for each in "abc"]) for name, value in inputs.items()}
    pyramids = model.features(inputs)
    raws = {name: model.head(name)(pyramid) for name, pyramid in pyramids.items()}
    losses = loss.losses(model, batches, pyramids, raws, 0)
    return {name: float(value.detach()) for name, value in losses.items()}


def test_padding_takes_no_part_in_distillation() -> None:
    plain = distilled(0.5, other=False, padding=0, filling=0)
    assert min(plain.values()) > 0
    assert distilled(0.5, other=False, padding=9, filling=7) == pytest.approx(plain, rel=1e-5, abs=1e-7)


def test_earlier_heads_are_distilled_on_inputs_that_they_can_read() -> None:
    """Rows have no features for the head of a text task, and half of the samples are rows."""
    alone = distilled(0.5, other=False, padding=0, filling=0)
    both = distilled(0.5, other=True, padding=0, filling=0)
    assert both == pytest.approx({name: value / 2 for name, value in alone.items()}, rel=1e-5)
