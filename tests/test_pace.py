"""Size and epochs for the time there is."""

import pytest

from polyhead import pace


@pytest.mark.parametrize(
    ("minutes", "size", "epochs"),
    [(1000, 320, 100), (20, 320, 84), (9, 320, 37), (7, 300, 32), (5, 224, 42), (0.5, 224, 4), (0.01, 224, 1)],
)
def test_choose(minutes: float, size: int, epochs: int) -> None:
    """A step takes a microsecond a pixel of the picture."""
    found = pace.choose(minutes, steps=97, seconds=lambda side: side * side / 1e6)
    assert found[:2] == (size, epochs)


def test_longer_never_means_less() -> None:
    found = [pace.choose(minutes, 50, lambda side: side**2 / 1e5)[:2] for minutes in range(1, 400, 7)]
    assert [size for size, _ in found] == sorted(size for size, _ in found)
    pixels = [size**2 * epochs for size, epochs in found]
    assert min(pixels) >= 224**2


def test_it_says_why() -> None:
    assert pace.choose(20, 10, lambda _: 1.0).why == (
        "measured here: 1.00 s a step at 320 pixels (84 epochs); at 320 pixels 84 epochs of 10 steps fit in 20 minutes"
    )
    assert pace.choose(0.1, 10, lambda _: 1.0).why.endswith("at 224 pixels one epoch of 10 steps takes longer than 0.1 minutes")


@pytest.mark.parametrize("model", ["ssd300", "classifier"])
def test_a_step_is_timed(model: str) -> None:
    spec = {"class_path": model, "init_args": {"backbone": "mobilenetv2_035", "size": 96}}
    assert 0 < pace.step_seconds(spec, ["a", "b"], 2) < 60
