"""Older tasks are kept by additive losses over the one engine: what each teaches, what it costs, how it resumes."""

import io
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.subclasses import finished
from builders.toy_parts import toy_model
from builders.training_process import fingerprint, toy_tasks
from torch import Tensor

from polyhead import checkpoint, engine
from polyhead.engine.continual import Distill, Keep, Replay
from polyhead.engine.fit import fit
from polyhead.engine.progress import Log, Progress
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.rng import seeded
from polyhead.run import Run, read_rows
from polyhead.types import Batch, Pyramid


def trained(folder: Path, keep: list[Keep], seed: int = 0, rates: Mapping[str, float] | None = None) -> Run:
    """Squares first, then tints, with something to keep the squares."""
    first = Stage(tasks=["squares"], epochs=3, lr=0.01)
    second = Stage(tasks=["tints"], epochs=4, lr=0.01, keep=keep, rates=dict(rates or {}))
    return going_on(Run.create(folder, "run"), [first, second], seed)


def going_on(run: Run, stages: list[Stage], seed: int = 0) -> Run:
    with seeded(seed, "weights"):
        model = toy_model()
    return fit(model, toy_tasks(0), stages, run, describe={}, seed=seed, save_seconds=0.0)


def last(run: Run, column: str) -> float:
    return float(read_rows(run.results_csv)[-1][column])


def lost(folder: Path, keep: list[Keep], fixed: bool) -> float:
    """How much larger the loss of the squares is at the end than at the end of their own stage, on val."""
    first = Stage(tasks=["squares"], epochs=16, lr=0.02, val_every=16)
    second = Stage(tasks=["tints"], epochs=4, lr=0.01, val_every=4, keep=keep, fixed_norms=fixed)
    rows = read_rows(going_on(Run.create(folder, "run"), [first, second]).results_csv)
    ends = [sum(float(row[f"val/squares/{part}"]) for part in ("class", "box")) for row in (rows[15], rows[-1])]
    return ends[1] - ends[0]


@pytest.mark.parametrize(
    ("keep", "fixed"),
    [([Replay(0.25)], False), ([Distill(5.0)], True), ([Distill(5.0), Replay(0.25, labels=False)], True)],
    ids=["labels", "teacher", "teacher of old pictures"],
)
def test_an_old_task_is_forgotten_less_with_something_to_keep_it(tmp_path: Path, keep: list[Keep], fixed: bool) -> None:
    naive, kept = lost(tmp_path / "naive", [], fixed), lost(tmp_path / "kept", keep, fixed)
    assert naive > 0.02
    assert kept < 0.5 * naive, f"{kept:.3f} of {naive:.3f}"


