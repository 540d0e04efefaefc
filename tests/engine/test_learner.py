"""When a stage ends early, when its rate falls, and what stops a training: read from the rows it leaves."""

import math
from pathlib import Path
from typing import Literal

import pytest
import torch
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks

from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.rng import seeded
from polyhead.run import Run, read_rows

STILL = {"lr": 1e-12, "rates": {"backbone": 0.0}}
"""Nothing is learnt, so no epoch is better than the first."""


def trained(tmp_path: Path, stage: Stage) -> Run:
    run = Run.create(tmp_path, "run")
    with seeded(0, "weights"):
        model = toy_model()
    fit(model, toy_tasks(0), [stage], run, describe={})
    return run


def rows(tmp_path: Path, stage: Stage) -> list[dict[str, str]]:
    return read_rows(trained(tmp_path, stage).results_csv)


@pytest.mark.parametrize(("val_every", "epochs"), [(1, 4), (2, 6)])
def test_patience_is_counted_in_epochs(val_every: int, epochs: int, tmp_path: Path) -> None:
    stage = Stage(epochs=9, patience=2, val_every=val_every, **STILL)  # type: ignore[arg-type]  # a mixed dict
    assert len(rows(tmp_path, stage)) == epochs


@pytest.mark.parametrize(("val_every", "validated"), [(2, [2, 4, 5]), (4, [4, 5]), (9, [5])])
def test_the_last_epoch_is_validated_in_any_case(val_every: int, validated: list[int], tmp_path: Path) -> None:
    """It is the one in which most schedules have brought the rate down."""
    found = rows(tmp_path, Stage(epochs=5, val_every=val_every))
    assert [int(row["epoch"]) + 1 for row in found if row["val/squares/ap50"]] == validated


@pytest.mark.parametrize(
    ("chosen", "val_every", "epoch", "kept"), [("best", 1, 0, "1000"), ("last", 1, 3, "1111"), ("last", 3, 3, "0011")]
)
def test_a_stage_keeps_its_best_epoch_or_its_last(
    chosen: Literal["best", "last"], val_every: int, epoch: int, kept: str, tmp_path: Path
) -> None:
    run = trained(tmp_path, Stage(epochs=4, checkpoint=chosen, val_every=val_every, **STILL))  # type: ignore[arg-type]  # a mixed dict
    for path in (run.best, run.stage_weights(0)):
        assert torch.load(path, weights_only=True)["epoch"] == epoch
    assert "".join(row["kept"] for row in read_rows(run.results_csv)) == kept


def test_a_plateau_lowers_the_rate(tmp_path: Path) -> None:
    stage = Stage(epochs=4, schedule="plateau", plateau_patience=1, **STILL)  # type: ignore[arg-type]  # a mixed dict
    rates = [float(row["lr"]) for row in rows(tmp_path, stage)]
    assert rates == pytest.approx([1e-12, 1e-12, 1e-12, 1e-13])


def test_a_schedule_ends_with_the_last_step_of_uneven_epochs(tmp_path: Path) -> None:
    stage = Stage(epochs=5, accumulate=4, schedule="cosine", lr=1e-3)  # 7 batches: two steps an epoch
    rates = [float(row["lr"]) for row in rows(tmp_path, stage)]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.05 * 1e-3


def test_a_loss_that_is_no_number_stops_and_names_the_pictures(tmp_path: Path) -> None:
    stage = Stage(epochs=2, optimizer="sgd", lr=1e30, clip=None, schedule="constant")
    with pytest.raises(PolyheadError) as caught:
        rows(tmp_path, stage)
    said = str(caught.value)
    assert said.startswith("the loss is not finite (loss, ")
    assert "stage 0, step " in said
    names = {truth.id for truth in toy_tasks(0)["squares"].truths("train")}
    told = said.split("samples of this step: squares: ")[1].split("; ", maxsplit=1)[0].split(", ")
    assert len(told) == 4
    assert set(told) <= names


def test_the_losses_of_a_task_are_weighed(tmp_path: Path) -> None:
    """A single step that does not move: the same losses, but for the weight."""
    still = {"ratio": 0.1, **STILL}
    plain, heavy = (
        rows(tmp_path / str(weight), Stage(weights={"tints": weight}, **still))[0]  # type: ignore[arg-type]  # a mixed dict
        for weight in (1.0, 3.0)
    )
    assert float(heavy["train/tints/class"]) == pytest.approx(3 * float(plain["train/tints/class"]))
    assert float(heavy["train/squares/class"]) == pytest.approx(float(plain["train/squares/class"]))


def test_uncertainty_weighs_the_task_with_the_larger_loss_less(tmp_path: Path) -> None:
    """Kendall's factor exp(-s) of a task whose loss L stays is best at 1 / L: it ends below 1 for a loss above 1."""
    stage = Stage(epochs=12, balance="uncertainty", optimizer="sgd", lr=0.05, rates={"backbone": 0.0, "heads": 1e-9})
    found = rows(tmp_path, stage)
    factors = {}
    for task in ("squares", "tints"):
        s = float(found[-1][f"train/{task}/uncertainty"])
        parts = [name for name in found[-1] if name.startswith(f"train/{task}/") and not name.endswith("uncertainty")]
        loss = sum(float(found[-1][name]) for name in parts) * math.exp(s)
        factors[task] = math.exp(-s) * loss
        assert s != 0
        assert (s > 0) is (loss > 1)
    assert all(0.3 < factor < 3 for factor in factors.values()), factors


@pytest.mark.parametrize("length", [0, 700])
def test_a_state_that_was_cut_short_is_named(length: int, tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    fit(toy_model(), toy_tasks(0), [Stage()], run, describe={})
    run.resume.write_bytes(run.resume.read_bytes()[:length])
    with pytest.raises(PolyheadError, match=r"resume.ckpt cannot be read, perhaps it was cut short; restore it, or"):
        fit(toy_model(), toy_tasks(0), [Stage()], run, describe={})


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("clip", [1e-3, None])
def test_no_step_is_longer_than_the_clipped_gradient(clip: float | None, precision: str, tmp_path: Path) -> None:
    """Seven steps of SGD whose momentum adds up to ten gradients each."""
    model, run = toy_model(), Run.create(tmp_path, "run")
    stage = Stage(tasks=["squares"], optimizer="sgd", lr=0.01, weight_decay=0.0, schedule="constant", clip=clip)
    before = {name: value.detach().clone() for name, value in model.backbone.named_parameters()}
    fit(model, toy_tasks(0), [stage], run, describe={}, precision=precision)
    moved = [(value.detach() - before[name]).square().sum() for name, value in model.backbone.named_parameters()]
    longest = 7 * 10 * 0.01 * 1e-3
    assert (0 < float(torch.stack(moved).sum().sqrt()) <= longest) is (clip is not None)
