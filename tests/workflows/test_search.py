"""Searches: a kill changes nothing, trials are counted once, and test is not read."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.pretended_runs import pretend
from builders.training_process import fingerprint

from polyhead import cli
from polyhead.config import recipe
from polyhead.config.factors import factors
from polyhead.engine.learner import NotFiniteError
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows import ablate, search
from polyhead.workflows.budget import UNLIMITED, Budget

pytestmark = pytest.mark.usefixtures("undrawn")

optuna = pytest.importorskip("optuna")

BASE = """\
model: {class_path: ssd300, init_args: {backbone: regnetx_002, size: 64, width: 16}}
data:
  shapes: {reader: scenes, domain: shapes, count: 8, size: 64, val: {count: 4, seed: 1}, test: {count: 4, seed: 2}}
stages: [{epochs: 4, lr: 0.003}]
"""
VARY = ["lr=1e-5..1e-1", "batch=2,4,8"]
TRIALS = 9
Report = Callable[[int, float | None], None]


class Trainer:
    """Pretends to train: the best score so far grows with the epochs, and is highest near a learning rate of 0.001.

    Args:
        stop: the epoch, counted over all trials, at which the process is killed once; None never.
    """

    def __init__(self, stop: int | None = None) -> None:
        self.stop, self.epochs, self.done = stop, 0, dict[str, int]()

    def __call__(
        self, config: dict[str, Any], run: Run, report: Callable[[int, float | None], None], _: object
    ) -> float:
        lr = config["stages"][0]["lr"]
        if lr > 0.05:
            raise NotFiniteError("the loss is not finite")
        best: float = 1 / (1 + abs(math.log10(lr) + 3)) + 0.01 * config["data"]["shapes"]["batch"]
        begun = self.done.setdefault(run.name, 0)
        if begun:
            report(begun, best * begun / 4)  # as when a training resumes
        for epoch in range(begun + 1, 5):
            self.epochs += 1
            self.done[run.name] = epoch  # saved
            if self.epochs == self.stop:
                raise KeyboardInterrupt
            report(epoch, best * epoch / 4)
        return best


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(BASE)
    return tmp_path / "mine.yaml"


def light_load(_: str, changes: Sequence[str], **__: bool) -> dict[str, Any]:
    """Resolve the recipe as far as the pretended training needs it; the real function takes half a second."""
    given = dict(change.split("=", 1) for change in changes)
    stages = [{"epochs": 4, "lr": float(given.get("lr", 0.003))}]
    return {"stages": stages, "data": {"shapes": {"batch": int(given.get("batch", 8))}}}


def find(
    folder: str, trials: int = TRIALS, budget: Budget = UNLIMITED, vary: Sequence[str] = tuple(VARY)
) -> search.Searched:
    """Search in a folder; nothing is printed."""
    file = Path(f"{folder}.yaml")
    return search.find_best("mine.yaml", [], factors(vary), trials, Path(folder), file, lambda line: None, budget)


def trials(folder: str) -> list[tuple[Any, ...]]:
    """Return what the search has stored of each trial."""
    stored = optuna.load_study(study_name="search", storage=f"sqlite:///{folder}/search.db").trials
    return [(trial.params, trial.value, trial.state.name, trial.intermediate_values) for trial in stored]


@pytest.mark.usefixtures("base")
def test_a_search_that_is_killed_tries_the_same_settings_and_counts_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "load", light_load)
    monkeypatch.setattr(search, "_train", Trainer())
    whole = find("whole")
    states = [state for *_, state, _ in trials("whole")]
    assert len(states) == TRIALS
    assert {"COMPLETE", "PRUNED"} <= set(states)
    for stop in (1, 14, 22):
        stopped = Trainer(stop)
        monkeypatch.setattr(search, "_train", stopped)
        with pytest.raises(KeyboardInterrupt):
            find(f"stopped{stop}")
        assert find(f"stopped{stop}") == whole
        assert trials(f"stopped{stop}") == trials("whole")


@pytest.mark.usefixtures("base")
def test_the_best_setting_on_val_is_tested_and_the_table_says_how_it_was_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(search, "_train", Trainer())
    monkeypatch.setattr(ablate, "train_missing", lambda plan, *_: pretend(plan))
    words = ["ablate", "mine.yaml", *(word for each in VARY for word in ("--vary", each)), "--seeds", "1"]
    assert cli.main([*words, "--search", "6"]) == 0
    shown = capsys.readouterr().out
    stored = trials("runs/mine_search")
    best, score, *_ = max((trial for trial in stored if trial[2] == "COMPLETE"), key=lambda trial: trial[1])
    written = yaml.safe_load(Path("runs/mine_search.yaml").read_text(encoding="utf-8"))
    chosen = [f"lr={best['lr']:.3g}", f"batch={best['batch']}"]
    assert list(written["variations"].values())[2] == {"changes": chosen}
    assert list(written["variations"])[:2] == ["short", "base"]
    states = [state for *_, state, _ in stored]
    failed = f", {states.count('FAIL')} failed" if "FAIL" in states else ""
    note = (
        f"6 settings were tried ({states.count('COMPLETE')} to the end, {states.count('PRUNED')} stopped early"
        f"{failed}); the choice was made on val (best score {score:.3f}). Test was read once, for these rows only."
    )
    assert note in shown
    assert note.replace("_", "\\_") in Path("runs/mine_search/table.md").read_text(encoding="utf-8")
    assert cli.main([*words, "--search", "7"]) == 2
    assert capsys.readouterr().err == (
        "polyhead: error: runs/mine_search.yaml: this search has ended after 6 trials, and its choice was "
        "tested. More trials would choose after a look at test. Give --search 6, or another --name.\n"
    )


def test_a_trial_whose_loss_is_not_finite_is_counted_and_another_search_is_refused(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_train", Trainer())
    with pytest.raises(PolyheadError, match=r"^none of 2 trials was trained to the end: no loss was finite\. Narrow"):
        find("failed", 2, vary=["lr=0.06..0.09"])
    assert [state for *_, state, _ in trials("failed")] == ["FAIL", "FAIL"]
    with pytest.raises(PolyheadError, match=r"search\.db: this search was started with another --vary\. Give this one"):
        find("failed", 2)
    base.write_text(BASE.replace("epochs: 4", "epochs: 5"))
    with pytest.raises(PolyheadError, match=r"search\.db: this search was started with another recipe or other overr"):
        find("failed", 2, vary=["lr=0.06..0.09"])


@pytest.mark.usefixtures("base")
def test_no_trial_is_started_when_the_time_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "load", light_load)
    monkeypatch.setattr(search, "_train", Trainer())
    find("short", 2)
    used_up = Budget(1e-9)
    message = "the 1e-09 minutes are used up, and 1 run of the study is missing: trials 3 to 9 of the search. Give the "
    with pytest.raises(PolyheadError, match=message):
        find("short", TRIALS, used_up)
    assert len(trials("short")) == 2


@pytest.mark.usefixtures("base")
def test_optuna_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        PolyheadError, match=r"^optuna is not installed\. Install it with: pip install 'polyhead\[sweep\]'"
    ):
        find("none", 2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
def test_a_killed_training_is_resumed_and_no_trial_reads_test(base: Path) -> None:
    base.write_text(BASE.replace("count: 8", "count: 8, batch: 4, workers: 0"))
    vary = ["lr=1e-4..1e-2"]
    code = (
        "from pathlib import Path; from polyhead.config.factors import factors; from polyhead.workflows import search; "
        "from polyhead.workflows.budget import UNLIMITED; "
        f"search.find_best('mine.yaml', [], factors({vary}), 2, Path('killed'), Path('killed.yaml'), print, UNLIMITED)"
    )
    # pylint: disable-next=consider-using-with  # it is killed below
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    runs = [Run(f"killed/search/trial00{number}") for number in (1, 2)]
    deadline = time.monotonic() + 240
    while not runs[1].results_csv.is_file():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert [state for *_, state, _ in trials("killed")] == ["COMPLETE", "RUNNING"]
    first = runs[0].best.stat().st_mtime_ns
    found = find("killed", 2, vary=vary)
    assert runs[0].best.stat().st_mtime_ns == first
    assert found == find("whole", 2, vary=vary)
    assert trials("killed") == trials("whole")
    for run in runs:
        assert fingerprint(run) == fingerprint(Run(f"whole/search/{run.name}"))
        assert set(run.results) == {"val"}
        assert not [*run.predictions.glob("test*"), *run.samples.iterdir()]
