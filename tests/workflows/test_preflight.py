"""Warnings before a training starts: stages that would forget earlier tasks."""

from pathlib import Path
from typing import Any

import pytest
import torch
from builders.error_kind import MeanError
from torch import nn
from torch.utils.data import TensorDataset

from benchmarks.faulty_data import FAULTS, clean, write
from polyhead.config import recipe
from polyhead.config.recipe import Parts
from polyhead.config.settings import Settings
from polyhead.contracts.network import Head
from polyhead.engine.continual import Distill, Replay
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.nets.heads.classify import Classify
from polyhead.nets.model import Model
from polyhead.types import Pyramid, PyramidSpec, TaskInfo
from polyhead.workflows.own_task import Task
from polyhead.workflows.preflight import _check_annotated, build, prepare
from polyhead.workflows.tasks import open_task
from polyhead.workflows.train import describe_run

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


def test_the_data_is_checked_and_the_findings_are_stored(tmp_path: Path) -> None:
    data = clean()
    FAULTS["same folder as val"].plant(data, 2)
    FAULTS["exact copy"].plant(data, 2)
    write(data, "yolo", tmp_path)
    model = {"class_path": "unified", "init_args": {"heads": {"a": "detect"}, **NETWORK}}
    source = {"reader": {"reader": "yolo", "root": str(tmp_path)}, "license": "MIT", "workers": 0}
    config = {"model": model, "data": {"a": source}, "stages": [{"epochs": 1}]}
    parts, tasks, remarks = prepare(build(recipe.resolve(config, [], "run")))
    lines = [line.split(": ")[1] for line in remarks if line.startswith("a: ") and "FOLDER" not in line]
    assert "same-folder" in lines
    assert len(lines) == len(set(lines)), "a line for each check"
    warnings = describe_run(parts, tasks)["data"]["a"]["warnings"]
    assert "the same 28 images are named for train and val" in warnings["same-folder"]
    assert {"copies", "split-copies"} & warnings.keys()


@pytest.mark.parametrize(
    ("stage", "batch", "known", "line"),
    [
        (
            {"lr": 0.0006},
            8,
            True,
            (
                "stages.0: Warning: a learning rate of 0.0006 undoes what the weights of 'a' know of left. Use 0.0001 "
                "for batches of 8, or leave lr out."
            ),
        ),
        ({"lr": 0.0005}, 8, True, ""),
        ({"lr": 0.0004}, 4, True, "stages.0: Warning: a learning rate of 0.0004 undoes"),
        ({"lr": 0.0006}, 8, False, ""),
        ({"lr": 0.0006, "lr_mult": {"backbone": 0.1, "neck": 0.1, "heads.a": 0.5}}, 8, True, ""),
        (
            {"lr": 0.0006, "lr_mult": {"backbone": 0.1, "neck": 0.0}},
            8,
            True,
            "stages.0: Warning: a learning rate of 0.0006",
        ),
        ({}, 1, True, ""),
    ],
)
def test_a_rate_that_undoes_what_the_weights_know_is_reported(
    stage: dict[str, Any], batch: int, known: bool, line: str
) -> None:
    data = TensorDataset(torch.randn(20, 2), torch.arange(20) % 2)
    sources = {"a": Task(data, ["left", "right"], batch=batch).source("a")}
    head = Pretrained if known else Classify
    ready = prepare(Parts(Model(nn.Linear(2, 4), [], head), sources, [Stage(**stage)], Settings()))
    warnings = [remark for remark in ready.remarks if remark.startswith("stages.")]
    assert len(warnings) == bool(line)
    assert all(warning.startswith(line) for warning in warnings)


class Pretrained(Classify):
    """A head whose weights know one of its classes."""

    known = ("left",)


class Bare(Classify):
    """Returns raw predictions that the default distillation cannot compare."""

    def forward(self, pyramid: Pyramid) -> Any:
        return super().forward(pyramid).logits

    distill = Head.distill


def test_a_head_that_cannot_be_distilled_is_refused_before_the_training() -> None:
    data = TensorDataset(torch.randn(20, 2), torch.arange(20) % 2)
    sources = {name: Task(data, ["left", "right"]).source(name) for name in "ab"}
    stages = [Stage(tasks=["a"]), Stage(tasks=["b"], continual=[Distill()], freeze_bn_stats=True)]
    with pytest.raises(PolyheadError, match=r"stages\.1\.continual: task 'a' cannot be distilled: Bare: expected raw"):
        prepare(Parts(Model(nn.Linear(2, 4), [], Bare), sources, stages, Settings()))
    prepare(Parts(Model(nn.Linear(2, 4), [], Classify), sources, stages, Settings()))


class Kindless(Classify):
    """A head that does not say what it predicts."""

    kind = property()  # as if it were missing


class Misnamed(Classify):
    """A head with class names of its own."""

    def __init__(self, pyramid: PyramidSpec, task: TaskInfo) -> None:
        super().__init__(pyramid, task._replace(names=["right", "left"]))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (Kindless, "head of task 'a': class Kindless has no attribute kind"),
        (Misnamed, "head of task 'a': it predicts right, left, but the data has left, right"),
    ],
)
def test_a_head_says_what_it_predicts(head: type[Head], message: str) -> None:
    data = TensorDataset(torch.randn(20, 2), torch.arange(20) % 2)
    sources = {"a": Task(data, ["left", "right"]).source("a")}
    with pytest.raises(PolyheadError, match=message):
        prepare(Parts(Model(nn.Linear(2, 4), [], head), sources, [Stage()], Settings()))


def test_a_kind_without_classes_has_none_that_cannot_be_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Task(TensorDataset(torch.randn(20, 2), torch.rand(20)), ["age"], kind=MeanError()).source("age")
    monkeypatch.setattr(MeanError, "shown", lambda _, targets: [set() for _ in targets.ids])
    assert not _check_annotated("data.age", open_task("age", source, 0))
    monkeypatch.setattr(MeanError, "shown", lambda _, targets: [{("value", 1)} for _ in targets.ids])
    assert _check_annotated("data.age", open_task("age", source, 0)) == [
        "data.age: no training image shows age, so this cannot be learned"
    ]
