"""Image mixing stops before the end of the stage, at a step that is passed to the loaders."""

from pathlib import Path

import pytest
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks

from polyhead.data.loading.source import TaskData
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.run import Run


class LoaderArguments(Exception):
    """Ends a training where its loaders are built, with their arguments."""


@pytest.mark.parametrize(("fraction", "mix_until"), [(0.9, 25), (0.0, 0), (1.0, 28)])
def test_the_step_without_mixing_is_a_fraction_of_the_stage(
    fraction: float, mix_until: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(_: TaskData, steps: int, position: object, stage: int, mix_until: int, side: object) -> None:
        del position, side
        raise LoaderArguments(steps, stage, mix_until)

    monkeypatch.setattr(TaskData, "train", train)
    stage = Stage(tasks=["squares"], epochs=4, mix_fraction=fraction)
    with pytest.raises(LoaderArguments) as caught:
        fit(toy_model(), toy_tasks(0), [stage], Run.create(tmp_path, "run"), describe={})
    assert caught.value.args == (7, 0, mix_until)


def test_the_fraction_is_between_0_and_1() -> None:
    for wrong in (-0.1, 1.1):
        with pytest.raises(PolyheadError, match=f"^mix_fraction must be between 0 and 1, got {wrong}"):
            Stage(mix_fraction=wrong)
