import csv
import json
import math
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.trainer.connectors import accelerator_connector

from benchmarks import device, record
from benchmarks.device import Results, do, figures_of, main, plan, read_settings
from benchmarks.device_report import (
    Figure,
    interval,
    judge_resume,
    judge_scaler,
    loss_difference,
    outcome,
    step_figures,
)
from benchmarks.device_training import OutOfTime, Resume, Steps, measure, open_recipe
from benchmarks.golden_compare import Row

SCRIPT = Path(device.__file__).with_name("device.sh")
FOREVER = math.inf
pytestmark = pytest.mark.skipif(device.GPU, reason="expects what is measured without a GPU")


def measured(model: str, like: str, **changes: Any) -> tuple[list[Figure], Results]:
    """Measure the items of one kind of a reduced model, and return the figures."""
    settings, results = {**read_settings(reduced=True), **changes}, Results()
    for item in plan(settings, [model], results, FOREVER):
        if item.like == like:
            do(item, results, FOREVER, {})
    return figures_of(settings, results), results


def steps(seconds: float, loss: float = 1.0) -> Steps:
    return Steps([9.0, seconds, seconds], [loss] * 3, None)


def compared(largest: float, faults: list[str]) -> Row:
    return Row("resume", "resumed", 2, 2 - len(faults), largest, faults)


def resume_of(resumed: Row, repeated: Row, taken: int = 2) -> Resume:
    return Resume(resumed, repeated, (None, None), (taken, 4), [])


def test_the_reduced_run_prints_and_saves_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--reduced", "--only", "ssd300", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert any(line.startswith("ssd300 bf16-mixed / 32-true speed ratio ") for line in lines)
    assert "ssd300 32-true peak GPU memory, MiB not available 2" in lines
    assert "ssd300 bf16-mixed resume: largest difference 0 1 ok: bitwise equal" in lines
    assert any(line.startswith("16-mixed: skipped, it needs a GPU") for line in lines)
    assert lines[-1] == "OK: 4 checks passed"
    with (tmp_path / "device.csv").open(encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    with record.TABLE.open(encoding="utf-8") as file:
        columns = next(csv.reader(file))
    assert list(reader.fieldnames or ()) == [*columns, "n", "check", "software"]
    (ratio,) = (row for row in rows if (row["task"], row["metric"]) == ("bf16-mixed / 32-true", "speed ratio"))
    assert 0 < float(ratio["low"]) <= float(ratio["score"]) <= float(ratio["high"])
    assert (ratio["run"], ratio["what"], ratio["images"], ratio["n"]) == ("device", "ssd300", "2", "2")
    assert f"torch {torch.__version__.split('+')[0]}" in ratio["software"]
    saved = json.loads((tmp_path / "device.json").read_text(encoding="utf-8"))
    runs = saved["timed"]["ssd300"]["bf16-mixed"]
    assert [len(each["seconds"]) for each in runs] == [4, 4]
    assert runs[0]["losses"] == runs[1]["losses"]  # each round trains the same
    assert ("32-true vs. torchvision", "speed ratio") in {(row["task"], row["metric"]) for row in rows}


@pytest.mark.slow
def test_the_script_measures_all_models(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "OUT": str(tmp_path / "out"), "OMP_NUM_THREADS": "1"}
    command = [str(SCRIPT), "--reduced"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for model in ("ssd300", "efficientdet", "unified", "yolov3", "yolox"):
        assert f"\n{model}" in done.stdout
    assert done.stdout.endswith("OK: 20 checks passed\n")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"device.csv", "device.json"}


def test_photos_replace_generated_data_where_they_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYHEAD_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert [*read_settings(reduced=False)["models"]["yolox"]["recipe"]["data"]] == ["signs"]
    (tmp_path / "coco_mini").mkdir()
    chosen = read_settings(reduced=False)["models"]["yolox"]
    assert ([*chosen["recipe"]["data"]], chosen["steps"]) == (["det10"], 200)
    reduced = read_settings(reduced=True)["models"]["yolox"]
    assert [*reduced["recipe"]["data"]] == ["signs"]
    assert "steps" not in reduced


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # no site-packages
    bare.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "PYTHON": str(bare)}
    done = subprocess.run([str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "lacks torch, torchvision, timm, lightning," in done.stderr


def test_a_missing_reference_is_skipped_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "effdet", None)
    monkeypatch.delitem(sys.modules, "benchmarks.effdet_speed", raising=False)
    figures, results = measured("efficientdet", "effdet")
    assert (figures, results.failures, results.late) == ([], [], [])
    (line,) = results.skipped
    assert line.startswith("effdet, 32-true: skipped, not installed (")


def test_without_time_everything_is_named_and_nothing_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    assert main(["--reduced", "--limit", "0", "--out", str(tmp_path)]) == 3
    assert time.monotonic() - begun < 5
    *_, late, _, last = capsys.readouterr().out.splitlines()
    assert late.startswith("no time for: ssd300 32-true, timed training 1 of 2; ")
    assert "unified bf16-mixed, resume check" in late
    assert "efficientdet 32-true, effdet" in late
    assert last.startswith("INCOMPLETE: 0 checks passed")
    assert "timed training 2" not in last  # no check depends on it


def test_what_would_end_after_the_deadline_is_not_started() -> None:
    results = Results()
    done: list[int] = []
    item = device.Item("name", "kind", True, partial(done.append, 1))
    do(item, results, time.monotonic() + 10, {"kind": 20.0})
    assert (done, results.late) == ([], [item])
    do(item, results, time.monotonic() + 30, {"kind": 20.0})
    assert done == [1]


def test_a_training_ends_at_the_first_step_after_the_deadline() -> None:
    settings = read_settings(reduced=True)
    chosen = settings["models"]["ssd300"]
    opened = open_recipe(chosen["recipe"], chosen["changes"], "ssd300")
    begun = time.monotonic()
    with pytest.raises(OutOfTime):
        measure(opened, settings["stage"], 10_000, "32-true", begun)
    assert time.monotonic() - begun < 60


def test_a_resume_without_the_optimizer_state_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.optim.SGD, "load_state_dict", lambda *_: None)
    figures, results = measured("ssd300", "ssd300, resumed")
    assert not results.failures
    assert figures[0].check.startswith("FAILED: ")
    assert figures[0].value is not None
    assert figures[0].value > 0
    code, line = outcome(figures, [], [])
    assert code == 1
    assert "ssd300 bf16-mixed resume: largest difference" in line


