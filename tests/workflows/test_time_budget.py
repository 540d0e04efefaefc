"""Image size and epochs for a given training time."""

import pytest

from polyhead.workflows import time_budget


@pytest.mark.parametrize(
    ("minutes", "size", "epochs"),
    [(1000.0, 320, 100), (9.0, 320, 37), (7.0, 300, 33), (5.0, 224, 42), (0.5, 224, 4), (0.01, 224, 1)],
)
def test_choose(minutes: float, size: int, epochs: int) -> None:
    assert time_budget.choose(minutes, steps=88, seconds=0.1)[:2] == (size, epochs)


def test_more_time_never_gives_a_smaller_size_or_fewer_epochs() -> None:
    choices = [time_budget.choose(float(minutes), 50, 1.0) for minutes in range(1, 400, 7)]
    assert [choice.size for choice in choices] == sorted(choice.size for choice in choices)
    for size in time_budget.SIZES:
        epochs = [choice.epochs for choice in choices if choice.size == size]
        assert epochs == sorted(epochs)
        assert epochs


def test_the_reason_is_given() -> None:
    pace = "1.00 s per step at 300 pixels on this machine"
    fits = f"{pace}; at 320 pixels 73 epochs of 10 steps fit in 20 minutes"
    assert time_budget.choose(20.0, 10, 1.0).why == fits
    long = f"{pace}; at 224 pixels one epoch of 10 steps takes longer than 0.1 minutes"
    assert time_budget.choose(0.1, 10, 1.0).why == long


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("ssd300", {}),
        ("classifier", {}),
        ("unified", {"heads": {"task": "segment"}, "width": 16}),
        ("yolox", {"backbone": None}),
    ],
)
def test_a_step_is_timed(model: str, more: dict[str, object]) -> None:
    spec = {"class_path": model, "init_args": {"backbone": "mobilenetv2_035", "size": 100, **more}}
    assert 0 < time_budget.step_seconds(spec, ["a", "b"], 2) < 60
