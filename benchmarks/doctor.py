"""Measure which planted faults `data check` finds, and how fast it reads images.

    python -m benchmarks.doctor                     recall of each kind of fault at three strengths
    python -m benchmarks.doctor --speed FOLDER      images per second of a data folder, read for the first time

Recall is the fraction of the planted files or classes that a warning or error of the right check names, over all
layouts and seeds. Each fault is planted in a clean data set of its own; clean data must have no error.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmarks.faulty_data import FAULTS, STRENGTHS, Fault, clean, write
from polyhead.errors import Finding, PolyheadError, Problem
from polyhead.workflows.examine import examine, warnings


def findings(folder: Path) -> list[Finding | Problem]:
    """Return the errors and warnings of a folder."""
    try:
        examined = examine(folder)
    except PolyheadError as error:  # such as a folder whose format is not recognized
        return [Problem(str(folder), str(error), "")]
    errors = [*examined.problems, *examined.skipped]
    return [*errors, *warnings(examined.layout)] if not examined.problems else list(errors)


def check_of(finding: Finding | Problem) -> str:
    """Return the short name of the check of a warning."""
    return finding.check if isinstance(finding, Finding) else "error"


def recall(fault: Fault, strength: int, layout: str, folder: Path, seed: int = 0) -> tuple[int, int]:
    """Return how many of the planted cases of a fault are found, and how many there are."""
    data = clean(seed)
    planted = fault.plant(data, strength)
    others = write(data, layout, folder)
    found = [str(finding) for finding in findings(folder) if check_of(finding) in fault.checks]
    hits = 0
    for stem in (Path(name).stem for name in planted):
        hits += any(words in text for text in found for words in (stem, *others.get(stem, ())))
    return hits, len(planted)


def speed(folder: Path, reader: str | None) -> tuple[int, float, float]:
    """Return how many images a folder has, and the seconds and processor seconds of checking it for the first time."""
    from polyhead.kinds import detection  # noqa: F401  # pylint: disable=unused-import  # importing is not checking

    with tempfile.TemporaryDirectory() as empty:
        os.environ["XDG_CACHE_HOME"] = empty
        start, used = time.perf_counter(), time.process_time()
        examined = examine(folder, reader)
        warnings(examined.layout)
        count = sum(examined.layout.counts.values())
        return count, time.perf_counter() - start, time.process_time() - used


def main() -> None:
    """Print a table of recall, or the speed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--reader", help="format of the folders, if they have several")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for folder in given.speed or ():
        count, seconds, used = speed(folder, given.reader)
        fast = f"{count / seconds:.0f} images/s on {os.cpu_count()} cores, {count / used:.0f} in a processor second"
        print(f"{folder}: {count} images in {seconds:.2f} s, {fast}")
    if given.speed:
        return
    with tempfile.TemporaryDirectory() as work:
        os.environ["XDG_CACHE_HOME"] = f"{work}/cache"
        print(f"{'fault':28}{'layouts':28}" + "".join(f"{name:>10}" for name in STRENGTHS))
        for name, fault in FAULTS.items():
            cells = []
            for strength in range(len(STRENGTHS)):
                counts = [
                    recall(fault, strength, layout, Path(work) / f"{name} {strength} {layout} {seed}", seed)
                    for layout in fault.layouts
                    for seed in range(given.seeds)
                ]
                hits, planted = map(sum, zip(*counts, strict=True))
                cells.append(f"{hits}/{planted}")
            print(f"{name:28}{', '.join(fault.layouts):28}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
