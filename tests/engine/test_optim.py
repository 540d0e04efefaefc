"""Learning rate factors, freezing, parameter groups and the checks of a stage."""

import pytest
import torch
from builders.toy_parts import toy_model
from torch import nn

from polyhead.engine.continual import Distill, Replay
from polyhead.engine.optim import (
    accumulation_factor,
    base_lr,
    check_parts,
    freeze,
    lr_mult_of,
    optimizer_of,
    stage_lr_mult,
)
from polyhead.engine.stage import Stage, check_all_trained, check_tasks
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.types import TaskInfo


@pytest.fixture
def model() -> Model:
    return toy_model().build({"squares": TaskInfo(["bright", "dark"]), "tints": TaskInfo(["red", "green", "blue"])})


def test_the_longest_matching_name_applies() -> None:
    lr_mult = {"backbone": 0.1, "backbone.body.3": 0.0}
    assert lr_mult_of("backbone.body.0.weight", lr_mult) == 0.1
    assert lr_mult_of("backbone.body.3.weight", lr_mult) == 0.0
    assert lr_mult_of("backbone.body.30.weight", lr_mult) == 0.1
    assert lr_mult_of("heads.tints.decide.bias", lr_mult) == 1.0


def test_an_unknown_part_is_refused_with_the_nearest(model: Model) -> None:
    with pytest.raises(PolyheadError, match=r"lr_mult: the model has no part 'bakbone'; did you mean 'backbone'\?"):
        check_parts(model, ["bakbone"], "lr_mult")


def test_heads_outside_the_stage_are_frozen(model: Model) -> None:
    lr_mult = stage_lr_mult(model, Stage(lr_mult={"heads": 0.5}), ["tints"])
    assert lr_mult_of("heads.squares.tower.weight", lr_mult) == 0.0
    assert lr_mult_of("heads.tints.decide.weight", lr_mult) == 0.5


def test_frozen_batch_norm_is_in_eval_and_comes_back(model: Model) -> None:
    freeze(model, {"backbone": 0.0})
    assert not any(module.training for module in model.backbone.modules())
    assert model.heads["tints"].training
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())
    freeze(model, {})
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_batch_norm_is_fixed_in_all_parts_except_the_heads_in_training(model: Model) -> None:
    for head in model.heads.values():
        head.norm = nn.BatchNorm2d(1)
    freeze(model, {"backbone.body.1": 0.5}, ["tints"])
    unfixed = {name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d) and module.training}
    assert unfixed == {"heads.tints.norm"}
    assert all(parameter.requires_grad for parameter in model.parameters())
    freeze(model, {"backbone.body.1": 0.5})
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.BatchNorm3d, nn.SyncBatchNorm])
def test_every_kind_of_batch_norm_is_fixed(norm: type[nn.Module], model: Model) -> None:
    def unfixed() -> set[str]:
        return {name for name, part in model.named_modules() if isinstance(part, norm) and part.training}

    for part in (*model.heads.values(), model.backbone):
        part.norm = norm(1)
    freeze(model, {}, ["tints"])
    assert unfixed() == {"heads.tints.norm"}
    freeze(model, {"heads.tints": 0.0})
    assert unfixed() == {"heads.squares.norm", "backbone.norm"}


def test_heads_that_are_not_trained_have_no_dropout(model: Model) -> None:
    for part in (*model.heads.values(), model.backbone):
        part.drop = nn.Dropout(0.5)
    freeze(model, {}, ["tints"])
    dropping = {name for name, module in model.named_modules() if isinstance(module, nn.Dropout) and module.training}
    assert dropping == {"heads.tints.drop", "backbone.drop"}


def test_every_parameter_is_in_one_group_and_norms_and_biases_have_no_weight_decay(model: Model) -> None:
    optimizer = optimizer_of(model, Stage(weight_decay=0.1, lr=0.01), {"backbone": 0.1}, fused=True)
    seen = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in seen} == {id(parameter) for parameter in model.parameters()}
    assert len(seen) == len({id(parameter) for parameter in seen})
    for group in optimizer.param_groups:
        assert all((parameter.ndim > 1) == (group["weight_decay"] > 0) for parameter in group["params"])
    assert {group["lr"] for group in optimizer.param_groups} == {0.01, 0.001}


