"""Weights files as the authors of YOLOX publish them, with random values."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.models import yolox
from polyhead.models.yolox_weights import PREFIXES
from polyhead.nets.heads.dense import Dense
from polyhead.nets.model import Model
from polyhead.types import TaskInfo


def official_state(model: Model, task: str) -> dict[str, Tensor]:
    """Return the tensors of a model under the names of the official files."""
    head = model.head(task)
    assert isinstance(head, Dense)
    parts = {"backbone": model.get_submodule("backbone"), "neck.0": model.get_submodule("neck.0"), "head": head.tower}
    return {f"{PREFIXES[name]}{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}


def random_model(names: list[str] | None = None, scale: Any = "nano") -> Model:
    """Return an untrained network whose batch norms have statistics of their own."""
    torch.manual_seed(0)
    model = yolox(scale=scale).build({"coco": TaskInfo(COCO_NAMES if names is None else names)})
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            torch.nn.init.normal_(norm.running_mean)
            torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
    head = model.head("coco")
    assert isinstance(head, Dense)
    for name, value in head.tower.named_parameters():
        if name.endswith("preds.0.bias"):
            torch.nn.init.zeros_(value)  # so that something is found
    return model.eval()


def write_official(path: Path, model: Model | None = None) -> Path:
    """Write a network's weights (by default of :func:`random_model`) as safetensors or ``.pth``."""
    state = official_state(random_model() if model is None else model, "coco")
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"start_epoch": 300, "model": state}, path)
    return path
