"""Initial weights of a stage, loaded from other runs."""

from pathlib import Path

import pytest
import torch
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks

from polyhead import checkpoint
from polyhead.engine.fit import fit
from polyhead.engine.initialize import initialize
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.types import TaskInfo


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("init"), "trained")
    run.config.touch()
    return fit(toy_model(), toy_tasks(0), [Stage(epochs=1)], run, describe={})


def test_a_part_is_loaded_also_into_the_moving_average(trained: Run, tmp_path: Path) -> None:
    stage = Stage(epochs=1, init={"backbone": str(trained.folder)}, ema=0.9, lr=1e-12)
    run = fit(toy_model(), toy_tasks(0), [stage], Run.create(tmp_path, "run"), describe={})
    before, after = checkpoint.load(trained.best).state, checkpoint.load(run.last).state
    for name in ("backbone.body.0.weight", "backbone.body.3.weight"):
        assert torch.allclose(before[name], after[name], rtol=0, atol=1e-6)
    assert not torch.allclose(before["heads.tints.decide.weight"], after["heads.tints.decide.weight"], atol=1e-3)


def test_a_part_that_does_not_fit_is_refused(trained: Run) -> None:
    model = toy_model().build({"squares": TaskInfo(["one"]), "tints": TaskInfo(["red"])})
    with pytest.raises(PolyheadError, match=r"init: part 'heads.tints' of .* does not fit this model: 2 of 2 tensors"):
        initialize(model, {"heads.tints": str(trained.folder)}, {})
    with pytest.raises(PolyheadError, match="init: the model has no part 'hed'"):
        initialize(model, {"hed": str(trained.folder)}, {})
    one = toy_model().build({"squares": toy_tasks(0)["squares"].info})
    with pytest.raises(
        PolyheadError,
        match=r"it has 2 tensors that the model does not have, for example tints.*single head is named heads.TASK",
    ):
        initialize(one, {"heads": str(trained.folder)}, {})
    with pytest.raises(PolyheadError, match="init: backbone: 'runs/nowhere' was not found; looked at"):
        initialize(one, {"backbone": "runs/nowhere"}, {})


def test_a_head_of_other_classes_is_refused(trained: Run, tmp_path: Path) -> None:
    """Its shapes fit, but its predictions would mean other classes."""
    names = {name: [*task.names] for name, task in toy_tasks(0).items()}
    weights = checkpoint.load(trained.best)
    path = tmp_path / "named.pt"
    checkpoint.save(path, weights._replace(tasks={task: {"names": listed} for task, listed in names.items()}))
    model = toy_model().build({task: TaskInfo(each) for task, each in names.items()})
    initialize(model, {"heads": str(path), "backbone": str(path)}, names)
    other = {**names, "tints": names["tints"][::-1]}
    for part in ("heads", "heads.tints"):
        with pytest.raises(
            PolyheadError, match=r"init: the head of 'tints' in .* predicts the classes .*, but the data has"
        ):
            initialize(model, {part: str(path)}, other)
    initialize(model, {"heads.squares": str(path)}, other)


def test_a_part_within_a_part_comes_from_its_own_source(trained: Run, tmp_path: Path) -> None:
    weights = checkpoint.load(trained.best)
    path = tmp_path / "zeros.pt"
    checkpoint.save(path, weights._replace(state={name: value * 0 for name, value in weights.state.items()}))
    for order in (["backbone", "backbone.body.0"], ["backbone.body.0", "backbone"]):
        model = toy_model().build({name: task.info for name, task in toy_tasks(0).items()})
        sources = {"backbone": str(trained.folder), "backbone.body.0": str(path)}
        initialize(model, {part: sources[part] for part in order}, {})
        state = model.state_dict()
        assert not state["backbone.body.0.weight"].any()
        assert torch.equal(state["backbone.body.3.weight"], weights.state["backbone.body.3.weight"])
