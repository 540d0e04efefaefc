"""Training in float16 scales the loss; the scale is part of the state that a run resumes from."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.training_process import train
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.precision import MixedPrecision

from polyhead import run as runs
from polyhead.engine import train_stage
from polyhead.engine.resume import load_state
from polyhead.run import Run, replace


class Stop(Exception):
    """Interrupts a training."""


def trainer(*, precision: str, plugins: list[Any], **settings: Any) -> Trainer:
    """Return a trainer in float16 on the CPU, which Lightning would replace by bfloat16."""
    del precision, plugins
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=2)
    return Trainer(plugins=[LightningEnvironment(), MixedPrecision("16-mixed", "cpu", scaler)], **settings)


def scaler_state(folder: Path) -> dict[str, Any]:
    state = load_state(Run(folder))
    assert state is not None
    found: dict[str, Any] = state[MixedPrecision.__qualname__]
    return found


@pytest.mark.slow
def test_the_state_of_the_loss_scaler_is_saved_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scale doubles every two steps."""
    monkeypatch.setattr(train_stage, "Trainer", trainer)
    expected = train(tmp_path / "uninterrupted", "onecycle", 0)
    real, writes = replace, 0

    def stop_after(at: int, partial_file: Path, path: Path) -> None:
        nonlocal writes
        real(partial_file, path)
        writes += path.name == "resume.ckpt"
        if path.name == "resume.ckpt" and writes == at:
            raise Stop

    folder = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(runs, "replace", partial(stop_after, 5))
        with pytest.raises(Stop):
            train(folder, "onecycle", 0)
    assert (scaler_state(folder)["scale"], scaler_state(folder)["_growth_tracker"]) == (2.0**10, 1)  # after five steps
    assert train(folder, "onecycle", 0) == expected
    assert scaler_state(folder) == scaler_state(tmp_path / "uninterrupted")
