"""``polyhead compare``: runs that were tested on the same pictures, side by side in one table."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from polyhead.cli import Parser, check_writable
from polyhead.errors import PolyheadError
from polyhead.run import Run, unended, write_json

_EPILOG = """\
Each RUN is a row. Runs of one kind that differ in their seed make one row together:

  polyhead compare torchvision=runs/a,runs/b,runs/c ours=runs/d,runs/e,runs/f

Runs joined by + are one answer: their tasks are pooled (a model for each data set against one for all).
"""


def main(argv: Sequence[str]) -> int:
    """Print the table of the runs named in ``argv``; returns the exit code.

    Raises:
        PolyheadError: when a run was not evaluated, or the runs were not tested on the same truth.
    """
    form = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="polyhead compare", description=__doc__, epilog=_EPILOG, formatter_class=form)
    parser.add_argument(
        "runs", metavar="[NAME=]RUN[,RUN...]", nargs="+", help="run folders; differences are taken to the first row"
    )
    parser.add_argument("--split", default="test", help="which stored predictions to compare (default: test)")
    parser.add_argument("--task", help="name of a task; all tasks of a run are pooled without it, if all are of boxes")
    parser.add_argument(
        "--metric",
        choices=["ap", "ap50", "ap_frequent", "ap50_frequent", "miou", "pixel_accuracy", "accuracy", "mean_accuracy"],
        help="what the difference is of (default: ap of boxes, miou of masks, accuracy of labels)",
    )
    parser.add_argument("--json", metavar="FILE", help="write the table there too")
    given = parser.parse_args(list(argv))
    check_writable(given.json)
    from polyhead.analysis import table

    wanted = rows_of(given.runs)
    rows = table.compare(wanted, given.metric, given.split, given.task)
    print(table.text(rows))
    for line in unended(Run.open(folder) for seeds in wanted.values() for seed in seeds for folder in seed):
        print(line)
    if given.json:
        metric = given.metric or next(iter(rows[0].scores))
        write_json(Path(given.json), {"metric": metric, "rows": [row._asdict() for row in rows]})
    return 0


def rows_of(words: Sequence[str]) -> dict[str, list[list[str]]]:
    """``ours=a,b`` -> ``{"ours": [["a"], ["b"]]}``, ``a+b`` -> ``{"a+b": [["a", "b"]]}``.

    Raises:
        PolyheadError: when two rows have one name, or a row has a run twice.
    """
    rows: dict[str, list[list[str]]] = {}
    for word in words:
        name, found, folders = ("", "", word) if Path(word).is_dir() else word.rpartition("=")
        seeds = [seed.split("+") for seed in folders.split(",")]
        name = name if found else ",".join("+".join(Path(folder).name for folder in seed) for seed in seeds)
        if name in rows:
            raise PolyheadError(f"two rows are called {name!r}; write NAME=RUN to tell them apart")
        seen: set[Path] = set()
        for folder in (Path(each) for seed in seeds for each in seed):
            if folder.resolve() in seen:
                raise PolyheadError(f"row {name!r}: run {str(folder)!r} is given twice, and would count as two")
            seen.add(folder.resolve())
        rows[name] = seeds
    return rows