@pytest.mark.slow
@pytest.mark.parametrize("lost", [False, True])
def test_the_state_of_a_loss_scaler_is_compared(lost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In fp16 on a CPU, which is slow, and which Lightning would replace by bf16."""

    def scaled(*_: str) -> MixedPrecision:
        return MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", growth_interval=3))

    monkeypatch.setattr(accelerator_connector, "MixedPrecision", scaled)
    if lost:
        monkeypatch.setattr(torch.amp.GradScaler, "load_state_dict", lambda *_: None)
    figures, results = measured("ssd300", "ssd300, resumed")
    assert not results.failures
    assert figures[2].metric == "resume: loss scale"
    assert figures[2].check.startswith("FAILED: expected {" if lost else "ok: equal, {")
    assert figures[2].value not in (None, 65536.0)  # not the scale that every scaler starts with


def test_losses_that_are_not_finite_fail() -> None:
    stage = {**read_settings(reduced=True)["stage"], "lr": 1e30, "grad_clip_norm": None}
    figures, results = measured("ssd300", "ssd300, timed", stage=stage, rounds=1)
    assert all("the loss is not finite" in each for each in results.failures)
    assert len(results.failures) == 2
    assert outcome(figures, results.failures, [])[0] == 1


def test_ratios_are_of_pairs_and_losses_are_compared_with_the_base() -> None:
    timed = {
        "32-true": [steps(2.0, 10.0), steps(4.0, 10.0), steps(6.0, 10.0)],
        "16-mixed": [steps(1.0, 10.2), steps(1.0, 10.2)],
    }
    figures = {(each.variant, each.metric): each for each in step_figures("ssd300", timed, 8, 1, {"16-mixed": 0.01})}
    ratio = figures["16-mixed / 32-true", "speed ratio"]
    assert (ratio.value, ratio.interval, ratio.repeats) == (3.0, (2.0, 4.0), 2)
    assert figures["32-true", "images/s"].value == 2.0
    difference = figures["16-mixed / 32-true", "relative loss difference"]
    assert difference.value == pytest.approx(0.02)
    assert difference.check == "FAILED: more than 0.01"
    assert figures["16-mixed", "loss after 3 steps"].check == "ok: all finite"


@pytest.mark.parametrize(("loss", "passes"), [(1.04, True), (0.96, True), (1.06, False), (math.nan, False)])
def test_the_loss_may_differ_by_the_tolerance(loss: float, passes: bool) -> None:
    figure = loss_difference("ssd300", "bf16-mixed", steps(1.0), steps(1.0, loss), 0.05)
    assert figure.check.startswith("ok") is passes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([1.0], None),
        ([3.0, 1.0], (1.0, 3.0)),
        ([5.0, 4.0, 3.0, 2.0, 1.0], (1.0, 5.0)),  # confidence 1 - 2 / 32
        ([float(number) for number in range(1, 9)], (2.0, 7.0)),  # 1 - 18 / 256
        ([float(number) for number in range(1, 16)], (4.0, 12.0)),  # the textbook's interval for 15 values
    ],
)
def test_the_interval_is_from_order_statistics(values: list[float], expected: tuple[float, float] | None) -> None:
    assert interval(values) == expected


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=40))
def test_the_interval_has_the_median(values: list[float]) -> None:
    ends = interval(values)
    assert ends is not None
    assert ends[0] <= sorted(values)[len(values) // 2] <= ends[1]
    assert ends[0] in values
    assert ends[1] in values


@pytest.mark.parametrize(
    ("resume", "result"),
    [
        (resume_of(compared(0.0, []), compared(0.0, [])), "ok: bitwise equal"),
        (resume_of(compared(1e-6, ["different: a"]), compared(2e-7, ["different: a"])), "ok: at most 10 times"),
        (resume_of(compared(1e-5, ["different: a"]), compared(2e-7, ["different: a"])), "FAILED: 1 tensors"),
        (resume_of(compared(1e-9, ["different: a"]), compared(0.0, [])), "FAILED: 1 tensors"),
        (resume_of(compared(math.inf, ["different: a"]), compared(math.inf, ["different: a"])), "FAILED: 1 tensors"),
        (resume_of(compared(0.0, ["missing in NEW: a"]), compared(0.0, [])), "FAILED: missing in NEW: a"),
        (resume_of(compared(0.0, []), compared(0.0, []), taken=4), "FAILED: expected a resume within the training"),
        (resume_of(compared(0.0, []), compared(0.0, []), taken=0), "FAILED: expected a resume within the training"),
    ],
)
def test_a_resume_must_be_equal_or_as_close_as_the_same_seed_again(resume: Resume, result: str) -> None:
    assert judge_resume(resume).startswith(result)


def test_fp16_needs_the_state_of_a_scaler() -> None:
    assert judge_scaler("bf16-mixed", (None, None)) == ""
    assert judge_scaler("16-mixed", (None, None)).startswith("FAILED: expected a state")
    assert judge_scaler("16-mixed", ({"scale": 2.0}, {"scale": 1.0})).startswith("FAILED: expected {'scale': 2.0}")
    assert judge_scaler("16-mixed", ({"scale": 2.0}, {"scale": 2.0})).startswith("ok")


def test_the_exit_code_says_what_is_left() -> None:
    passed = Figure("ssd300", "16-mixed", "loss", 1.0, check="ok: all finite")
    assert outcome([passed], [], [])[0] == 0
    assert outcome([passed], [], ["unified, resume check"]) == (
        3,
        "INCOMPLETE: 1 checks passed, and there was no time for: unified, resume check",
    )
    assert outcome([passed, passed._replace(check="FAILED: x")], [], ["unified"])[0] == 1
    assert outcome([], [], [])[0] == 3
