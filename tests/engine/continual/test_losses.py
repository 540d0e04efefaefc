"""Continual losses: what they protect, what they cost, what they refuse, and how they resume."""

import io
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.subclasses import concrete_subclasses
from builders.toy_parts import SIDE, Cells, Tint, ToyBackbone, toy_model
from builders.training_process import fingerprint, toy_tasks
from torch import Tensor

from polyhead import checkpoint, engine
from polyhead.contracts.network import Head
from polyhead.engine.continual import ContinualLoss, Distill, Replay
from polyhead.engine.fit import fit
from polyhead.engine.progress import Log, Progress
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.rng import fork_rng
from polyhead.run import Run, read_rows
from polyhead.types import Batch, Pyramid


def trained(
    folder: Path, losses: list[ContinualLoss], seed: int = 0, lr_mult: Mapping[str, float] | None = None
) -> Run:
    """Train squares first, then tints with continual losses for the squares."""
    first = Stage(tasks=["squares"], epochs=3, lr=0.01)
    second = Stage(tasks=["tints"], epochs=4, lr=0.01, continual=losses, lr_mult=dict(lr_mult or {}))
    return train(Run.create(folder, "run"), [first, second], seed)


def train(run: Run, stages: list[Stage], seed: int = 0) -> Run:
    with fork_rng(seed, "weights"):
        model = toy_model()
    return fit(model, toy_tasks(0), stages, run, describe={}, seed=seed, save_seconds=0.0)


def last(run: Run, column: str) -> float:
    return float(read_rows(run.results_csv)[-1][column])


def forgotten(folder: Path, losses: list[ContinualLoss], fixed: bool) -> float:
    """Return by how much the val loss of the squares has grown since the end of their own stage."""
    first = Stage(tasks=["squares"], epochs=16, lr=0.02, val_every=16)
    second = Stage(tasks=["tints"], epochs=4, lr=0.01, val_every=4, continual=losses, freeze_bn_stats=fixed)
    rows = read_rows(train(Run.create(folder, "run"), [first, second]).results_csv)
    ends = [sum(float(row[f"val/squares/{part}"]) for part in ("class", "box")) for row in (rows[15], rows[-1])]
    return ends[1] - ends[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("losses", "fixed"),
    [([Replay(0.25)], False), ([Distill(5.0)], True), ([Distill(5.0), Replay(0.25, labels=False)], True)],
    ids=["labels", "teacher", "teacher of earlier images"],
)
def test_an_earlier_task_is_forgotten_less_with_a_continual_loss(
    tmp_path: Path, losses: list[ContinualLoss], fixed: bool
) -> None:
    naive = forgotten(tmp_path / "naive", [], fixed)
    protected = forgotten(tmp_path / "protected", losses, fixed)
    assert naive > 0.02
    assert protected < 0.5 * naive, f"{protected:.3f} of {naive:.3f}"


