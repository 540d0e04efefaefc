"""Prove that a change of the code changed no number: run the same small trainings in two checkouts and compare.

    python benchmarks/golden.py OLD NEW [--names FILE] [--work DIR] [--only CASE ...]

OLD and NEW are checkouts, such as a git worktree of the commit before a change, and this one. In both of them the cases
of `golden_cases.yaml` run at the same time, through the command line, on generated data, on the CPU with one thread.
Then all tensors of the weights files, results.json, results.csv and manifest.json, the stored predictions, the
exemplars and what `predict` and `evaluate` wrote are compared bit for bit. Times, dates, paths, versions, the git state
and explanations are not (`IGNORED` in `golden_compare.py`); neither are plots. Exit code 1 when anything differs.

Where the checkouts use different names, `--names benchmarks/golden_names.yaml` says which.
"""

import argparse
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from benchmarks.golden_compare import IGNORED, SHOWN, Row, compare_folders
from benchmarks.golden_rename import Names, TableError, read_names

CASES = Path(__file__).resolve().with_name("golden_cases.yaml")
SIZES = ((96, 128), (130, 90), (64, 64), (150, 200), (97, 101), (80, 240))
"""Height and width of the images for `predict`."""
LIMIT = 900
"""Seconds after which a command has failed."""


class RunError(Exception):
    """A command, or a checkout, that failed."""


def main(argv: Sequence[str]) -> int:
    """Run and compare all cases; returns the exit code."""
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD", type=Path, help="the checkout before the change")
    parser.add_argument("new", metavar="NEW", type=Path, help="the checkout after it")
    parser.add_argument("--names", type=Path, metavar="FILE", help="table of the names that differ")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="an empty folder for the runs, which are then left there"
    )
    parser.add_argument("--only", nargs="+", metavar="CASE", choices=cases, default=[*cases], help=", ".join(cases))
    given = parser.parse_args(argv)
    if Path(inspect.getfile(compare_folders)).resolve().parent != CASES.parent:
        parser.error(f"the modules beside it are imported from another checkout. Set PYTHONPATH={CASES.parents[1]}")
    try:
        names = read_names(given.names)
        work = empty_folder(given.work)
        sides = {side: checkout(folder, work) for side, folder in (("old", given.old), ("new", given.new))}
    except (OSError, TableError, yaml.YAMLError, RunError) as error:
        parser.error(str(error))
    rows: list[Row] = []
    for case in given.only:
        rows += run_case(case, cases[case], sides, work, names)
    print(report(rows, [*IGNORED, *names.ignore]))
    failed = any(row.faults for row in rows) or not rows
    if given.work or failed:
        print(f"the runs are in {work}")
    else:
        shutil.rmtree(work)
    print(verdict(rows, given.only))
    return int(failed)


def empty_folder(wanted: Path | None) -> Path:
    """Return the folder for the runs, a new temporary one where none is wanted.

    Raises:
        RunError: when the folder is not empty: old results must not be taken for new ones.
    """
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="golden-"))
    wanted.mkdir(parents=True, exist_ok=True)
    if any(wanted.iterdir()):
        raise RunError(f"{str(wanted)!r} is not empty. Give an empty or a new folder")
    return wanted.resolve()


def checkout(folder: Path, work: Path) -> dict[str, str]:
    """Return the environment in which a checkout runs, after a check that its own package is imported.

    Raises:
        RunError: when another package, such as an installed one, would be.
    """
    hidden = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {
        "PYTHONPATH": str(folder.resolve()),
        "PYTHONPYCACHEPREFIX": str(work / "bytecode"),  # nothing is written into the checkouts
        "OMP_NUM_THREADS": "1",  # sums in another order have other bits
        "CUDA_VISIBLE_DEVICES": "",
    }
    code = "import importlib.util as u; found = u.find_spec('polyhead'); print(found and found.origin)"
    found = Path(call(["-c", code], work, environment).strip())
    if folder.resolve() not in found.resolve().parents:
        raise RunError(f"{str(folder)!r} is not a checkout: 'import polyhead' finds {found}")
    return environment


