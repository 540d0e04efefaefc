"""Joint training of two heads on a real backbone: passes per step, freezing and unfreezing."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polyhead import checkpoint
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.synthetic.scenes import Scenes
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.models import efficientdet
from polyhead.nets.model import Model
from polyhead.rng import fork_rng
from polyhead.run import Run
from polyhead.workflows.tasks import open_tasks

SIDE, SCENES, BATCH = 64, 8, 4


def network() -> Model:
    with fork_rng(0, "weights"):
        return efficientdet("test_resnet", size=SIDE, width=16, repeats=1, depth=1).build({})


def tasks() -> dict[str, TaskData]:
    sources: dict[str, Source] = {}
    for domain in ("fruit", "signs"):
        train, val, test = (Scenes(SCENES, domain, seed, SIDE) for seed in range(3))
        sources[domain] = Source(train, val, test, batch=BATCH, workers=0)
    return open_tasks(sources, (SIDE, SIDE), 0)


def test_a_joint_step_goes_through_the_trunk_once_forward_and_once_backward(tmp_path: Path) -> None:
    model, passes = network(), Counter[str]()
    layer = [module for module in model.backbone.modules() if isinstance(module, nn.Conv2d)][-1]

    def forward(module: nn.Module, *_: Any) -> None:
        passes["forward"] += module.training

    def backward(*_: Any) -> None:
        passes["backward"] += 1

    layer.register_forward_hook(forward)
    layer.register_full_backward_hook(backward)
    fit(model, tasks(), [Stage()], Run.create(tmp_path, "run"), describe={})
    assert passes == {"forward": SCENES // BATCH, "backward": SCENES // BATCH}


def backbone(path: Path) -> dict[str, Tensor]:
    """Return the parameters and buffers of the backbone in a weights file."""
    state = checkpoint.load(path).state
    return {name: value for name, value in state.items() if name.startswith("backbone.")}


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_frozen_backbone_stays_bit_for_bit_and_is_trained_once_unfrozen(optimizer: str, tmp_path: Path) -> None:
    """Batch norm statistics stay too; weight decay and momentum do not change the backbone either."""
    model, run = network(), Run.create(tmp_path, "run")
    before = {f"backbone.{name}": value.clone() for name, value in model.backbone.state_dict().items()}
    kind: Any = optimizer
    stages = [
        Stage(optimizer=kind, lr=0.01, lr_mult={"backbone": 0.0}),
        Stage(optimizer=kind, lr=0.01, lr_mult={"backbone": 0.1}, checkpoint="last"),
    ]
    fit(model, tasks(), stages, run, describe={})
    frozen, unfrozen = backbone(run.stage_weights(0)), backbone(run.stage_weights(1))
    assert frozen.keys() == before.keys()
    assert all(torch.equal(frozen[name], value) for name, value in before.items())
    changed = {name.rsplit(".", 1)[1] for name, value in before.items() if not torch.equal(unfrozen[name], value)}
    assert {"weight", "running_mean", "running_var"} <= changed
