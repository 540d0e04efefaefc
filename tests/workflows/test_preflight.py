"""What is told before a training begins: of the data, and of stages that would cost older tasks what they know."""

from typing import Any

import pytest

from polyhead.config import recipe
from polyhead.workflows.preflight import prepare

SCENES = {"reader": "scenes", "count": 8, "size": 64, "val": {"count": 4, "seed": 1}, "test": {"count": 4, "seed": 2}}
NETWORK = {"backbone": "test_resnet", "size": 64, "middle": 8, "width": 8, "depth": 1}
DISTILL = [{"class_path": "Distill"}]
KEPT = "stages.1: nothing keeps a while backbone and neck learn other tasks: most of it is forgotten then; 'keep'"
NORMS = "stages.1: Distill without fixed_norms: a student whose batch norm follows the batch never agrees with its"


@pytest.mark.parametrize(
    ("second", "line"),
    [
        ({}, KEPT),
        ({"rates": {"neck": 0}}, KEPT.replace("backbone and neck", "backbone")),
        ({"rates": {"backbone": 0, "neck": 0}}, ""),
        ({"rates": {"backbone": 0, "neck": 0, "neck.1": 1}}, KEPT.replace("backbone and neck", "neck")),
        ({"tasks": ["a", "b"]}, ""),
        ({"keep": DISTILL}, NORMS),
        ({"keep": DISTILL, "fixed_norms": True}, ""),
    ],
)
def test_what_an_older_task_will_lose_is_told_before(second: dict[str, Any], line: str) -> None:
    model = {"class_path": "unified", "init_args": {"heads": {"a": "detect", "b": "detect"}, **NETWORK}}
    stages = [{"tasks": ["a"], "epochs": 1}, {"tasks": ["b"], "epochs": 1, **second}]
    ready = prepare(recipe.resolve({"model": model, "data": {"a": SCENES, "b": SCENES}, "stages": stages}, [], "run"))
    told = [remark for remark in ready.remarks if remark.startswith("stages.")]
    assert len(told) == bool(line)
    assert all(remark.startswith(line) for remark in told)