def test_replayed_pictures_go_through_the_trunk_with_the_new_ones(tmp_path: Path) -> None:
    model = toy_model()
    tasks = toy_tasks(0)
    stages = [Stage(tasks=["squares"], epochs=1), Stage(tasks=["tints"], epochs=1, keep=[Replay(0.25, batch=4)])]
    fit(model, tasks, stages, Run.create(tmp_path, "run"), describe={})
    steps = sum(-(-len(task) // task.batch) for task in tasks.values())
    validations = 1 + 2
    assert model.backbone.passes == steps + validations


def test_what_is_replayed_stands_in_the_run_and_in_its_log(tmp_path: Path) -> None:
    """A toy's picture has no file: it counts 3 * 32 * 32 bytes."""
    run = Run.create(tmp_path, "run")
    stages = [
        Stage(tasks=["squares"], epochs=1),
        Stage(tasks=["tints"], epochs=1, keep=[Replay("10KiB")]),
        Stage(tasks=["tints"], epochs=1, keep=[Distill(), Replay(2.0)]),
    ]
    fit(toy_model(), toy_tasks(0), stages, run, describe={}, progress=Progress(Log(run, lambda _: None), 3))
    assert run.read_manifest()["replayed"] == {
        "stage1": {"squares": {"pictures": 3, "bytes": 9216}},
        "stage2": {"squares": {"pictures": 2, "bytes": 6144}},
    }
    assert "squares: replays 3 pictures, 0.01 MiB" in run.log.read_text(encoding="utf-8")


def test_the_frozen_head_of_an_old_task_moves_only_where_a_rate_is_named(tmp_path: Path) -> None:
    for rates, moves in (({}, False), ({"heads.squares": 0.5}, True)):
        run = trained(tmp_path / str(moves), [Replay(0.25)], rates=rates)
        before, after = checkpoint.load(run.stage_weights(0)).state, checkpoint.load(run.last).state
        assert torch.equal(before["heads.squares.tower.weight"], after["heads.squares.tower.weight"]) is not moves


def test_losses_of_what_keeps_are_told_apart(tmp_path: Path) -> None:
    run = trained(tmp_path, [Distill(1.0, features=0.5), Replay(0.25)])
    row = read_rows(run.results_csv)[-1]
    told = {name.removeprefix("train/keep/") for name in row if name.startswith("train/keep/")}
    assert told == {
        "distill/squares/class",
        "distill/squares/box",
        "distill/features",
        "replay/squares/class",
        "replay/squares/box",
    }
    assert all(last(run, f"train/keep/{name}") > 0 for name in told)


def test_where_nothing_is_older_there_is_nothing_to_keep(tmp_path: Path) -> None:
    """A teacher of maps that nobody has learnt would hold the trunk to where chance has put it."""
    run = going_on(Run.create(tmp_path, "run"), [Stage(epochs=1, keep=[Distill(1.0, features=0.5), Replay(0.25)])])
    assert not [name for name in read_rows(run.results_csv)[-1] if "keep" in name]


def test_heads_that_another_run_has_taught_are_older_tasks(tmp_path: Path) -> None:
    """Named one by one or all together."""
    other = going_on(Run.create(tmp_path, "other"), [Stage(epochs=1)])
    for part in ("heads", "heads.squares"):
        stage = Stage(tasks=["tints"], epochs=1, init={part: str(other.best)}, keep=[Distill()])
        row = read_rows(going_on(Run.create(tmp_path, "run"), [stage]).results_csv)[-1]
        assert float(row["train/keep/distill/squares/class"]) >= 0, part
        assert row["val/squares/ap50"], part


@pytest.mark.parametrize(
    "keep", [[Replay(labels=False)], [Replay(weight=0.0)], [Distill(0.0)], [Distill(0.0), Replay(labels=False)]]
)
def test_what_keeps_nothing_is_refused(keep: list[Keep]) -> None:
    names = " and ".join(type(each).__name__ for each in keep)
    with pytest.raises(PolyheadError, match=f"keep: {names} as it is set adds no loss, so nothing would be kept"):
        Stage(keep=keep)


@pytest.mark.parametrize(
    "keep", [[Distill(), Replay(labels=False)], [Distill(0.0, features=1.0)], [Distill(0.0), Replay()]]
)
def test_what_is_only_shown_is_of_use_beside_a_teacher(keep: list[Keep]) -> None:
    assert Stage(keep=keep).keep == keep


def test_two_of_a_kind_are_refused() -> None:
    twice: list[list[Keep]] = [[Replay(0.25), Replay(0.1)], [Distill(), Replay(), Distill(2.0)]]
    for keep in twice:
        with pytest.raises(PolyheadError, match=r"keep has more than one of a kind .*; leave one of each"):
            Stage(keep=keep)


def test_without_labels_pictures_are_only_shown(tmp_path: Path) -> None:
    run = trained(tmp_path, [Distill(1.0), Replay(0.25, labels=False)])
    assert not [name for name in read_rows(run.results_csv)[-1] if "replay" in name]


def test_the_teacher_and_the_memory_come_back_after_a_stop(tmp_path: Path) -> None:
    """Stopped in the middle of the second stage, when the student is no longer its own teacher."""
    keeps = [Distill(2.0, features=0.1), Replay(0.25)]
    whole = trained(tmp_path / "whole", [*keeps])

    folder = tmp_path / "stopped"
    run = Run.create(folder, "run")
    stages = [
        Stage(tasks=["squares"], epochs=3, lr=0.01),
        Stage(tasks=["tints"], epochs=4, lr=0.01, keep=[Distill(2.0, features=0.1), Stopper(0.25)]),
    ]
    with pytest.raises(StopError):
        going_on(run, stages)
    stages[1].keep = [Distill(2.0, features=0.1), Replay(0.25)]
    going_on(run, stages)
    assert fingerprint(run) == fingerprint(whole)


class StopError(Exception):
    """Stands for whatever ends a training."""


class Stopper(Replay):
    """Ends the training in its tenth step."""

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


def check_keep(keep: Keep) -> None:
    """What everything that keeps older tasks promises."""
    tasks = {"squares": toy_tasks(0)["squares"], "tints": toy_tasks(0)["tints"]}
    older = {"squares": tasks["squares"]}
    with seeded(0, "weights"):
        model = toy_model().build({name: task.names for name, task in tasks.items()}).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    keep.start(model, older)
    streams = keep.streams(older, 5, lambda: 0, 1, 0)
    assert set(streams) == set(keep.memory()) <= set(older), "a stream of a task that is not older"
    batches = {"tints": next(iter(tasks["tints"].train(5, lambda: 0, 0, 0))), **first(streams)}
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.add_(0.1)  # a step later
    given = {name: batch.inputs.clone() for name, batch in batches.items()}
    found = added(keep, model, batches)
    assert found, "nothing is kept"
    for name, value in found.items():
        assert value.shape == (), f"{name} is no scalar"
        assert value.isfinite(), f"{name} is not finite"
    gradients = torch.autograd.grad(torch.stack(list(found.values())).sum(), list(model.backbone.parameters()))
    assert any(gradient.any() for gradient in gradients), "nothing pulls at the trunk"
    assert all(torch.equal(batch.inputs, given[name]) for name, batch in batches.items())
    stored = torch.load(bytes_of_state(keep.state_dict()), weights_only=True)
    assert model.state_dict().keys() == before.keys(), "the model has parts that it had not"
    twin = deepcopy(keep)
    twin.start(model, older)  # as after a resume: the model is no longer what it was
    twin.streams(older, 5, lambda: 0, 1, 0)
    twin.load_state_dict(stored)
    again = added(twin, model, batches)
    assert all(torch.equal(again[name], value) for name, value in found.items()), "it does not resume"


def first(streams: Mapping[str, Iterable[Batch]]) -> dict[str, Batch]:
    return {name: next(iter(stream)) for name, stream in streams.items()}


def added(keep: Keep, model: Model, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
    """The losses of one step; dropout falls alike in each."""
    with seeded(0, "step"):
        features = model.features({name: batch.inputs for name, batch in batches.items()})
        raws = {name: model.head(name)(features[name]) for name in batches}
        return keep.losses(model, batches, features, raws, 0)


def bytes_of_state(state: dict[str, Any]) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


KEEPS: dict[type[Keep], list[Keep]] = {
    Distill: [Distill(), Distill(features=0.5)],
    Replay: [Replay(0.25), Replay(2.0, batch=1)],
}


def test_everything_that_keeps_is_listed() -> None:
    assert finished(Keep, engine) == list(KEEPS)  # type: ignore[type-abstract]  # subclasses are asked for


@pytest.mark.parametrize("keep", [keep for keeps in KEEPS.values() for keep in keeps])
def test_everything_that_keeps_keeps_the_contract(keep: Keep) -> None:
    check_keep(keep)


class Pupil(Distill):
    """Forgets its teacher at every stop."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing."""


class Rows(Replay):
    """Adds a loss of each picture."""

    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        return {name: value[None] for name, value in super().losses(model, batches, features, raws, step).items()}


class Aloof(Replay):
    """What it adds does not depend on the model."""

    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        found = super().losses(model, batches, features, raws, step)
        return {name: 0.0 * value for name, value in found.items()}


@pytest.mark.parametrize(
    ("broken", "message"),
    [(Pupil(), "it does not resume"), (Rows(0.25), "is no scalar"), (Aloof(0.25), "nothing pulls at the trunk")],
)
def test_a_broken_one_is_found(broken: Keep, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_keep(broken)


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
        (lambda: Replay(1.5), "a share up to 1.0, a whole number of pictures, or bytes"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], Keep], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        make()
