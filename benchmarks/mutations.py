"""Damage the files of a run in many ways, and call every command that reads them.

    python -m benchmarks.mutations --tries 50 --flips 400 --runs /tmp/mutations

A small run is trained once. Each try damages one file of a copy of it, and calls one command in this process. A damaged
file is either answered with one sentence and exit code 2 ("clean"), or changes nothing that is read: the command then
gives the same numbers as without the damage ("sound"). Anything else is a fault: a traceback, other numbers, a message
of several lines. A text file in which another valid value stands was "edited": that is what users do, and nothing can
tell the two apart; these tries are printed, too. The damages and the commands of a try are a function of ``--seed``.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.mutants import Draw, flipped, mutate
from benchmarks.undrawn import without_plots
from polyhead.cli import main as polyhead
from polyhead.run import Run

RECIPE = {
    "model": {
        "class_path": "unified",
        "init_args": {"backbone": "test_resnet", "size": 64, "width": 8, "heads": {"det": "detect", "cls": "classify"}},
    },
    "data": {
        name: {
            "reader": "scenes",
            "domain": "fruit",
            "target": target,
            "count": 8,
            "size": 64,
            "val": {"count": 4, "seed": 1},
            "test": {"count": 4, "seed": 2},
            "batch": 4,
            "workers": 0,
        }
        for name, target in (("det", "boxes"), ("cls", "times"))
    },
    "stages": [{"epochs": 1, "lr": 0.003}, {"epochs": 1, "lr": 0.001, "tasks": ["cls"]}],
    "precision": "32-true",
    "exemplar_mib": 1.0,
}
"""A recipe of two tasks and two stages, so that every file is written."""
NEW_TASK = ["--task", "new", "--data", "reader=scenes", "target=times", "count=8", "size=64", "workers=0", "batch=4"]
OVERRIDES = ["epochs=1", "model.heads.new=classify", "data.new.val={reader: scenes, target: times, count: 4, seed: 1}"]
NOT_COMPARED = ("seconds_per_image", "peak_memory_mb", "minutes", "milliseconds", "time", "started", "finished")
"""Numbers that differ from call to call."""
TEXTS = (".csv", ".json", ".yaml")
OUTCOMES = ("clean", "sound", "edited", "traceback", "other")


class Case(NamedTuple):
    """A kind of file, and the commands that read it.

    Attributes:
        file: its path in the run folder.
        commands: the names of the commands in :data:`COMMANDS`.
    """

    file: str
    commands: tuple[str, ...]


CASES = {
    "best.pt": Case("weights/best.pt", ("predict", "evaluate", "extend", "init")),
    "stage.pt": Case("weights/stage1.pt", ("resume",)),
    "resume.ckpt": Case("resume.ckpt", ("resume",)),
    "results.csv": Case("results.csv", ("resume", "evaluate", "compare cls")),
    "results.json": Case("results.json", ("resume", "evaluate", "baseline", "compare cls")),
    "manifest.json": Case("manifest.json", ("resume", "evaluate", "compare cls", "predict", "extend")),
    "config.yaml": Case("config.yaml", ("train", "resume", "evaluate", "extend")),
    "exemplars.json": Case("exemplars/det/exemplars.json", ("resume", "extend")),
    "detections": Case("predictions/test.det.npz", ("compare det",)),
    "targets": Case("predictions/test.det.target.npz", ("compare det",)),
    "labels": Case("predictions/test.cls.npz", ("compare cls", "baseline")),
}


def words(command: str, run: Path, other: Path, out: Path) -> list[str]:
    """Return the command line of a command.

    Args:
        command: its name.
        run: the damaged run.
        other: a whole run of the same recipe.
        out: folder for what the command writes elsewhere.
    """
    shown = str(next((other / "samples").glob("*.jpg")))
    found = ["--json", str(out / "found.json")]
    new = [f"runs={json.dumps(str(out))}", "name=found"]
    lines = {
        "predict": ["predict", str(run), shown, "--out", str(out / "drawn"), *found],
        "evaluate": ["evaluate", str(run), *found],
        "baseline": ["evaluate", str(other), "--tasks", "cls", "--baseline", f"cls={run}", *found],
        "compare det": ["compare", str(other), str(run), "--task", "det", *found],
        "compare cls": ["compare", str(other), str(run), "--task", "cls", *found],
        "resume": ["train", "--resume", str(run)],
        "train": ["train", str(run / "config.yaml"), *new],
        "extend": ["extend", str(run), *NEW_TASK, "--", *new, *OVERRIDES],
        "init": ["train", str(other / "config.yaml"), *new, f"stages.0.init={{backbone: {json.dumps(str(run))}}}"],
    }
    return lines[command]


def numbers(command: str, run: Path, out: Path) -> Any:
    """Return what a finished command has found, for comparison with the same command on the whole run."""
    if command in ("train", "extend", "init"):
        return _of_run(Run(out / "found"))
    if command == "resume":
        return _of_run(Run(run))
    return _without(json.loads((out / "found.json").read_text(encoding="utf-8")))


def _of_run(run: Run) -> Any:
    state = torch.load(run.best, weights_only=True)["state"]
    weights = {name: value.double().sum().item() for name, value in state.items()}
    return _without({"weights": weights, "results": run.results, "rows": run.epochs})


def _without(value: Any) -> Any:
    """Return nested values without those that differ from call to call, and without the name of the run."""
    if isinstance(value, dict):
        return {key: _without(each) for key, each in value.items() if key not in (*NOT_COMPARED, "name", "image")}
    return [_without(each) for each in value] if isinstance(value, list) else value


class Outcome(NamedTuple):
    """What a command has answered: one of :data:`OUTCOMES`, and what it has printed or raised."""

    name: str
    message: str


def call(line: Sequence[str]) -> Outcome:
    """Call a command in this process; "sound" means that it succeeded."""
    shown, errors = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(errors), without_plots():
            code = polyhead(list(line))
    except Exception:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # any exception is what is looked for
        return Outcome("traceback", traceback.format_exc())
    message = errors.getvalue().strip()
    if code == 0:
        return Outcome("sound", message)
    problems = "problem found" in message or "problems found" in message  # a report of a data set has several lines
    errors_shown = [text for text in message.splitlines() if text.startswith("polyhead: error: ")]
    is_clean = code == 2 and len(errors_shown) == 1 and (problems or message.endswith(errors_shown[0]))
    return Outcome("clean" if is_clean and len(message) < 4000 else "other", f"exit code {code}: {message}")


class Campaign:
    """The whole run, the numbers of each command on it, and the outcomes so far.

    Args:
        folder: an empty folder to work in.
        seed: seed of the damages.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder, self.draw = folder, Draw(seed)
        folder.mkdir(parents=True, exist_ok=True)
        recipe = folder / "small.yaml"
        recipe.write_text(json.dumps(RECIPE), encoding="utf-8")
        for number, name in enumerate(("whole", "another")):
            done = call(["train", str(recipe), f"runs={json.dumps(str(folder))}", f"name={name}", f"seed={number}"])
            if done.name != "sound":
                raise SystemExit(done.message)
        self.whole = folder / "whole"
        self.others = [path for path in sorted((folder / "another").rglob("*")) if path.is_file()]
        self.expected: dict[str, Any] = {}
        self.counts: dict[tuple[str, str], Counter[str]] = {}
        self.faults: list[str] = []

    def attempt(self, command: str, damage: Callable[[Path], str] | None, file: str = "") -> Outcome:
        """Damage a file of a fresh copy of the run, and call a command on it.

        Args:
            command: name of the command.
            damage: changes the file at a path, and returns how; None for the whole run.
            file: path of the file in the run folder.
        """
        run, out = self.folder / "copy" / "run", self.folder / "copy" / "out"
        shutil.rmtree(run.parent, ignore_errors=True)
        shutil.copytree(self.whole, run)
        out.mkdir()
        how = damage(run / file) if damage else ""
        outcome = call(words(command, run, self.whole, out))
        if outcome.name == "sound":
            found = numbers(command, run, out)
            if damage is None:
                self.expected[command] = found
            elif found != self.expected[command]:
                outcome = Outcome("edited" if Path(file).suffix in TEXTS else "other", "other numbers")
        return outcome._replace(message=f"{how}: {outcome.message}")

    def tries(self, kind: str, command: str, count: int, damage: Callable[[Path], str]) -> None:
        """Try a command on a kind of file ``count`` times, and count the outcomes."""
        if command not in self.expected:
            whole = self.attempt(command, None)
            if command not in self.expected:
                raise SystemExit(f"{command} fails on a whole run: {whole.message}")
        for _ in range(count):
            outcome = self.attempt(command, damage, CASES[kind].file)
            self.counts.setdefault((kind, command), Counter())[outcome.name] += 1
            if outcome.name not in ("clean", "sound"):
                print(f"{outcome.name}: {kind}, {command}, {outcome.message}", flush=True)
            if outcome.name in ("traceback", "other"):
                self.faults.append(f"{kind}, {command}, {outcome.message}")

    def mutations(self, count: int, kinds: Sequence[str] = tuple(CASES)) -> None:
        """Try ``count`` damages of each kind of file in every command that reads it."""
        for kind in kinds:
            for command in CASES[kind].commands:
                self.tries(kind, command, count, lambda path: mutate(path, self.draw, self.others))

    def flips(self, count: int) -> None:
        """Flip ``count`` single bits in ``best.pt``, and as many in ``resume.ckpt``."""
        for kind, command in (("best.pt", "predict"), ("resume.ckpt", "resume")):
            self.tries(kind, command, count, lambda path: flipped(path, self.draw))

    def table(self) -> str:
        """Return the counts of all outcomes as text."""
        lines = [f"{'file':<16}{'command':<12}" + "".join(f"{name:>11}" for name in OUTCOMES)]
        for (kind, command), counts in self.counts.items():
            lines.append(f"{kind:<16}{command:<12}" + "".join(f"{counts[name]:>11}" for name in OUTCOMES))
        total = sum(self.counts.values(), Counter())
        return "\n".join([*lines, f"{'all':<28}" + "".join(f"{total[name]:>11}" for name in OUTCOMES)])


def main() -> int:
    """Run the campaign, print its totals, and return 0 if there was no fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=50, help="damages of each file in each command")
    parser.add_argument("--flips", type=int, default=400, help="bits flipped in best.pt, and in resume.ckpt")
    parser.add_argument("--kinds", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs/mutations"), help="an empty folder to work in")
    given = parser.parse_args()
    os.environ.setdefault("XDG_CACHE_HOME", str(given.runs.resolve() / "cache"))
    begun = time.monotonic()
    campaign = Campaign(given.runs.resolve(), given.seed)
    campaign.mutations(given.tries, given.kinds)
    campaign.flips(given.flips)
    print(campaign.table())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{time.monotonic() - begun:.0f} s, peak memory {peak:.2f} GiB, {len(campaign.faults)} faults")
    return min(len(campaign.faults), 1)


if __name__ == "__main__":
    sys.exit(main())
