"""A damaged ``resume.ckpt`` is named before anything is trained, and that of another run is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks

from polyhead.engine.fit import fit
from polyhead.engine.resume import load_state
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.run import Run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("runs"), "run")
    return fit(toy_model(), toy_tasks(0), [Stage()], run, describe={})


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(trained.folder, tmp_path / "run"))


def edit(run: Run, change: Callable[[dict[str, Any]], Any]) -> None:
    content = torch.load(run.resume, weights_only=True)
    change(content)
    torch.save(content, run.resume)


def test_a_whole_state_is_loaded(run: Run) -> None:
    state = load_state(run)
    assert state is not None
    assert state["run"] == run.read_manifest()["id"]
    edit(run, lambda content: (content.pop("checksum"), content.pop("run")))
    assert load_state(run) is not None, "older versions have written neither"
    run.resume.unlink()
    assert load_state(run) is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda content: content["polyhead"].update(stage=-1), "polyhead.stage: expected a stage of the run"),
        (lambda content: content["polyhead"].update(stage=None), "polyhead.stage: expected a whole number, got null"),
        (lambda content: content["polyhead"].update(progress=3), "polyhead.progress: expected a mapping"),
        (lambda content: content["polyhead"].pop("continual"), "polyhead: continual is missing"),
        (lambda content: content.pop("loops"), "loops is missing"),
        (lambda content: content.pop("optimizer_states"), "optimizer_states is missing"),
        (lambda content: content.pop("state_dict"), "state_dict is missing"),
        (lambda content: content["state_dict"].update(x="y"), "x is not a tensor"),
        (lambda content: content["polyhead"]["progress"].update(time=0.0), "the checksum of its tensors is wrong"),
        (lambda content: content.clear(), "state_dict is missing"),
    ],
)
def test_a_changed_state_is_named(change: Callable[[dict[str, Any]], Any], what: str, run: Run) -> None:
    edit(run, change)
    with pytest.raises(PolyheadError, match=rf"resume.ckpt: cannot be read; .*{what}.* delete it to start the run"):
        load_state(run)


def test_another_file_in_its_place_is_named(run: Run) -> None:
    shutil.copy(run.best, run.resume)
    with pytest.raises(PolyheadError, match="cannot be read"):
        load_state(run)


def test_what_lightning_cannot_restore_is_named(run: Run) -> None:
    edit(run, lambda content: (content.pop("checksum"), content["loops"].clear()))
    with pytest.raises(PolyheadError, match=r"resume.ckpt: cannot be read; .*KeyError"):
        fit(toy_model(), toy_tasks(0), [Stage()], run, describe={})


def test_the_state_of_another_run_is_refused(run: Run) -> None:
    run.update_manifest(id="another")
    with pytest.raises(PolyheadError, match=r"resume.ckpt is the state of another run\. Restore the file of this run"):
        load_state(run)


def test_damaged_best_weights_are_written_again(run: Run) -> None:
    before = run.best.read_bytes()
    run.best.write_bytes(b"damaged")
    fit(toy_model(), toy_tasks(0), [Stage()], run, describe={})
    assert run.best.read_bytes() == before
