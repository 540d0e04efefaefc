"""``polyhead evaluate``: measure a run on one of its splits."""

import json
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from polyhead.cli import Parser, check_writable
from polyhead.config import recipe
from polyhead.errors import PolyheadError
from polyhead.run import Run, write_json

EXTRA = (
    "voc2007", "voc2010", "macro_f1", "top5", "calibration_error", "miou_foreground", "pixel_accuracy", "mean_accuracy",
)  # fmt: skip
"""Figures that a task of some kind has beside its main one."""
COUNTS = ("objects", "pixels", "pictures")


def main(argv: list[str]) -> int:
    """Measure, print, and keep the numbers in the run."""
    command = Parser(
        prog="polyhead evaluate",
        description="Measure a run: COCO's and VOC's numbers, IoU or accuracy, with intervals and a trivial rival.",
    )
    command.add_argument("run", metavar="RUN", help="the folder that 'polyhead train' printed")
    command.add_argument("--split", choices=("val", "test"), default="test", help="default: %(default)s")
    command.add_argument("--json", metavar="FILE", help="write the numbers here, too; '-' prints them instead")
    command.add_argument("--tasks", metavar="LIST", default="all", help="such as seg,det (default: %(default)s)")
    command.add_argument(
        "--baseline", metavar="WORD", nargs="+", default=[], help="TASK=SCORE[,...], TASK=RUN or RUN: what to lose from"
    )
    command.add_argument(
        "--max-drop",
        metavar="SHARE",
        type=_share,
        help="exit with 1 when a task has lost more of its baseline, as 0.05 (default: the recipe's max_drop)",
    )
    command.add_allow()
    given = command.parse_args(argv)
    run = Run.open(given.run)
    recipe.allow(given.allow)
    check_writable(None if given.json == "-" else given.json)
    if given.max_drop is not None and not given.baseline:
        raise PolyheadError("--max-drop needs a --baseline to lose from: TASK=SCORE, TASK=RUN or the folder of a run")
    from polyhead.analysis import forgetting, plots
    from polyhead.workflows.evaluate import measure, reopen

    spoken = given.json != "-"
    model, tasks = reopen(run, print if spoken else partial(print, file=sys.stderr))
    names = list(tasks) if given.tasks == "all" else given.tasks.split(",")
    for name in names:
        model.head(name)
    baselines = forgetting.parse(given.baseline, names, given.split)
    most = recipe.load(run.config)["max_drop"] if given.max_drop is None else given.max_drop
    chosen = {name: tasks[name] for name in names}
    results = measure(model, chosen, run, (given.split,), print if spoken else _silent)
    for task in chosen.values():
        plots.data(run, task)
    losses = forgetting.against(given.run, baselines, given.split)
    transfer = forgetting.transfer(run, baselines)
    if losses:
        results["forgetting"] = [loss._asdict() for loss in losses]
        results["unjudged"] = [name for name in names if name not in baselines]
    if transfer:
        results["transfer"] = transfer
    if not spoken:
        print(json.dumps(results, indent=2))
    else:
        for name, numbers in results["tasks"].items():
            print("\n".join(table(name, numbers)))
        if losses:
            print(forgetting.text(losses, most, unjudged=results["unjudged"]))
        if transfer:
            print(forgetting.transfer_text(transfer))
        if given.json:
            write_json(Path(given.json), results)
    return int(most is not None and any(loss.drop > most for loss in losses))


def _share(word: str) -> float:
    with suppress(ValueError):
        if 0 <= (share := float(word)) <= 1:
            return share
    raise PolyheadError(f"--max-drop: expected a part between 0 and 1 (5 % is 0.05), got {word}")


def table(name: str, numbers: dict[str, Any]) -> list[str]:
    """A task's numbers as lines of text."""
    low, high = numbers["interval"]
    interval = f"{100 * numbers['level']:.0f} % interval {_figure(low)} to {_figure(high)}"
    rival = f"trivial rival {_figure(numbers['rival']['score'])}"
    more = {**numbers.get("coco", {}), **{key: numbers[key] for key in EXTRA if key in numbers}}
    wide = 2 + max(map(len, (numbers["metric"], *more)))
    lines = [
        f"{name} on {numbers['images']} {numbers['split']} pictures ({numbers['protocol']})",
        f"  {numbers['metric']:<{wide}}{_figure(numbers['score'])}   {interval}   {rival}",
    ]
    lines += [f"  {key:<{wide}}{_figure(value)}" for key, value in more.items()]
    counts = {
        label: next(scores[key] for key in COUNTS if key in scores) for label, scores in numbers["classes"].items()
    }
    width, digits = max(map(len, counts)), max(len(str(count)) for count in counts.values())
    for label, scores in numbers["classes"].items():
        figures = "  ".join(f"{key} {_figure(value)}" for key, value in scores.items() if key not in COUNTS)
        lines.append(f"  {label:<{width}}  n {counts[label]:<{digits}}  {figures}")
    seconds, memory = numbers["seconds_per_image"], numbers["peak_memory_mb"]
    return [*lines, f"  {1000 * seconds:.0f} ms a picture, loading included; peak memory {memory:.0f} MB"]


def _figure(value: float | None) -> str:
    return "-    " if value is None else f"{value:.3f}"


def _silent(_: str) -> None:
    """Nothing beside the JSON on standard output."""
