"""Progress output of a training."""

import io
import itertools
import re
import sys
from pathlib import Path

import pytest
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks

from polyhead.engine.fit import fit
from polyhead.engine.progress import Log, Progress, format_duration
from polyhead.engine.stage import Stage
from polyhead.run import Run


class Terminal(io.StringIO):
    """A stream that stores what is written to it."""

    def isatty(self) -> bool:
        return True


def logged(folder: Path, stages: list[Stage]) -> list[str]:
    """Return the lines of a training of the toys: seven steps per epoch of the larger set."""
    run, lines = Run.create(folder, "run"), list[str]()
    fit(toy_model(), toy_tasks(0), stages, run, describe={}, progress=Progress(Log(run, lines.append), len(stages)))
    stamped = run.log.read_text(encoding="utf-8").splitlines()
    assert [re.sub(r"^[0-9-]{10} [0-9:]{8} ", "", line) for line in stamped] == lines, (
        "the log file has the lines that were shown"
    )
    return lines


def test_an_epoch_is_a_line_and_the_time_is_estimated_once(tmp_path: Path) -> None:
    both = ["squares", "tints"]
    lines = logged(tmp_path, [Stage(tasks=both, epochs=4), Stage(tasks=both, epochs=4)])
    estimates = [line for line in lines if line.startswith("time left")]
    assert len(estimates) == 1
    assert re.fullmatch(r"time left for this stage, validation included: about \d+ (s|min)", estimates[0])
    epochs = [line for line in lines if " epoch " in line and line not in estimates and "no epoch" not in line]
    assert [line.split(" ")[1:4:2] for line in epochs] == [
        [f"{stage}/2", f"{epoch}/4"] for stage in (1, 2) for epoch in range(1, 5)
    ]
    number = r"\d+\.\d{3}"
    for line in epochs:
        assert re.search(rf" \d+\.\ds lr \d\.\de[+-]\d\d \| train loss {number} ", line)
        assert re.search(rf"squares/class {number} squares/box {number} .*\| val .*tints/accuracy {number}", line)


def test_without_twenty_steps_nothing_is_estimated(tmp_path: Path) -> None:
    assert len(logged(tmp_path, [Stage(tasks=["tints"], epochs=2)])) == 2


def test_the_estimate_includes_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second for each step and validation: 21 of 40 steps are done at the first estimate, and 2 of 4 validations."""
    clock = itertools.count()
    monkeypatch.setattr("polyhead.engine.progress.time.monotonic", lambda: float(next(clock)))
    lines = logged(tmp_path, [Stage(tasks=["squares"], epochs=6)])
    (estimate,) = (line for line in lines if line.startswith("time left"))
    seconds = int(estimate.split()[-2])
    steps, validations = 6 * 7 - 21, 4
    assert steps < seconds <= 3 * (steps + validations), "each look at the clock takes a second"


def test_where_no_validation_is_due_the_line_ends_with_the_training_losses(tmp_path: Path) -> None:
    first, last = logged(tmp_path, [Stage(tasks=["tints"], epochs=2, val_every=2)])
    assert "| val" not in first
    assert re.search(r"train loss \d+\.\d{3} tints/class \d+\.\d{3}$", first)
    assert "| val" in last


def test_on_a_terminal_a_status_line_is_updated_and_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    logged(tmp_path, [Stage(tasks=["squares"], epochs=2)])
    shown = screen.getvalue()
    assert re.search(r"\repoch 2/2 step 7/7 loss \d+\.\d{3} lr \d\.\d\de[+-]\d\d left \d+ s *\r +\r", shown)
    assert len(re.findall(r"\r +\r", shown)) == 2
    assert "\033" not in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (99.0, "99 s"),
        (100.0, "2 min"),
        (5399.0, "90 min"),
        (5400.0, "1 h 30 min"),
        (7190.0, "2 h 00 min"),
    ],
)
def test_durations_are_formatted_for_people(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words
