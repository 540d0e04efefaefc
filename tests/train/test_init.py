"""A stage may begin with parts of other runs."""

from pathlib import Path

import pytest
import torch
from killable import toy_tasks
from toys import toy_model

from polyhead import checkpoint
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.train.fit import fit
from polyhead.train.init import initialise
from polyhead.train.stage import Stage


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("init"), "trained")
    run.config.touch()
    return fit(toy_model(), toy_tasks(0), [Stage(epochs=1)], run, describe={})


def test_a_part_of_another_run_also_in_the_moving_average(trained: Run, tmp_path: Path) -> None:
    stage = Stage(epochs=1, init={"backbone": str(trained.folder)}, ema=0.9, lr=1e-12)
    run = fit(toy_model(), toy_tasks(0), [stage], Run.create(tmp_path, "run"), describe={})
    before, after = checkpoint.load(trained.best).state, checkpoint.load(run.last).state
    for name in ("backbone.body.0.weight", "backbone.body.3.weight"):
        assert torch.allclose(before[name], after[name], rtol=0, atol=1e-6)
    assert not torch.allclose(before["heads.tints.decide.weight"], after["heads.tints.decide.weight"], atol=1e-3)


def test_a_part_that_does_not_fit_is_refused(trained: Run) -> None:
    model = toy_model().build({"squares": ["one"], "tints": ["red"]})
    with pytest.raises(PolyheadError, match=r"init: part 'heads.tints' of .* does not fit this model: 2 of 2 tensors"):
        initialise(model, {"heads.tints": str(trained.folder)})
    with pytest.raises(PolyheadError, match="init: the model has no part 'hed'"):
        initialise(model, {"hed": str(trained.folder)})
