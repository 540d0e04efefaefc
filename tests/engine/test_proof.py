"""The proof of the design: two tasks, two stages, a frozen part, a way to keep, and nothing of it a special case."""

from pathlib import Path

import pytest
import torch
from builders.toy_parts import Pull, toy_model
from builders.training_process import fingerprint, stages, toy_tasks, train

from polyhead import checkpoint
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.run import Run, read_rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("whole"))
    train(run.folder, "onecycle", 0)
    return run


def test_both_tasks_learn(whole: Run) -> None:
    rows = read_rows(whole.results_csv)
    assert [(row["stage"], row["epoch"]) for row in rows] == [
        ("0", "0"),
        ("0", "1"),
        ("0", "2"),
        ("1", "0"),
        ("1", "1"),
        ("1", "2"),
    ]
    assert float(rows[2]["train/squares/class"]) < float(rows[0]["train/squares/class"])
    assert float(rows[5]["train/tints/class"]) < float(rows[0]["train/tints/class"])
    assert float(rows[5]["val/tints/accuracy"]) > 1 / 2
    assert {"val/squares/ap50", "val/squares/ap", "val/squares/box", "lr", "time"} <= set(rows[0])


def test_each_stage_leaves_its_weights(whole: Run) -> None:
    for path in (whole.stage_weights(0), whole.stage_weights(1), whole.best, whole.last):
        assert checkpoint.load(path).state
    assert checkpoint.load(whole.best).stage == 1


def test_frozen_parts_stay_bit_for_bit(whole: Run) -> None:
    before = checkpoint.load(whole.stage_weights(0)).state
    after = checkpoint.load(whole.last).state
    frozen = [name for name in before if name.startswith(("backbone.body.0.", "heads.squares."))]
    moved = [name for name in before if name.startswith(("backbone.body.3.", "heads.tints."))]
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not any(torch.equal(before[name], after[name]) for name in moved)


def test_frozen_batch_norm_keeps_its_statistics(tmp_path: Path) -> None:
    model = toy_model()
    run = Run.create(tmp_path, "run")
    fit(model, toy_tasks(0), [Stage(epochs=1, rates={"backbone": 0.0})], run, describe={})
    state = checkpoint.load(run.last).state
    assert state["backbone.body.1.num_batches_tracked"] == 0
    assert torch.equal(state["backbone.body.1.running_mean"], torch.zeros(8))


def test_the_trunk_runs_once_a_step(tmp_path: Path) -> None:
    model = toy_model()
    tasks = toy_tasks(0)
    fit(model, tasks, [Stage(epochs=2)], Run.create(tmp_path, "run"), describe={})
    steps = 2 * 7
    validations = 2 * (1 + 1)
    assert model.backbone.passes == steps + validations


def test_a_kept_task_costs_no_second_pass(tmp_path: Path) -> None:
    model, keep = toy_model(), Pull()
    fit(model, toy_tasks(0), [Stage(epochs=1, keep=[keep])], Run.create(tmp_path, "run"), describe={})
    assert model.backbone.passes == 7 + 2
    assert keep.starts == 1


def test_same_seed_same_weights_and_another_seed_others(whole: Run, tmp_path: Path) -> None:
    assert train(tmp_path / "again", "onecycle", 0) == fingerprint(whole)
    assert train(tmp_path / "other", "onecycle", 0, seed=1) != fingerprint(whole)


def test_workers_change_nothing(whole: Run, tmp_path: Path) -> None:
    assert train(tmp_path / "two", "onecycle", 2) == fingerprint(whole)


def test_stages_are_what_the_proof_needs() -> None:
    joint, later = stages("plateau")
    assert joint.tasks == ["squares", "tints"]
    assert later.tasks == ["tints"]
    assert later.keep
    assert 0.0 in later.rates.values()