def run_case(
    case: str, settings: Mapping[str, Any], sides: Mapping[str, dict[str, str]], work: Path, names: Names
) -> list[Row]:
    """Run a case in both checkouts and compare what they left behind."""
    folders = {side: work / side / case for side in sides}
    begun = time.monotonic()
    with ThreadPoolExecutor() as pool:
        running = {
            side: pool.submit(execute, case, settings, folders[side], environment, names if side == "old" else None)
            for side, environment in sides.items()
        }
    print(f"{case}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    faults = [f"{side.upper()} failed: {error}" for side, each in running.items() if (error := each.exception())]
    if faults:
        return [Row(case, "(the commands)", 0, 0, 0.0, faults)]
    return compare_folders(case, folders["old"], folders["new"], names, settings["expected"])


def execute(
    case: str, settings: Mapping[str, Any], folder: Path, environment: dict[str, str], old: Names | None
) -> None:
    """Train the recipe of a case, and run the commands that follow; ``old`` translates them for the old checkout."""
    folder.mkdir(parents=True)
    draw_images(folder / "inputs")
    recipe = old.recipe.to_old(settings["recipe"]) if old else settings["recipe"]
    (folder / f"{case}.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    for command in ({"words": ["train", f"{case}.yaml"]}, *settings["commands"]):
        call(["-m", "polyhead", *words_of(command, old)], folder, environment)


def words_of(command: Mapping[str, Any], old: Names | None) -> list[str]:
    """Return the words of a command, then the settings of a new task, then overrides behind ``--``."""
    words = [str(word) for word in command["words"]]
    data, changes = command.get("data", {}), command.get("changes", {})
    if old:
        words = [old.old_word(word) for word in words]
        data, changes = old.recipe.to_old(data, ("data",)), old.recipe.to_old(changes)
    words += [f"{key}={json.dumps(value)}" for task in data.values() for key, value in task.items()]
    return [*words, "--", *overrides(changes)] if changes else words


def overrides(changes: Mapping[str, Any], start: str = "") -> list[str]:
    """Return nested settings as overrides ``a.b.c=value``."""
    words: list[str] = []
    for key, value in changes.items():
        nested = isinstance(value, Mapping)
        words += overrides(value, f"{start}{key}.") if nested else [f"{start}{key}={json.dumps(value)}"]
    return words


def call(words: Sequence[str], folder: Path, environment: dict[str, str]) -> str:
    """Run Python, and return what it printed.

    Raises:
        RunError: with the last lines of its output when it failed or took too long.
    """
    try:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RunError(f"{' '.join(words)} took more than {LIMIT} s") from error
    if done.returncode:
        tail = "\n    ".join(done.stdout.splitlines()[-8:])
        raise RunError(f"{' '.join(words)} returned {done.returncode}:\n    {tail}")
    return done.stdout


def draw_images(folder: Path) -> None:
    """Draw PNG files, the same ones at every call: rectangles on noise, of several sizes; the last one is gray."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    for number, (height, width) in enumerate(SIZES):
        pixels = torch.randint(90, 166, (height, width, 3), generator=generator)
        for color in torch.randint(0, 256, (5, 3), generator=generator):
            top, left, side = (int(each * 100) for each in torch.rand(3, generator=generator))
            pixels[top : top + side // 2, left : left + side] = color
        image = Image.fromarray(pixels.numpy().astype(np.uint8))
        (image.convert("L") if number == len(SIZES) - 1 else image).save(folder / f"{number}.png")


def report(rows: Sequence[Row], ignored: Sequence[str]) -> str:
    """Return the table of all comparisons, and below it what differs."""
    width = max((len(row.artifact) for row in rows), default=0)
    lines = [f"{'case':<14}{'artifact':<{width}}  {'compared':>8}  {'equal':>8}  largest difference"]
    for row in rows:
        mark = "  DIFFERS" if row.faults else ""
        lines.append(
            f"{row.case:<14}{row.artifact:<{width}}  {row.compared:>8}  {row.equal:>8}  {row.largest:.3g}{mark}"
        )
    for row in rows:
        lines += [f"{row.case} {row.artifact}: {fault}" for fault in row.faults[:SHOWN]]
        if len(row.faults) > SHOWN:
            lines.append(f"{row.case} {row.artifact}: {len(row.faults) - SHOWN} more")
    return "\n".join([*lines, f"not compared: {', '.join(ignored)}"])


def verdict(rows: Sequence[Row], cases: Sequence[str]) -> str:
    """Return the result in one sentence."""
    if not rows:
        return "FAILED: nothing was compared."
    if differing := [row for row in rows if row.faults]:
        where = ", ".join(dict.fromkeys(row.case for row in differing))
        return f"FAILED: {len(differing)} of {len(rows)} artifacts differ, in {where}."
    total = sum(row.compared for row in rows)
    return (
        f"EQUAL: all {total} tensors, arrays and numbers in {len(rows)} artifacts of {', '.join(cases)} are the same, "
        "bit for bit."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
