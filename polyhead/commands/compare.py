"""``polyhead compare``: compare runs that were tested on the same images in one table."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from polyhead.cli import Parser, check_writable
from polyhead.contracts.classes import allow
from polyhead.errors import PolyheadError, few
from polyhead.run import REMEDY, Run, split_runs, unfinished, write_json

_EPILOG = """\
Each RUN is a row of the table. Runs that differ only in their seed can share a row:

  polyhead compare torchvision=runs/a,runs/b,runs/c ours=runs/d,runs/e,runs/f

Runs joined by + count as one model: their tasks are pooled, to compare
single-task models with a joint one.
"""


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead compare",
        description="Compare runs that were tested on the same images in one table.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "runs", metavar="[NAME=]RUN[,RUN...]", nargs="+", help="run folders; differences are to the first row"
    )
    command.add_argument("--split", default="test", help="split whose stored predictions are compared (default: test)")
    command.add_argument("--task", help="name of one task (default: all tasks pooled, if all are detection tasks)")
    command.add_argument(
        "--metric",
        metavar="METRIC",
        help="metric of the differences, such as ap50 (default: ap for boxes, miou for masks, accuracy for labels)",
    )
    command.add_argument("--json", metavar="FILE", help="also write the table to this JSON file")
    command.add_allow()
    return command


def main(argv: Sequence[str]) -> int:
    """Print the table of the given runs and return the exit code.

    Raises:
        PolyheadError: when a run was not evaluated, or the runs were tested on different images or annotations.
    """
    given = parser().parse_args(list(argv))
    check_writable(given.json)
    allow(given.allow)
    from polyhead.analysis import table

    words, files = without_files(given.runs)
    if files:
        print(f"skipped files, which are not runs: {', '.join(files)}")
    folders = rows_of(words)
    rows = table.compare(folders, given.metric, given.split, given.task)
    print(table.text(rows))
    for line in unfinished(Run.open(folder) for seeds in folders.values() for seed in seeds for folder in seed):
        print(line)
    if given.json:
        metric = given.metric or next(iter(rows[0].scores))
        write_json(Path(given.json), {"metric": metric, "rows": [row._asdict() for row in rows]})
    return 0


def without_files(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the files that a pattern such as ``runs/lr/*`` also matches; a run's weights file stands for the run.

    Raises:
        PolyheadError: when there is nothing but files.
    """
    files = [word for word in words if Path(word).is_file() and Path(word).parent.name != "weights"]
    rest = [word for word in words if word not in files]
    if not rest:
        raise PolyheadError(f"expected run folders, got only files ({few(files, 3)}). {REMEDY}")
    return rest, files


def rows_of(words: Sequence[str]) -> dict[str, list[list[str]]]:
    """Parse ``ours=a,b`` to ``{"ours": [["a"], ["b"]]}`` and ``a+b`` to ``{"a+b": [["a", "b"]]}``.

    Raises:
        PolyheadError: when two rows have the same name, or a row has a run twice.
    """
    rows: dict[str, list[list[str]]] = {}
    for word in words:
        name, equals, folders = ("", "", word) if Path(word).is_dir() else word.rpartition("=")
        seeds = [split_runs(seed, "+") for seed in split_runs(folders, ",")]
        name = name if equals else ",".join("+".join(Path(folder).name for folder in seed) for seed in seeds)
        if name in rows:
            raise PolyheadError(f"two rows are called {name!r}. Write NAME=RUN to give them different names.")
        seen: set[Path] = set()
        for folder in (Path(each) for seed in seeds for each in seed):
            if folder.resolve() in seen:
                raise PolyheadError(f"row {name!r}: run {str(folder)!r} is given twice and would be counted twice")
            seen.add(folder.resolve())
        rows[name] = seeds
    return rows
