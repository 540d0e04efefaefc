"""Steps of several image sizes: one size for all tasks of a step and for what is replayed in it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from builders.toy_parts import ToyBackbone, toy_model
from builders.training_process import toy_tasks

from polyhead.contracts.sizes import side_at
from polyhead.engine.continual import Replay
from polyhead.engine.fit import fit
from polyhead.engine.learner import Learner
from polyhead.engine.stage import Stage, largest_side
from polyhead.run import Run
from polyhead.types import Batch

SIDES = [24, 32, 48]


def test_all_batches_of_a_step_have_its_size_and_the_trunk_runs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a joint stage, and in a later one that replays images of an earlier task."""
    steps: list[tuple[int, set[int], int]] = []
    real = Learner.training_step

    def record(learner: Learner, batches: dict[str, Batch], batch_idx: int) -> torch.Tensor:
        backbone = learner.model.backbone
        assert isinstance(backbone, ToyBackbone)
        before = backbone.passes
        loss = real(learner, batches, batch_idx)
        assert len(batches) == 2
        steps.append((learner.number, sides(batches), backbone.passes - before))
        return loss

    monkeypatch.setattr(Learner, "training_step", record)
    stages = [Stage(sizes=SIDES), Stage(tasks=["tints"], sizes=SIDES, continual=[Replay(4, batch=2)])]
    fit(toy_model(), toy_tasks(0), stages, Run.create(tmp_path, "run"), describe={}, seed=5)
    for number in range(2):
        side = side_at(SIDES, 5, number)
        assert side is not None
        shown = [seen for stage, seen, _ in steps if stage == number]
        assert shown == [{side(step)} for step in range(len(shown))]
        assert len(shown) > 4
    assert {passes for _, _, passes in steps} == {1}


def sides(batches: Mapping[str, Batch]) -> set[int]:
    """Return the heights and widths of the images."""
    found = set()
    for batch in batches.values():
        assert isinstance(batch.inputs, torch.Tensor)
        found |= set(batch.inputs.shape[-2:])
    return found


def test_the_largest_side_is_that_of_all_stages() -> None:
    assert largest_side([Stage(), Stage(sizes=[64, 96]), Stage(sizes=[32])]) == 96
    assert largest_side([Stage()]) is None
