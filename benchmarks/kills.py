"""Kill real trainings, resume each, and compare everything that they leave with an untouched run's.

    python -m benchmarks.kills WORK [--kills 100] [--seed 0] [--only CASE ...]

The cases are in kills.yaml: a single task, two jointly, one after the other in three stages, loader processes, a study.
Half of the kills come at a random moment. The other half come while a file is written: before or after it takes its
name, or when only half of it is on the disk; every file in turn, so that each kind of file is met.

Prints a line for each kill that went wrong, and the totals. A run must be resumed (begun anew, if nothing was saved),
its tensors, scores and tables must equal those of the untouched run bit for bit, all of its files must be there, no
partial file and no process may be left.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks import forked
from benchmarks.undrawn import without_plots
from polyhead.errors import few

CASES = Path(__file__).with_suffix(".yaml")
WAYS = ("before", "after", "half")
TABLES = {f"table.{end}" for end in ("csv", "json", "md", "txt")}
OTHER = {"log.txt", "manifest.json", "resume.ckpt", ".lock", "verdict.txt", *TABLES}
"""Files with times or names of folders, of which only the existence is compared; so is that of images."""
LIMIT = 600.0
"""Seconds that a command may take."""


def main(argv: Sequence[str]) -> int:
    """Run the campaign; returns 0 if every run was resumed and equal."""
    cases: dict[str, Any] = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK", help="a new folder for recipes and runs")
    parser.add_argument("--kills", type=int, default=100, help="in all (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("--only", nargs="+", metavar="CASE", choices=cases, default=[*cases], help=", ".join(cases))
    given = parser.parse_args(argv)
    forked.preload()
    given.work.mkdir(parents=True)
    for name, content in cases.items():
        (given.work / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    begun = time.monotonic()
    totals: Counter[str] = Counter()
    for number, case in enumerate(given.only):
        kills = len(range(number, given.kills, len(given.only)))  # as evenly as possible
        generator = torch.Generator().manual_seed(given.seed * len(cases) + number)
        with without_plots():  # of images, only the existence is compared
            totals.update(Campaign(case, given.work, generator).run(kills))
    rows = ", ".join(f"{totals[what]} {what}" for what in ("kills", "resumed", "begun anew", *FAULTS))
    print(f"{rows}; {time.monotonic() - begun:.0f} s")
    return int(any(totals[fault] for fault in FAULTS) or totals["resumed"] + totals["begun anew"] != totals["kills"])


FAULTS = ("not resumed", "different", "orphans", "not killed")


class Campaign:
    """The kills of one case."""

    def __init__(self, case: str, work: Path, moments: torch.Generator) -> None:
        self.case, self.work, self.moments = case, work.absolute(), moments
        self.words = ["study" if case == "study" else "train", f"{case}.yaml"]

    def command(self, out: Path) -> list[str]:
        """Return the command that begins, or begins anew; a study is resumed by it, too."""
        if self.case == "study":
            return [*self.words, "--runs", str(out)]
        return [*self.words, f"runs={out}", "name=run"]

    def resume(self, out: Path) -> list[str]:
        """Return the command that goes on after a kill, as the documentation has it."""
        config = out / "run" / "config.yaml"
        return ["train", "--resume", str(out / "run")] if config.is_file() else self.command(out)

    def run(self, kills: int) -> Counter[str]:
        """Train once untouched, then once for each kill, and return how often each thing happened."""
        whole = self.work / f"{self.case}-whole"
        counter = self.work / f"{self.case}.renames"
        begun = time.monotonic()
        if self._start(self.command(whole), lambda: _count_renames(counter)) != 0:
            raise SystemExit(f"{self.case}: the untouched run failed, see {self._log()}")
        seconds = time.monotonic() - begun
        renames = int(counter.read_text(encoding="utf-8"))
        expected = contents(whole)
        print(f"{self.case}: {seconds:.0f} s untouched, {renames} files written, {len(expected)} left", flush=True)
        totals: Counter[str] = Counter()
        chosen = sorted(torch.randperm(renames, generator=self.moments)[: kills // 2].tolist())
        injected = [(f"{WAYS[number % 3]} file {at + 1}", at, WAYS[number % 3]) for number, at in enumerate(chosen)]
        for name, at, way in injected:
            totals.update(self._kill(name, expected, partial(_die_at, at, way), None))
        while totals["kills"] + totals["not killed"] < kills:
            moment = (0.02 + 0.96 * float(torch.rand((), generator=self.moments))) * seconds
            totals.update(self._kill(f"after {moment:.1f} s", expected, None, moment))
        return totals

    def _kill(
        self, name: str, expected: dict[str, Any], prepare: Callable[[], None] | None, moment: float | None
    ) -> Iterator[str]:
        """Begin a run, kill it, resume it and compare it; yields what happened."""
        out = self.work / f"{self.case}-killed"
        shutil.rmtree(out, ignore_errors=True)
        pid = forked.start(self.command(out), self._log(), prepare, self.work)
        code = forked.wait(pid, moment if moment is not None else LIMIT)
        if code is None:
            forked.kill(pid)
        elif code != -signal.SIGKILL:
            if moment is None:  # a random moment may come after the end of a quick run
                print(f"{self.case}, {name}: ended with {code} before it was killed", flush=True)
            yield "not killed" if moment is None else "after the end"
            return
        yield "kills"
        if forked.orphans(pid):
            print(f"{self.case}, {name}: processes were left", flush=True)
            yield "orphans"
        again = self.resume(out)
        begun_anew = self.case != "study" and "--resume" not in again
        if begun_anew:  # what was left holds nothing to resume from; the new run is to have its name
            shutil.rmtree(out, ignore_errors=True)
        if (code := self._start(again)) != 0:
            print(f"{self.case}, {name}: could not be resumed ({code}), see {self._log()}", flush=True)
            yield "not resumed"
            return
        yield "begun anew" if begun_anew else "resumed"
        found = contents(out)
        if differing := sorted(
            file for file in expected.keys() | found.keys() if expected.get(file) != found.get(file)
        ):
            print(f"{self.case}, {name}: differ: {few(differing, 5)}", flush=True)
            yield "different"

    def _start(self, words: Sequence[str], prepare: Callable[[], None] | None = None) -> int | None:
        pid = forked.start(words, self._log(), prepare, self.work)
        code = forked.wait(pid, LIMIT)
        if code is None:
            forked.kill(pid)
        return code

    def _log(self) -> Path:
        return self.work / f"{self.case}.log"


def contents(folder: Path) -> dict[str, Any]:
    """Return what is compared of each file below a folder: bits of tensors and arrays, numbers without times."""
    return {
        str(path.relative_to(folder)): content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {".lock"}
    }


def content(path: Path) -> Any:
    """Return what is compared of a file."""
    if path.name in OTHER or path.suffix in {".png", ".jpg"}:
        return True
    if path.suffix in {".pt", ".npz"}:
        return _arrays(path)
    if path.name == "results.csv":
        rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
        time_column = rows[0].index("time")
        return [[cell for column, cell in enumerate(row) if column != time_column] for row in rows]
    if path.suffix == ".json":
        return _without_times(json.loads(path.read_text(encoding="utf-8")))
    if path.name == "config.yaml":
        return {**yaml.safe_load(path.read_text(encoding="utf-8")), "runs": None}
    return path.read_bytes()


def _arrays(path: Path) -> dict[str, Any]:
    """Return type, shape and bytes of every tensor or array of a file, by its name."""
    if path.suffix == ".pt":
        state = torch.load(path, weights_only=True)["state"]
        arrays = {name: value.numpy() for name, value in state.items()}
    else:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    return {name: (str(array.dtype), array.shape, array.tobytes()) for name, array in arrays.items()}


def _without_times(value: Any) -> Any:
    """Return nested values without those that are measured times."""
    if isinstance(value, dict):
        return {key: _without_times(each) for key, each in value.items() if not any(word in key for word in TIMES)}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


TIMES = ("time", "seconds", "speed", "minutes", "memory", "folder", "date")


def _count_renames(file: Path) -> None:
    """Write into a file how many files have taken their names in this process."""
    real, count = os.replace, 0

    def replace(source: Any, target: Any, **settings: Any) -> None:
        nonlocal count
        real(source, target, **settings)
        count += 1
        file.write_text(str(count), encoding="utf-8")

    os.replace = replace  # type: ignore[assignment]  # its keywords are not used here


def _die_at(number: int, way: str) -> None:
    """Kill this process when file ``number`` takes its name: before, after, or with half of it on the disk."""
    real, count = os.replace, -1

    def replace(source: Any, target: Any, **settings: Any) -> None:
        nonlocal count
        count += 1
        if count == number and way == "half":
            os.truncate(source, Path(source).stat().st_size // 2)
        if count == number and way != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target, **settings)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace  # type: ignore[assignment]  # its keywords are not used here


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
