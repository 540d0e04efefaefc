"""Measure what a newcomer gets: `init`, `train` and `evaluate` with nothing edited, on unseen images.

    python benchmarks/first_recipes.py WORK [--minutes 10] [--only CASE ...]

Each case is a data folder, and another one with unseen images, or the same one, whose test split is then measured. Data
is looked up as in recipes (POLYHEAD_DATA). Prints a row of a Markdown table for each case; the runs are left in WORK.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polyhead
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import SPLITS, write_yolo
from polyhead.run import Run
from polyhead.workflows.init import init

CASES = {
    "imagenette": ("imagenette/train", "imagenette/val"),
    "signs": ("signs", None),
    "penn_fudan": ("penn_fudan/PennFudanPed", None),
    "det10": ("coco_mini/det10", None),
    "voc_from_coco": ("voc_from_coco", None),
    "cifar10": ("cifar10", None),
    "oxford_pets": ("oxford_pets", None),
}
"""For each case the data, and the folder with unseen images; None measures the test split of the data."""


def main(argv: Sequence[str]) -> int:
    """Measure the cases; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK", help="folder for recipes and runs")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", nargs="+", metavar="CASE", choices=CASES, default=[*CASES], help=", ".join(CASES))
    given = parser.parse_args(argv)
    given.work.mkdir(parents=True, exist_ok=True)
    os.chdir(given.work)
    if "signs" in given.only and not Path("signs").exists():
        for seed, (split, count) in enumerate(zip(SPLITS, (500, 60, 200), strict=True)):
            write_yolo(Scenes(count, domain="signs", size=160, seed=seed), "signs", split)
    for case in given.only:
        data, unseen = CASES[case]
        begun = time.monotonic()
        run = polyhead.train(init(data, f"{case}.yaml", given.minutes), name=case)
        minutes = (time.monotonic() - begun) / 60
        print(row(case, run, unseen, minutes), flush=True)
    return 0


def row(case: str, run: Run, unseen: str | None, minutes: float) -> str:
    """Return a row: data, number of images, score with interval, dummy baseline, minutes."""
    tasks: dict[str, Any] = polyhead.evaluate(run, data=unseen) if unseen else run.results["test"]["tasks"]
    (numbers,) = tasks.values()
    low, high = numbers["interval"]
    score = f"{numbers['metric']} {numbers['score']:.3f} [{low:.3f}, {high:.3f}]"
    return f"| {case} | {numbers['images']} | {score} | {numbers['dummy_baseline']['score']:.3f} | {minutes:.0f} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
