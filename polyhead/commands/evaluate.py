"""``polyhead evaluate``: score a run on its val or test split."""

import argparse
import json
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.cli import Parser, check_writable
from polyhead.config import recipe
from polyhead.contracts.classes import allow
from polyhead.errors import PolyheadError, counted, few, one_line
from polyhead.run import Run, plain, write_json

if TYPE_CHECKING:
    from polyhead.contracts.kind import Kind


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead evaluate",
        description="Score a run: COCO and VOC metrics, IoU or accuracy, with intervals and a dummy baseline.",
    )
    command.add_argument(
        "run",
        metavar="RUN",
        help="the run folder that 'polyhead train' printed; with --data also the name of official weights (yolox_nano)",
    )
    command.add_argument(
        "--split", choices=("val", "test"), default="test", help="split to evaluate (default: %(default)s)"
    )
    command.add_argument("--json", metavar="FILE", help="also write the numbers to FILE; '-' prints only the JSON")
    command.add_argument(
        "--data",
        metavar="FOLDER|RECIPE",
        help="score on this data instead, or on that of a recipe; its classes are matched with the model's by name",
    )
    command.add_argument("--reader", metavar="FORMAT", help="format of that data, if it has several")
    command.add_argument(
        "--tasks",
        "--task",
        metavar="LIST",
        default="all",
        help="tasks to evaluate, such as seg,det (default: %(default)s)",
    )
    command.add_argument(
        "--baseline",
        metavar="BASELINE",
        nargs="+",
        default=[],
        help="earlier scores, to measure forgetting: TASK=SCORE[,...], TASK=RUN or RUN",
    )
    command.add_argument(
        "--max-drop",
        metavar="FRACTION",
        type=_fraction,
        help="exit with code 1 when a task has lost more than this fraction of its baseline, such as 0.05 "
        "(default: the recipe's max_drop)",
    )
    command.add_download()
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Evaluate a run, store and print the numbers, and return the exit code: 1 where a task has lost too much."""
    given = parser().parse_args(argv)
    allow(given.allow)
    check_writable(None if given.json == "-" else given.json)
    if given.data:
        return _on_other_data(given)
    run = Run.open(given.run)
    if given.max_drop is not None and not given.baseline:
        raise PolyheadError("--max-drop needs a --baseline. Give TASK=SCORE, TASK=RUN or the folder of a run.")
    from polyhead.analysis import forgetting, plots
    from polyhead.workflows.evaluate import reopen
    from polyhead.workflows.measure import measure
    from polyhead.workflows.schedule_plot import draw_schedule

    json_only = given.json == "-"
    model, tasks = reopen(run, partial(print, file=sys.stderr) if json_only else print)
    names = list(tasks) if given.tasks == "all" else given.tasks.split(",")
    for name in names:
        model.head(name)
    baselines = forgetting.parse(given.baseline, names, given.split, {name: tasks[name].kind for name in names})
    max_drop = recipe.load(run.config)["max_drop"] if given.max_drop is None else given.max_drop
    chosen = {name: tasks[name] for name in names}
    results = measure(model, chosen, run, (given.split,), _silent if json_only else print)
    for task in chosen.values():
        plots.data(run, task)
    draw_schedule(run, run.read_manifest().get("schedules", []))
    losses = forgetting.drops_from_baselines(given.run, baselines, given.split)
    transfer = forgetting.transfer(run, baselines)
    if losses:
        results["forgetting"] = plain([loss._asdict() for loss in losses])
        results["unjudged"] = [name for name in names if name not in baselines]
    if transfer:
        results["transfer"] = transfer
    if json_only:
        print(json.dumps(results, indent=2))
    else:
        for name, numbers in results["tasks"].items():
            print("\n".join(table(name, numbers, tasks[name].kind)))
        if losses:
            print(forgetting.text(losses, max_drop, unjudged=results["unjudged"]))
        if transfer:
            print(forgetting.transfer_text(transfer))
        if given.json:
            write_json(Path(given.json), results)
    return int(forgetting.exceeds(losses, max_drop))


def _on_other_data(given: argparse.Namespace) -> int:
    """Evaluate a run, or official weights, on the data of ``--data``, and return the exit code."""
    if given.baseline or given.max_drop is not None:
        raise PolyheadError("--baseline and --max-drop compare scores on the run's own data. Remove them or --data.")
    from polyhead.kinds import kind_of
    from polyhead.workflows.official import download_missing, is_official
    from polyhead.workflows.other_data import evaluate_on

    model = download_missing(given.run, given.download) if is_official(given.run) else Run.open(given.run)
    json_only = given.json == "-"
    tasks = None if given.tasks == "all" else given.tasks.split(",")
    show = partial(print, file=sys.stderr) if json_only else print
    results = evaluate_on(model, given.data, tasks, given.reader, show, given.split)
    if json_only:
        print(json.dumps(results, indent=2))
        return 0
    for name, numbers in results["tasks"].items():
        print("\n".join(table(name, numbers, kind_of(numbers["kind"]))))
    if given.json:
        write_json(Path(given.json), results)
    return 0


def _fraction(word: str) -> float:
    """Parse the value of ``--max-drop``."""
    with suppress(ValueError):
        if 0 <= (fraction := float(word)) <= 1:
            return fraction
    raise PolyheadError(f"--max-drop: expected a fraction between 0 and 1 (0.05 is 5 %), got {word}")


def table(name: str, numbers: dict[str, Any], kind: "Kind") -> list[str]:
    """Return the numbers of a task as lines of text."""
    low, high = numbers["interval"]
    interval = f"{100 * numbers['level']:.0f} % interval {_figure(low)} to {_figure(high)}"
    dummy = f"dummy baseline {_figure(numbers['dummy_baseline']['score'])}"
    more = {
        **numbers.get("stats", {}),
        **numbers.get("coco", {}),
        **{key: numbers[key] for key in kind.extras if key in numbers},
    }
    column = 2 + max(map(len, (numbers["metric"], *more)))
    lines = [
        f"{name} on {numbers['images']} {numbers['split']} images ({numbers['protocol']})",
        f"  {numbers['metric']:<{column}}{_figure(numbers['score'])}   {interval}   {dummy}",
    ]
    lines += [f"  {key:<{column}}{_figure(value)}" for key, value in more.items()]
    counts = {label: scores[kind.counted] for label, scores in numbers["classes"].items()}
    width = max((len(label) for label, count in counts.items() if count), default=0)
    digits = max((len(str(count)) for count in counts.values()), default=0)
    for label, scores in numbers["classes"].items():
        if not counts[label]:
            continue
        figures = "  ".join(f"{key} {_figure(value)}" for key, value in scores.items() if key != kind.counted)
        lines.append(f"  {label:<{width}}  n {counts[label]:<{digits}}  {figures}")
    if absent := [label for label, count in counts.items() if not count]:
        lines.append(f"  {counted(len(absent), 'class', 'classes')} without {kind.counted}: {few(absent)}")
    cost = f"  {1000 * numbers['seconds_per_image']:.0f} ms per image including loading"
    if "peak_memory_mb" in numbers:  # not measured on Windows
        cost += f"; peak memory {numbers['peak_memory_mb']:.0f} MB"
    else:
        cost += "; peak memory is not available on this system"
    return [*map(one_line, lines), cost]


def _figure(value: float | None) -> str:
    """Format a score; None is not defined."""
    return "-    " if value is None else f"{value:.3f}"


def _silent(_: str) -> None:
    """Print nothing: standard output holds only the JSON."""
