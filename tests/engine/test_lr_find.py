"""The search for a learning rate: which rates are tried, where it ends, and what it suggests."""

import math
from itertools import pairwise

import pytest
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks

from polyhead.engine.fit import build_heads
from polyhead.engine.learner import Learner, NotFiniteError
from polyhead.engine.lr_find import HIGHEST, LOWEST, LrSearch, find_lr, lr_at, search_of
from polyhead.engine.stage import Stage
from polyhead.rng import fork_rng

STEPS = 30


def search(stage: Stage) -> LrSearch:
    with fork_rng(0, "weights"):
        model, tasks = toy_model(), toy_tasks(0)
    build_heads(model, tasks, 0)
    return find_lr(model, tasks, stage, seed=0, precision="32-true", steps=STEPS)


def test_the_values_are_equidistant_in_their_logarithm() -> None:
    lrs = [lr_at(step, STEPS) for step in range(STEPS)]
    assert [lrs[0], lrs[-1]] == pytest.approx([LOWEST, HIGHEST])
    factors = [later / lr for lr, later in pairwise(lrs)]
    assert factors == pytest.approx([factors[0]] * (STEPS - 1))
    assert lr_at(0, 1) == LOWEST


def test_a_tenth_of_the_rate_with_the_lowest_smoothed_loss_is_suggested() -> None:
    lrs = [lr_at(step, 100) for step in range(100)]
    losses = [2 - 0.01 * step if step < 70 else 1.3 + 0.2 * (step - 70) for step in range(100)]
    found = search_of(lrs, losses)
    assert lrs[68] <= found.lowest <= lrs[75]
    assert found.suggested == found.lowest / 10
    assert len(found.smoothed) == 100
    assert found.smoothed[0] == losses[0]


@pytest.mark.parametrize("losses", [[1.0] * 40, [1.0 + 0.1 * step for step in range(40)], [1.0], [3.0, 2.0, 1.0]])
def test_nothing_is_suggested_where_the_loss_does_not_fall(losses: list[float]) -> None:
    assert search_of([lr_at(step, 40) for step in range(len(losses))], losses).suggested is None


def test_a_search_trains_with_each_rate_and_is_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    real = Learner.training_step

    def record(learner: Learner, batches: object, batch_idx: int) -> object:
        used.append(learner.trainer.optimizers[0].param_groups[0]["lr"])
        return real(learner, batches, batch_idx)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "training_step", record)
    stage = Stage(tasks=["squares"], lr=0.5, ema=0.9, epochs=1, accumulate=2, lr_mult={"heads.squares": 1.0})
    first = search(stage)
    assert search(stage) == first
    assert used[: len(first.losses)] == pytest.approx(first.lrs)
    assert len(first.losses) <= STEPS
    assert all(math.isfinite(loss) for loss in first.losses)


def test_a_loss_that_is_not_finite_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Learner.training_step

    def explode(learner: Learner, batches: object, batch_idx: int) -> object:
        if learner.trainer.global_step == 9:
            raise NotFiniteError("the loss is not finite")
        return real(learner, batches, batch_idx)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "training_step", explode)
    assert len(search(Stage(lr=0.1)).losses) == 9
