"""Append finished runs, of Polyhead and of the reference, to ``benchmarks/results.csv``: a row for each task.

    python benchmarks/record.py RUN [RUN ...]

Only names go into the table, no paths of the machine that trained. A run that is in it is refused.
"""

import argparse
import csv
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from polyhead.errors import PolyheadError
from polyhead.run import Run, read_json, read_rows, write_text

TABLE = Path(__file__).with_name("results.csv")


def main(argv: Sequence[str]) -> int:
    """Record the runs named in ``argv``, all or none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folder of a finished run")
    given = parser.parse_args(argv)
    try:
        new = record([Run.open(folder) for folder in given.runs], TABLE)
    except PolyheadError as error:
        parser.error(str(error))
    print(f"{len(new)} row(s) added to {TABLE.name}")
    return 0


def record(runs: Sequence[Run], table: Path) -> list[dict[str, Any]]:
    """Add the rows of the runs to the table, and return them.

    Raises:
        PolyheadError: when a run was not measured on test, or is in the table already.
    """
    known: list[dict[str, Any]] = [*read_rows(table)]
    seen = {_identity(row) for row in known}
    new = [row for run in runs for row in rows_of(run)]
    for row in new:
        if _identity(row) in seen:
            raise PolyheadError(f"run {row['run']!r} of {row['date']} is already in {table.name}. Nothing was added")
        seen.add(_identity(row))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(new[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(known + new)
    write_text(table, text.getvalue())
    return new


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Return one row for each task of a run."""
    manifest, results = run.read_manifest(), read_json(run.results_json)
    if "test" not in results:
        raise PolyheadError(f"run {run.folder.name!r} has no test results. Run 'polyhead evaluate' first")
    config = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    epochs = read_rows(run.results_csv)
    machine, git = manifest["hardware"], manifest.get("git")
    common = {
        "date": manifest["started"][:19],
        "run": run.folder.resolve().name,
        "what": f"torchvision's SSD on {config['recipe']['name']}" if "reference" in config else config["name"],
        "command": command(manifest["command"]),
        "seed": manifest["seed"],
        "epochs": len(epochs),
        "minutes": f"{float(epochs[-1]['time']) / 60:.1f}",
    }
    where = {
        "hardware": f"{machine['gpu'] or machine['machine']}, {machine['threads']} threads",
        "commit": git["commit"][:12] + ("+changes" if git["changed"] else "") if git else "",
    }
    return [
        {**common, "task": task, **_figures(numbers), **where} for task, numbers in results["test"]["tasks"].items()
    ]


def command(words: Sequence[str]) -> str:
    """Return a command line without the folders of this machine: absolute paths are reduced to their last component."""
    first, *rest = (re.sub(r"(^|=)/\S*/", r"\1", word) for word in words)
    first = "polyhead" if first == "__main__.py" else first
    return " ".join(["python " + first if first.endswith(".py") else first, *rest])


def _figures(numbers: dict[str, Any]) -> dict[str, Any]:
    coco = numbers.get("coco", {})
    low, high = numbers["interval"]
    shown = {
        "score": numbers["score"],
        "low": low,
        "high": high,
        "ap": coco.get("ap"),
        "voc2007": numbers.get("voc2007"),
        "voc2010": numbers.get("voc2010"),
        "ap_frequent": coco.get("ap_frequent"),
    }
    return {
        "images": numbers["images"],
        "metric": numbers["metric"],
        **{name: "" if value is None else f"{value:.4f}" for name, value in shown.items()},
    }


def _identity(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["run"], row["date"], row["task"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
