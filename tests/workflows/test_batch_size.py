"""The largest batch that fits."""

from pathlib import Path

import pytest
import torch

from polyhead.data.loading.source import TaskData
from polyhead.engine import memory
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows import batch_size, train
from polyhead.workflows.batch_size import largest_batch

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = ["imgsz=64", "data.*.count=40", "data.*.val.count=8", "data.*.test.count=8", "workers=0", "epochs=1"]


@pytest.mark.parametrize(
    ("most", "limit", "full_at", "expected"),
    [
        (64, 1e9, 10**9, 64),  # nothing stops it
        (63, 1e9, 10**9, 32),  # a power of two
        (64, 100.0 + 10 * 16, 10**9, 16),  # the next would use too much memory
        (64, 100.0 + 10 * 31, 10**9, 16),
        (64, 1e9, 16, 8),  # the memory is full
        (64, 1e9, 2, 0),
        (2, 0.0, 10**9, 2),
    ],
)
def test_the_largest_power_of_two_that_fits(
    most: int, limit: float, full_at: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "peak", lambda: 100.0)
    tried = []

    def step(batch: int) -> float:
        tried.append(batch)
        if batch >= full_at:
            raise torch.OutOfMemoryError
        return 100.0 + 10 * batch

    assert largest_batch(step, most, limit) == expected
    assert tried == sorted(set(tried))
    assert max(tried) <= max(2 * expected, 2)


def test_other_errors_are_not_hidden() -> None:
    def step(batch: int) -> float:
        raise RuntimeError(f"shapes of {batch}")

    with pytest.raises(RuntimeError, match="shapes of 2"):
        largest_batch(step, 8, 1e9)


def test_a_run_stores_the_batch_that_it_found_and_resumes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    seen: dict[str, int] = {}

    def finish(_: object, tasks: dict[str, TaskData], run: Run, *__: object) -> Run:
        seen.update({name: task.batch for name, task in tasks.items()})
        return run

    monkeypatch.setattr(train, "finish", finish)
    run = train.train("demo", [*SMALL, f"runs={tmp_path}", "data.fruit.batch=auto"], show=lines.append)
    assert run.read_manifest()["batch"] == {"fruit": 4}  # 40 samples are at least 8 steps
    assert "data.fruit: batch: 4, the largest that fits" in lines
    assert seen == {"fruit": 4, "signs": 4}
    seen.clear()
    train.resume(run.folder, lines.append)
    assert seen == {"fruit": 4, "signs": 4}


def test_two_samples_that_do_not_fit_stop_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "largest_batch", lambda *_: 0)
    with pytest.raises(PolyheadError) as caught:
        train.train("demo", [*SMALL, f"runs={tmp_path}", "batch=auto"], show=lambda _: None)
    assert str(caught.value) == (
        "batch: auto: a step with 2 samples does not fit in the memory. Use smaller images (imgsz)."
    )
    assert not [*tmp_path.iterdir()]


def test_a_full_memory_ends_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("polyhead.engine.learner.Learner.training_step", fail)
    with pytest.raises(PolyheadError) as caught:
        train.train("demo", [*SMALL, f"runs={tmp_path}", "batch=4"], show=lambda _: None)
    assert str(caught.value) == (
        "stage 0, step 0: the memory is full (data.fruit.batch=4, data.signs.batch=4). Start a new run with half the "
        "batch and accumulate=2, which updates the weights as often, with batch=auto, or with smaller images (imgsz)."
    )
