"""Mixing ends before the stage does, and the moment reaches the loader."""

from pathlib import Path

import pytest
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks

from polyhead.data.loading.source import TaskData
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.run import Run


class Asked(Exception):
    """Ends a training where its loaders are asked for."""


@pytest.mark.parametrize(("share", "quiet"), [(0.9, 25), (0.0, 0), (1.0, 28)])
def test_the_quiet_step_is_a_share_of_the_stage(
    share: float, quiet: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(_: TaskData, steps: int, position: object, stage: int, quiet: int) -> None:
        del position
        raise Asked(steps, stage, quiet)

    monkeypatch.setattr(TaskData, "train", train)
    stage = Stage(tasks=["squares"], epochs=4, mixing=share)
    with pytest.raises(Asked) as asked:
        fit(toy_model(), toy_tasks(0), [stage], Run.create(tmp_path, "run"), describe={})
    assert asked.value.args == (7, 0, quiet)


def test_a_share_lies_between_0_and_1() -> None:
    for wrong in (-0.1, 1.1):
        with pytest.raises(PolyheadError, match=f"^mixing must lie between 0 and 1, got {wrong}"):
            Stage(mixing=wrong)
