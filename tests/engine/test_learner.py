"""Early stopping, schedules, selection of the epoch, loss weights and gradient clipping."""

import math
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

import pytest
import torch
from builders.toy_parts import SIDE, Cells, CellsRaw, Tint, ToyBackbone, toy_model
from builders.training_process import toy_tasks

from polyhead import checkpoint
from polyhead.engine import learner
from polyhead.engine.continual import Replay
from polyhead.engine.fit import build_heads, fit
from polyhead.engine.learner import Row, counted_from_one
from polyhead.engine.progress import Log, Progress
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.rng import fork_rng
from polyhead.run import Run, read_rows
from polyhead.types import Batch, LossTerm

STILL = {"lr": 1e-12, "lr_mult": {"backbone": 0.0}}
"""Settings with which nothing is learned, so no epoch is better than the first."""


def trained(tmp_path: Path, stage: Stage, precision: str = "auto") -> Run:
    run = Run.create(tmp_path, "run")
    with fork_rng(0, "weights"):
        model = toy_model()
    fit(model, toy_tasks(0), [stage], run, describe={}, precision=precision)
    return run


def rows(tmp_path: Path, stage: Stage) -> list[dict[str, str]]:
    return read_rows(trained(tmp_path, stage).results_csv)


@pytest.mark.parametrize(("val_every", "epochs"), [(1, 4), (2, 6)])
def test_patience_is_counted_in_epochs(val_every: int, epochs: int, tmp_path: Path) -> None:
    stage = Stage(epochs=9, patience=2, val_every=val_every, **STILL)  # type: ignore[arg-type]  # a mixed dict
    assert len(rows(tmp_path, stage)) == epochs


@pytest.mark.parametrize(("val_every", "validated"), [(2, [2, 4, 5]), (4, [4, 5]), (9, [5])])
def test_the_last_epoch_is_always_validated(val_every: int, validated: list[int], tmp_path: Path) -> None:
    """It is the epoch in which most schedules have decayed the learning rate."""
    found = rows(tmp_path, Stage(epochs=5, val_every=val_every))
    assert [int(row["epoch"]) for row in found if row["val/squares/ap50"]] == validated


@pytest.mark.parametrize(
    ("checkpoint", "val_every", "epoch", "selected"),
    [("best", 1, 0, "1000"), ("last", 1, 3, "0001"), ("last", 3, 3, "0001")],
)
def test_a_stage_selects_its_best_epoch_or_its_last(
    checkpoint: Literal["best", "last"], val_every: int, epoch: int, selected: str, tmp_path: Path
) -> None:
    run = trained(tmp_path, Stage(epochs=4, checkpoint=checkpoint, val_every=val_every, **STILL))  # type: ignore[arg-type]  # a mixed dict
    for path in (run.best, run.stage_weights(0)):
        assert torch.load(path, weights_only=True)["epoch"] == epoch
    assert "".join(row["selected"] for row in read_rows(run.results_csv)) == selected