def test_replayed_images_go_through_the_trunk_with_the_new_ones(tmp_path: Path) -> None:
    model = toy_model()
    tasks = toy_tasks(0)
    stages = [Stage(tasks=["squares"], epochs=1), Stage(tasks=["tints"], epochs=1, continual=[Replay(0.25, batch=4)])]
    fit(model, tasks, stages, Run.create(tmp_path, "run"), describe={})
    steps = sum(-(-len(task) // task.batch) for task in tasks.values())
    validations = 1 + 2
    assert model.backbone.passes == steps + validations


def test_what_is_replayed_is_recorded_in_the_manifest_and_the_log(tmp_path: Path) -> None:
    """A toy image has no file: its size is 3 * 32 * 32 bytes."""
    run = Run.create(tmp_path, "run")
    stages = [
        Stage(tasks=["squares"], epochs=1),
        Stage(tasks=["tints"], epochs=1, continual=[Replay("10KiB")]),
        Stage(tasks=["tints"], epochs=1, continual=[Distill(), Replay(2.0)]),
    ]
    fit(toy_model(), toy_tasks(0), stages, run, describe={}, progress=Progress(Log(run, lambda _: None), 3))
    assert run.read_manifest()["replayed"] == {
        "stage1": {"squares": {"images": 3, "bytes": 9216}},
        "stage2": {"squares": {"images": 2, "bytes": 6144}},
    }
    assert "squares: replays 3 images, 0.01 MiB" in run.log.read_text(encoding="utf-8")


def test_the_head_of_an_earlier_task_is_trained_only_where_lr_mult_names_it(tmp_path: Path) -> None:
    for lr_mult, trains in (({}, False), ({"heads.squares": 0.5}, True)):
        run = trained(tmp_path / str(trains), [Replay(0.25)], lr_mult=lr_mult)
        before, after = checkpoint.load(run.stage_weights(0)).state, checkpoint.load(run.last).state
        assert torch.equal(before["heads.squares.tower.weight"], after["heads.squares.tower.weight"]) is not trains


def test_each_continual_loss_has_a_column_of_its_own(tmp_path: Path) -> None:
    run = trained(tmp_path, [Distill(1.0, features=0.5), Replay(0.25)])
    row = read_rows(run.results_csv)[-1]
    columns = {name.removeprefix("train/continual/") for name in row if name.startswith("train/continual/")}
    assert columns == {
        "distill/squares/class",
        "distill/squares/box",
        "distill/features",
        "replay/squares/class",
        "replay/squares/box",
    }
    assert all(last(run, f"train/continual/{name}") > 0 for name in columns)


class WithoutDistillation(Cells):
    """Does not define its distillation loss."""

    distill = Head.distill


def test_a_head_that_does_not_define_its_distillation_is_protected(tmp_path: Path) -> None:
    model = Model(ToyBackbone(), [], {"squares": WithoutDistillation, "tints": Tint}, (SIDE, SIDE))
    stages = [Stage(tasks=["squares"]), Stage(tasks=["tints"], lr=0.01, continual=[Distill()])]
    run = fit(model, toy_tasks(0), stages, Run.create(tmp_path, "run"), describe={})
    for part in ("logits", "boxes"):
        assert last(run, f"train/continual/distill/squares/{part}") > 0


def test_without_an_earlier_task_there_is_no_continual_loss(tmp_path: Path) -> None:
    """A teacher of untrained feature maps would hold the trunk near its random weights."""
    run = train(Run.create(tmp_path, "run"), [Stage(epochs=1, continual=[Distill(1.0, features=0.5), Replay(0.25)])])
    assert not [name for name in read_rows(run.results_csv)[-1] if "continual" in name]


def test_tasks_whose_heads_are_loaded_are_earlier_tasks(tmp_path: Path) -> None:
    """Heads are named one by one or all together."""
    other = train(Run.create(tmp_path, "other"), [Stage(epochs=1)])
    for part in ("heads", "heads.squares"):
        stage = Stage(tasks=["tints"], epochs=1, init={part: str(other.best)}, continual=[Distill()])
        row = read_rows(train(Run.create(tmp_path, "run"), [stage]).results_csv)[-1]
        assert float(row["train/continual/distill/squares/class"]) >= 0, part
        assert row["val/squares/ap50"], part


@pytest.mark.parametrize(
    "losses", [[Replay(labels=False)], [Replay(weight=0.0)], [Distill(0.0)], [Distill(0.0), Replay(labels=False)]]
)
def test_settings_without_a_loss_are_refused(losses: list[ContinualLoss]) -> None:
    names = " and ".join(type(loss).__name__ for loss in losses)
    with pytest.raises(
        PolyheadError, match=f"continual: {names} with these settings adds no loss, so no task would be"
    ):
        Stage(continual=losses)


@pytest.mark.parametrize(
    "losses", [[Distill(), Replay(labels=False)], [Distill(0.0, features=1.0)], [Distill(0.0), Replay()]]
)
def test_replay_without_labels_is_accepted_next_to_a_teacher(losses: list[ContinualLoss]) -> None:
    assert Stage(continual=losses).continual == losses


def test_two_losses_of_a_class_are_refused() -> None:
    twice: list[list[ContinualLoss]] = [[Replay(0.25), Replay(0.1)], [Distill(), Replay(), Distill(2.0)]]
    for losses in twice:
        names = ", ".join(type(loss).__name__ for loss in losses)
        with pytest.raises(PolyheadError, match=f"continual: expected each class at most once, got {names}. Remove"):
            Stage(continual=losses)


def test_without_labels_replay_has_no_loss(tmp_path: Path) -> None:
    run = trained(tmp_path, [Distill(1.0), Replay(0.25, labels=False)])
    assert not [name for name in read_rows(run.results_csv)[-1] if "replay" in name]


def test_the_teacher_and_the_exemplars_are_restored_after_an_interruption(tmp_path: Path) -> None:
    """Stopped in the middle of the second stage, when the student is no longer its own teacher."""
    losses: list[ContinualLoss] = [Distill(2.0, features=0.1), Replay(0.25)]
    uninterrupted = trained(tmp_path / "uninterrupted", losses)

    folder = tmp_path / "stopped"
    run = Run.create(folder, "run")
    stages = [
        Stage(tasks=["squares"], epochs=3, lr=0.01),
        Stage(tasks=["tints"], epochs=4, lr=0.01, continual=[Distill(2.0, features=0.1), Stopper(0.25)]),
    ]
    with pytest.raises(StopError):
        train(run, stages)
    stages[1].continual = [Distill(2.0, features=0.1), Replay(0.25)]
    train(run, stages)
    assert fingerprint(run) == fingerprint(uninterrupted)


class StopError(Exception):
    """Stands for anything that interrupts a training."""


class Stopper(Replay):
    """Interrupts the training in its tenth step."""

    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        if step == 9:
            raise StopError
        return super().losses(model, batches, features, raws, step)


def check_contract(loss: ContinualLoss) -> None:
    """Check what every continual loss must do."""
    tasks = {"squares": toy_tasks(0)["squares"], "tints": toy_tasks(0)["tints"]}
    earlier = {"squares": tasks["squares"]}
    with fork_rng(0, "weights"):
        model = toy_model().build({name: task.info for name, task in tasks.items()}).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loss.start(model, earlier)
    loaders = loss.replay_loaders(earlier, 5, lambda: 0, 1, 0)
    assert set(loaders) == set(loss.replay_summary()) <= set(earlier), "a loader of a task that is not earlier"
    batches = {"tints": next(iter(tasks["tints"].train(5, lambda: 0, 0, 0))), **first(loaders)}
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.add_(0.1)  # in place of a step
    given = {name: images(batch).clone() for name, batch in batches.items()}
    losses = added(loss, model, batches)
    assert losses, "no loss is added"
    for name, value in losses.items():
        assert value.shape == (), f"{name} is not a scalar"
        assert value.isfinite(), f"{name} is not finite"
    gradients = torch.autograd.grad(torch.stack(list(losses.values())).sum(), list(model.backbone.parameters()))
    assert any(gradient.any() for gradient in gradients), "the trunk gets no gradient"
    assert all(torch.equal(images(batch), given[name]) for name, batch in batches.items())
    stored = torch.load(bytes_of_state(loss.state_dict()), weights_only=True)
    assert model.state_dict().keys() == before.keys(), "the model has new parts"
    twin = deepcopy(loss)
    twin.start(model, earlier)  # as after a resume: the model has changed since
    twin.replay_loaders(earlier, 5, lambda: 0, 1, 0)
    twin.load_state_dict(stored)
    again = added(twin, model, batches)
    assert all(torch.equal(again[name], value) for name, value in losses.items()), "it does not resume"


def first(loaders: Mapping[str, Iterable[Batch]]) -> dict[str, Batch]:
    return {name: next(iter(loader)) for name, loader in loaders.items()}


def images(batch: Batch) -> Tensor:
    assert isinstance(batch.inputs, Tensor)
    return batch.inputs


def added(loss: ContinualLoss, model: Model, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
    """Return the losses of one step; dropout is the same in each call."""
    with fork_rng(0, "step"):
        features = model.features({name: images(batch) for name, batch in batches.items()})
        raws = {name: model.head(name)(features[name]) for name in batches}
        return loss.losses(model, batches, features, raws, 0)


def bytes_of_state(state: dict[str, Any]) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


INSTANCES: dict[type[ContinualLoss], list[ContinualLoss]] = {
    Distill: [Distill(), Distill(features=0.5)],
    Replay: [Replay(0.25), Replay(2.0, batch=1)],
}


def test_every_continual_loss_is_listed() -> None:
    assert concrete_subclasses(ContinualLoss, engine) == list(INSTANCES)  # type: ignore[type-abstract]  # subclasses are asked for


@pytest.mark.parametrize("loss", [loss for losses in INSTANCES.values() for loss in losses])
def test_every_continual_loss_meets_the_contract(loss: ContinualLoss) -> None:
    check_contract(loss)


class WithoutState(Distill):
    """Does not save its teacher."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore nothing."""


class PerImage(Replay):
    """Adds a loss for each image in place of a scalar."""

    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        return {name: value[None] for name, value in super().losses(model, batches, features, raws, step).items()}


class Constant(Replay):
    """Adds losses that do not depend on the model."""

    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        losses = super().losses(model, batches, features, raws, step)
        return {name: 0.0 * value for name, value in losses.items()}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (WithoutState(), "it does not resume"),
        (PerImage(0.25), "is not a scalar"),
        (Constant(0.25), "the trunk gets no gradient"),
    ],
)
def test_a_broken_loss_is_found(broken: ContinualLoss, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_contract(broken)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Distill(-1.0), "weight and features of 0 or more and a temperature above 0, got weight=-1"),
        (lambda: Distill(temperature=0.0), "temperature=0"),
        (lambda: Distill(float("nan")), "weight=nan"),
        (lambda: Distill(weights={"seg": -1.0}), "Distill: weights.seg must be 0 or more, got -1"),
        (lambda: Replay(weight=float("inf")), "weight=inf"),
        (
            lambda: Replay(0.0),
            "expected a budget above 0 .* a batch of 1 or more and a weight of 0 or more, got budget=0",
        ),
        (lambda: Replay(batch=0), "batch=0"),
        (lambda: Replay("0MiB"), "budget=0MiB"),
        (lambda: Replay(float("inf")), "budget=inf"),
        (lambda: Replay(float("nan")), "budget=nan"),
        (lambda: Replay(1.5), "a fraction up to 1.0, a whole number of images, or bytes"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], ContinualLoss], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        make()
