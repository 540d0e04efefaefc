"""Warnings before a training starts: stages that would forget earlier tasks."""

from typing import Any

import pytest

from polyhead.config import recipe
from polyhead.workflows.preflight import prepare

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
    model = {"class_path": "unified", "init_args": {"heads": {"a": "detect", "b": "detect"}, **NETWORK}}
    stages = [{"tasks": ["a"], "epochs": 1}, {"tasks": ["b"], "epochs": 1, **second}]
    ready = prepare(recipe.resolve({"model": model, "data": {"a": SCENES, "b": SCENES}, "stages": stages}, [], "run"))
    warnings = [remark for remark in ready.remarks if remark.startswith("stages.")]
    assert len(warnings) == bool(line)
    assert all(remark.startswith(line) for remark in warnings)