def test_all_frozen_is_refused(model: Model) -> None:
    with pytest.raises(PolyheadError, match="every part of the model is frozen"):
        optimizer_of(model, Stage(), dict.fromkeys(("backbone", "heads"), 0.0), fused=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs must be positive, got 0"),
        ({"tasks": []}, "tasks is empty. Name the tasks to train, or leave the key out to train all."),
        ({"lr": -1.0}, "lr must be positive"),
        ({"lr": float("nan")}, "lr must be positive, got nan"),
        ({"epoch_scale": float("inf")}, "epoch_scale must be positive, got inf"),
        ({"weights": {"food": -1.0}}, "weights.food must be 0 or more, got -1"),
        ({"weights": {"food": float("nan")}}, "weights.food must be 0 or more, got nan"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more, got -1"),
        ({"momentum": -0.5}, "momentum must be 0 or more, got -0.5"),
        ({"patience": -3}, "patience must be 0 or more, got -3"),
        ({"grad_clip_norm": 0.0}, "grad_clip_norm must be positive, or null for no clipping, got 0"),
        ({"lr_mult": {"backbone": -0.5}}, r"lr_mult.backbone must be 0 \(frozen\) or more"),
        ({"ema": 1.0}, "ema must be between 0 and 1"),
        ({"sizes": []}, "sizes is empty. List the sides of the images, or leave the key out."),
        ({"sizes": [320, 0]}, "sizes: expected sides of 1 to 8192 pixels, got 0"),
        ({"sizes": [8193]}, "sizes: expected sides of 1 to 8192 pixels, got 8193"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        Stage(**wrong)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        (Stage(tasks=["sqares"]), "stages.1.tasks"),
        (Stage(weights={"sqares": 4.0}), "stages.1.weights"),
        (Stage(continual=[Replay(), Distill(weights={"sqares": 4.0})]), "stages.1.continual.1.weights"),
    ],
)
def test_unknown_tasks_are_named_with_their_setting(wrong: Stage, setting: str) -> None:
    right = Stage(tasks=["tints"], weights={"tints": 2.0})
    check_tasks([right], ["squares", "tints"])
    with pytest.raises(PolyheadError, match=rf"{setting}: there is no task 'sqares'; did you mean 'squares'\?"):
        check_tasks([right, wrong], ["squares", "tints"])


def test_a_continual_weight_of_a_task_that_is_not_an_earlier_one_is_refused() -> None:
    first, second = Stage(tasks=["squares"]), Stage(tasks=["tints"], continual=[Distill(weights={"squares": 4.0})])
    check_tasks([first, second], ["squares", "tints"])
    with pytest.raises(
        PolyheadError, match=r"stages\.0\.continual\.0\.weights: 'squares' is not an earlier task.*: none$"
    ):
        check_tasks([second, first], ["squares", "tints"])
    wrong = Stage(tasks=["tints"], continual=[Distill(weights={"tints": 4.0})])
    with pytest.raises(
        PolyheadError, match=r"continual\.0\.weights: 'tints' is not an earlier task.* Earlier tasks: squares$"
    ):
        check_tasks([first, wrong], ["squares", "tints"])
    loaded = Stage(tasks=["tints"], continual=[Distill(weights={"squares": 4.0})], init={"heads.squares": "w.pt"})
    check_tasks([loaded], ["squares", "tints"])


def test_a_weight_without_a_loss_is_refused() -> None:
    wrong = Stage(tasks=["tints"], weights={"squares": 4.0})
    with pytest.raises(PolyheadError, match=r"stages.0.weights: 'squares' is not trained in this stage, so it has no"):
        check_tasks([wrong], ["squares", "tints"])
    both = Stage(weights={"squares": 4.0}, loss_weighting="uncertainty")
    with pytest.raises(
        PolyheadError, match=r"stages.0.weights: 'loss_weighting: uncertainty' learns the weight of each task"
    ):
        check_tasks([both], ["squares", "tints"])


def test_a_task_that_no_stage_trains_is_refused_unless_its_head_is_loaded() -> None:
    only = Stage(tasks=["tints"])
    with pytest.raises(PolyheadError, match=r"data.squares: no stage trains this task. .* \(data.squares=null\)"):
        check_all_trained([only], ["squares", "tints"])
    check_all_trained([only, Stage(tasks=["squares"])], ["squares", "tints"])
    check_all_trained([Stage()], ["squares", "tints"])
    for part in ("heads", "heads.squares"):
        check_all_trained([Stage(tasks=["tints"], init={part: "runs/earlier"})], ["squares", "tints"])


def test_sgd_and_adamw(model: Model) -> None:
    assert isinstance(optimizer_of(model, Stage(optimizer="sgd"), {}, fused=False), torch.optim.SGD)
    assert isinstance(optimizer_of(model, Stage(optimizer="adamw"), {}, fused=False), torch.optim.AdamW)


def test_the_learning_rate_is_low_where_a_trained_head_knows_its_classes(model: Model) -> None:
    assert base_lr(model, Stage()) == 1e-3
    model.head("tints").known = ["red"]
    assert base_lr(model, Stage()) == base_lr(model, Stage(tasks=["tints"])) == 1e-4
    assert base_lr(model, Stage(tasks=["squares"])) == 1e-3
    assert base_lr(model, Stage(lr=0.002)) == 0.002
    groups = optimizer_of(model, Stage(), {"backbone": 0.5}, fused=False).param_groups
    assert {group["base"] for group in groups} == {1e-4, 5e-5}


@pytest.mark.parametrize(("steps", "accumulate"), [(5, 3), (6, 3), (7, 1), (2, 4)])
def test_the_factors_of_the_batches_of_an_optimizer_step_make_a_mean(steps: int, accumulate: int) -> None:
    factors = [accumulation_factor(batch, steps, accumulate) for batch in range(steps)]
    for first in range(0, steps, accumulate):
        group = factors[first : first + accumulate]
        assert sum(group) / accumulate == pytest.approx(1)
        assert len(group) < accumulate or group == [1.0] * accumulate
