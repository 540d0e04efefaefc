"""Weights that came from elsewhere: missing statistics are restored, and wrong ones are reported."""

from pathlib import Path

import pytest
import torch
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks
from torch import nn

from polyhead.engine.fit import build_heads, fit
from polyhead.engine.foreign import norm_warning, restore_norms
from polyhead.engine.progress import Log, Progress
from polyhead.engine.stage import Stage
from polyhead.nets.calibrate import folded_norms
from polyhead.nets.model import Model
from polyhead.run import Run


def model_with(variance: float, mean: float = 0.0) -> Model:
    """Return the toy model, whose batch norms have these statistics."""
    model = toy_model()
    build_heads(model, toy_tasks(0), 0)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.fill_(mean)
            norm.running_var.fill_(variance)
    return model


def test_missing_statistics_are_restored_before_the_first_step(tmp_path: Path) -> None:
    model = model_with(1 - 1e-5)
    assert len(folded_norms(model)) == 2
    lines: list[str] = []
    run = Run.create(tmp_path, "run")
    progress = Progress(Log(run, lines.append), 1)
    fit(model, toy_tasks(0), [Stage(epochs=1)], run, describe={}, progress=progress)
    assert [line for line in lines if "2 batch norms of the weights file had no statistics" in line]
    assert not [line for line in lines if "Warning" in line]


def test_what_the_model_computes_stays_the_same() -> None:
    model, tasks = model_with(1 - 1e-5), toy_tasks(0)
    batch = next(iter(tasks["tints"].evaluation("val")))
    with torch.no_grad():
        before = model.eval()(batch.inputs)["tints"]
        state = torch.random.get_rng_state()
        assert restore_norms(model, tasks, 0) is not None
        assert torch.equal(state, torch.random.get_rng_state())
        torch.testing.assert_close(model.eval()(batch.inputs)["tints"], before, atol=1e-4, rtol=1e-4)
    assert restore_norms(model, tasks, 0) is None


@pytest.mark.parametrize(("variance", "warns"), [(1e-6, True), (1.0, False), (None, False)])
def test_statistics_of_other_images_are_reported(variance: float | None, warns: bool) -> None:
    tasks = toy_tasks(0)
    model = model_with(1 - 1e-5 if variance is None else variance)
    if variance is None:
        restore_norms(model, tasks, 0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    line = norm_warning(model.train(), tasks, 0)
    assert (line is not None) == warns
    assert line is None or line.startswith("Warning: in training mode, the batch norms change the loss")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_fixed_statistics_are_not_reported() -> None:
    model = model_with(1e-6).train()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eval()
    assert norm_warning(model, toy_tasks(0), 0) is None
