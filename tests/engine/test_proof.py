"""The proof of the design: two tasks, two stages, a frozen part and a continual loss need no special case."""

from pathlib import Path

import pytest
import torch
from builders.toy_parts import Pull, toy_model
from builders.training_process import fingerprint, stages, toy_tasks, train

from polyhead import checkpoint
from polyhead.analysis.learning_curves import history
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.kinds import kind_of
from polyhead.metrics.forgetting import score_history
from polyhead.run import Run, read_rows

KINDS = {"squares": kind_of("detection"), "tints": kind_of("classification")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("finished"))
    train(run.folder, "onecycle", 0)
    return run


def test_both_tasks_learn(finished: Run) -> None:
    rows = read_rows(finished.results_csv)
    assert [(row["stage"], row["epoch"]) for row in rows] == [
        ("0", "1"),
        ("0", "2"),
        ("0", "3"),
        ("1", "1"),
        ("1", "2"),
        ("1", "3"),
    ]
    assert float(rows[2]["train/squares/class"]) < float(rows[0]["train/squares/class"])
    assert float(rows[5]["train/tints/class"]) < float(rows[0]["train/tints/class"])
    assert float(rows[5]["val/tints/accuracy"]) > 1 / 2
    assert {"val/squares/ap50", "val/squares/ap", "val/squares/box", "lr", "time"} <= set(rows[0])


def test_statistics_are_logged_and_are_no_losses(finished: Run) -> None:
    """Accuracy is a statistic of the toy head ``tints``, and a score."""
    rows = read_rows(finished.results_csv)
    columns = [column for column in rows[0] if column.startswith("stats/")]
    assert columns == ["stats/train/tints/accuracy", "stats/val/tints/accuracy"]
    for row in rows:
        assert row["stats/val/tints/accuracy"] == row["val/tints/accuracy"]
        assert 0 <= float(row["stats/train/tints/accuracy"]) <= 1
    assert float(rows[5]["stats/train/tints/accuracy"]) > float(rows[0]["stats/train/tints/accuracy"])
    without = [{key: value for key, value in row.items() if key not in columns} for row in rows]
    for task in ("squares", "tints"):
        kind = KINDS[task]
        assert history(rows, task, kind) == history(without, task, kind)
    first, second = score_history(rows, KINDS), score_history(without, KINDS)
    assert (first.tasks, first.learned.tolist()) == (second.tasks, second.learned.tolist())


def test_each_stage_saves_its_weights(finished: Run) -> None:
    for path in (finished.stage_weights(0), finished.stage_weights(1), finished.best, finished.last):
        assert checkpoint.load(path).state
    assert checkpoint.load(finished.best).stage == 1


def test_frozen_parts_stay_bit_for_bit(finished: Run) -> None:
    before = checkpoint.load(finished.stage_weights(0)).state
    after = checkpoint.load(finished.last).state
    frozen = [name for name in before if name.startswith(("backbone.body.0.", "heads.squares."))]
    trained = [name for name in before if name.startswith(("backbone.body.3.", "heads.tints."))]
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not any(torch.equal(before[name], after[name]) for name in trained)


def test_frozen_batch_norm_keeps_its_statistics(tmp_path: Path) -> None:
    model = toy_model()
    run = Run.create(tmp_path, "run")
    fit(model, toy_tasks(0), [Stage(epochs=1, lr_mult={"backbone": 0.0})], run, describe={})
    state = checkpoint.load(run.last).state
    assert state["backbone.body.1.num_batches_tracked"] == 0
    assert torch.equal(state["backbone.body.1.running_mean"], torch.zeros(8))


def test_the_trunk_runs_once_per_step(tmp_path: Path) -> None:
    model = toy_model()
    tasks = toy_tasks(0)
    fit(model, tasks, [Stage(epochs=2)], Run.create(tmp_path, "run"), describe={})
    steps = 2 * 7
    validations = 2 * (1 + 1)
    assert model.backbone.passes == steps + validations


def test_a_continual_loss_costs_no_second_pass(tmp_path: Path) -> None:
    model, loss = toy_model(), Pull()
    fit(model, toy_tasks(0), [Stage(epochs=1, continual=[loss])], Run.create(tmp_path, "run"), describe={})
    assert model.backbone.passes == 7 + 2
    assert loss.starts == 1


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(finished: Run, tmp_path: Path) -> None:
    assert train(tmp_path / "again", "onecycle", 0) == fingerprint(finished)
    assert train(tmp_path / "other", "onecycle", 0, seed=1) != fingerprint(finished)


def test_the_number_of_workers_changes_nothing(finished: Run, tmp_path: Path) -> None:
    assert train(tmp_path / "two", "onecycle", 2) == fingerprint(finished)


def test_stages_are_what_the_proof_needs() -> None:
    joint, later = stages("plateau")
    assert joint.tasks == ["squares", "tints"]
    assert later.tasks == ["tints"]
    assert later.continual
    assert 0.0 in later.lr_mult.values()