def test_only_the_last_of_the_best_epochs_is_selected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The column ``selected`` says whose weights are in best.pt, not which epochs were once the best."""
    scores = iter([0.1, 0.2, 0.4, 0.3])
    monkeypatch.setattr(learner, "combined_score", lambda _: next(scores))
    run = trained(tmp_path, Stage(epochs=4))
    found = read_rows(run.results_csv)
    assert [(row["epoch"], row["selected"]) for row in found] == [("1", "0"), ("2", "0"), ("3", "1"), ("4", "0")]
    assert checkpoint.load(run.best).epoch == 2, "weights files count from 0"


def test_epochs_of_a_run_of_an_older_version_are_counted_from_one() -> None:
    older: list[Row] = [{"stage": 0, "epoch": 0}, {"stage": 0, "epoch": 1}, {"stage": 1, "epoch": 0}]
    assert [row["epoch"] for row in counted_from_one(older)] == [1, 2, 1]
    assert counted_from_one(counted_from_one(older)) == counted_from_one(older)
    assert counted_from_one([]) == []


JOINT = Stage(epochs=4, lr=0.02)
NOTHING = Stage(epochs=2, **STILL)  # type: ignore[arg-type]  # a mixed dict
LAST = Stage(epochs=2, checkpoint="last", **STILL)  # type: ignore[arg-type]  # a mixed dict
TINTS = Stage(tasks=["tints"], epochs=2, **STILL)  # type: ignore[arg-type]  # a mixed dict


@pytest.mark.parametrize(
    ("stages", "final"),
    [
        ([JOINT, NOTHING], 0),
        ([JOINT, NOTHING, NOTHING], 0),
        ([NOTHING, JOINT], 1),
        ([NOTHING, JOINT, NOTHING], 1),
        ([JOINT, LAST], 1),
        ([JOINT, TINTS], 1),
    ],
    ids=["worse", "twice worse", "better", "better, worse", "last", "other tasks"],
)
def test_a_stage_that_trains_the_same_tasks_replaces_the_weights_only_if_it_is_better(
    stages: list[Stage], final: int, tmp_path: Path
) -> None:
    run = Run.create(tmp_path, "run")
    with fork_rng(0, "weights"):
        model = toy_model()
    lines: list[str] = []
    fit(model, toy_tasks(0), stages, run, describe={}, progress=Progress(Log(run, lines.append), len(stages)))
    best, last = checkpoint.load(run.best), checkpoint.load(run.stage_weights(len(stages) - 1))
    assert best.stage == last.stage == final
    assert best.score == last.score
    rows = read_rows(run.results_csv)
    assert {row["stage"] for row in rows if row["selected"] == "1"} >= {str(final)}
    assert not [row for row in rows if int(row["stage"]) > final and row["selected"] == "1"]
    for name, value in model.state_dict().items():  # a further stage would start from these
        assert torch.equal(value, best.state[name])
    ending = f"no epoch is better on val than stage {final + 1}, whose weights are kept"
    assert [line for line in lines if line.endswith(ending)] == [
        f"stage {number + 1}/{len(stages)}: {ending}" for number in range(final + 1, len(stages))
    ]


def test_a_plateau_lowers_the_learning_rate(tmp_path: Path) -> None:
    stage = Stage(epochs=4, schedule="plateau", plateau_patience=1, **STILL)  # type: ignore[arg-type]  # a mixed dict
    lrs = [float(row["lr"]) for row in rows(tmp_path, stage)]
    assert lrs == pytest.approx([1e-12, 1e-12, 1e-12, 1e-13])


def test_a_schedule_ends_with_the_last_step_of_uneven_epochs(tmp_path: Path) -> None:
    stage = Stage(epochs=5, accumulate=4, schedule="cosine", lr=1e-3)  # 7 batches: two steps an epoch
    lrs = [float(row["lr"]) for row in rows(tmp_path, stage)]
    assert lrs == sorted(lrs, reverse=True)
    assert 0 < lrs[-1] < 0.05 * 1e-3


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_images(tmp_path: Path) -> None:
    stage = Stage(epochs=2, optimizer="sgd", lr=1e30, grad_clip_norm=None, schedule="constant")
    with pytest.raises(PolyheadError) as caught:
        rows(tmp_path, stage)
    message = str(caught.value)
    assert message.startswith("stage 0, step ")
    assert ": the loss is not finite (loss, " in message
    ids = set(toy_tasks(0)["squares"].ids("train"))
    named = message.split("Samples of this step: squares: ")[1].split("; ", maxsplit=1)[0].split(", ")
    assert len(named) == 4
    assert set(named) <= ids


@pytest.mark.parametrize(("batches", "groups"), [(5, [3, 2]), (6, [3, 3]), (1, [1])])
def test_accumulated_batches_have_the_gradient_of_one_large_batch(
    batches: int, groups: list[int], tmp_path: Path
) -> None:
    """Fixed batch norm statistics do not mix the images of a batch."""
    task = toy_tasks(0)["squares"]
    settings = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.0, "schedule": "constant", "grad_clip_norm": None}
    stage = Stage(
        tasks=["squares"],
        epoch_scale=batches / 7,
        accumulate=3,
        weight_decay=0.0,
        freeze_bn_stats=True,
        **settings,  # type: ignore[arg-type]  # a mixed dict
    )
    found = checkpoint.load(trained(tmp_path, stage, "32-true").last).state
    with fork_rng(0, "weights"):
        model = toy_model()
    build_heads(model, toy_tasks(0), 0)
    model.backbone.eval()
    given = iter(task.train(batches, lambda: 0, 0, 0))
    first = next(iter(task.train(batches, lambda: 0, 0, 0)))
    for count in groups:
        columns = zip(
            *((each.inputs, each.target.boxes, each.target.labels) for each in islice(given, count)), strict=True
        )
        inputs, boxes, labels = (torch.cat(column) for column in columns)
        large = first._replace(inputs=inputs, target=first.target._replace(boxes=boxes, labels=labels))
        terms = model.head("squares").losses(model(inputs)["squares"], large)
        parameters = [*model.backbone.parameters(), *model.head("squares").parameters()]
        changes = torch.autograd.grad(torch.stack([term.value for term in terms.values()]).sum(), parameters)
        with torch.no_grad():
            for parameter, change in zip(parameters, changes, strict=True):
                parameter.sub_(0.1 * change)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=0)


class Recorder(Cells):
    """Stores the progress of the training that its losses are given."""

    given: ClassVar[list[float]] = []

    def losses(self, raw: CellsRaw, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        self.given.append(progress)
        return super().losses(raw, batch, progress)


def test_losses_are_given_the_fraction_of_the_steps_that_are_done(tmp_path: Path) -> None:
    """Two epochs of seven steps; an earlier task is replayed with the losses of the end of its training."""
    Recorder.given.clear()
    model = Model(ToyBackbone(), [], {"squares": Recorder, "tints": Tint}, (SIDE, SIDE))
    stages = [Stage(tasks=["squares"], epochs=2), Stage(tasks=["tints"], continual=[Replay(0.25)])]
    fit(model, toy_tasks(0), stages, Run.create(tmp_path, "run"), describe={})
    steps = [step / 14 for step in range(14)]
    first, second = [*steps[:7], steps[6]], [*steps[7:], steps[13]]  # each with its validation, which is one batch
    assert Recorder.given == [*first, *second, *[1.0] * 5, 4 / 5]


def test_the_losses_of_a_task_are_weighted(tmp_path: Path) -> None:
    """A single step that changes nothing: the losses differ by the weight only."""
    still = {"epoch_scale": 0.1, **STILL}
    plain, heavy = (
        rows(tmp_path / str(weight), Stage(weights={"tints": weight}, **still))[0]  # type: ignore[arg-type]  # a mixed dict
        for weight in (1.0, 3.0)
    )
    assert float(heavy["train/tints/class"]) == pytest.approx(3 * float(plain["train/tints/class"]))
    assert float(heavy["train/squares/class"]) == pytest.approx(float(plain["train/squares/class"]))


def test_uncertainty_gives_the_task_with_the_larger_loss_less_weight(tmp_path: Path) -> None:
    """The best factor exp(-s) for a constant loss L is 1 / L, so it ends below 1 for a loss above 1 (Kendall 2018)."""
    stage = Stage(
        epochs=12, loss_weighting="uncertainty", optimizer="sgd", lr=0.05, lr_mult={"backbone": 0.0, "heads": 1e-9}
    )
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
def test_a_truncated_state_is_named(length: int, tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    fit(toy_model(), toy_tasks(0), [Stage()], run, describe={})
    run.resume.write_bytes(run.resume.read_bytes()[:length])
    with pytest.raises(
        PolyheadError, match=r"resume.ckpt: cannot be read; it may be truncated \(.*\)\. Restore it, or delete it"
    ):
        fit(toy_model(), toy_tasks(0), [Stage()], run, describe={})


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("clip", [1e-3, None])
def test_no_step_is_longer_than_the_clipped_gradient(clip: float | None, precision: str, tmp_path: Path) -> None:
    """Seven steps of SGD, whose momentum adds up to ten gradients."""
    model, run = toy_model(), Run.create(tmp_path, "run")
    stage = Stage(
        tasks=["squares"], optimizer="sgd", lr=0.01, weight_decay=0.0, schedule="constant", grad_clip_norm=clip
    )
    before = {name: value.detach().clone() for name, value in model.backbone.named_parameters()}
    fit(model, toy_tasks(0), [stage], run, describe={}, precision=precision)
    changes = [(value.detach() - before[name]).square().sum() for name, value in model.backbone.named_parameters()]
    limit = 7 * 10 * 0.01 * 1e-3
    assert (0 < float(torch.stack(changes).sum().sqrt()) <= limit) is (clip is not None)
