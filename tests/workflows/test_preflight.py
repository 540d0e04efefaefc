"""Warnings before a training starts: stages that would forget earlier tasks."""

from typing import Any

import pytest

from polyhead.config import recipe
from polyhead.engine.continual import Replay
from polyhead.workflows.preflight import build, prepare

SCENES = {"reader": "scenes", "count": 8, "size": 64, "val": {"count": 4, "seed": 1}, "test": {"count": 4, "seed": 2}}
NETWORK = {"backbone": "test_resnet", "size": 64, "middle": 8, "width": 8, "depth": 1}
DISTILL = [{"class_path": "Distill"}]
FORGOTTEN = (
    "stages.1: Warning: 'a' will be forgotten: backbone and neck are trained without a continual loss. "
    "Add one under 'continual:'."
)
NORMS = "stages.1: Warning: Distill without freeze_bn_stats can do harm: a student whose batch norm follows the batch"


@pytest.mark.parametrize(
    ("second", "line"),
    [
        ({}, FORGOTTEN),
        ({"lr_mult": {"neck": 0}}, FORGOTTEN.replace("backbone and neck are", "backbone is")),
        ({"lr_mult": {"backbone": 0, "neck": 0}}, ""),
        ({"lr_mult": {"backbone": 0, "neck": 0, "neck.1": 1}}, FORGOTTEN.replace("backbone and neck are", "neck is")),
        ({"tasks": ["a", "b"]}, ""),
        ({"continual": DISTILL}, NORMS),
        ({"continual": DISTILL, "freeze_bn_stats": True}, ""),
    ],
)
def test_forgetting_is_predicted_before_the_training(second: dict[str, Any], line: str) -> None:
    warnings = stage_warnings(second)
    assert len(warnings) == bool(line)
    assert all(remark.startswith(line) for remark in warnings)


def test_any_continual_loss_can_need_fixed_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    second = {"continual": [{"class_path": "Replay"}]}
    assert stage_warnings(second) == []
    monkeypatch.setattr(Replay, "needs_fixed_statistics", True)
    assert [line.startswith(NORMS.replace("Distill", "Replay")) for line in stage_warnings(second)] == [True]


def stage_warnings(second: dict[str, Any]) -> list[str]:
    """Return the warnings about the stages of a recipe that trains ``a``, then ``b`` with these settings."""
    model = {"class_path": "unified", "init_args": {"heads": {"a": "detect", "b": "detect"}, **NETWORK}}
    stages = [{"tasks": ["a"], "epochs": 1}, {"tasks": ["b"], "epochs": 1, **second}]
    config = recipe.resolve({"model": model, "data": {"a": SCENES, "b": SCENES}, "stages": stages}, [], "run")
    ready = prepare(build(config))
    return [remark for remark in ready.remarks if remark.startswith("stages.")]
