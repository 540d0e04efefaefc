"""``polyhead evaluate``: measure a run on one of its splits."""

import json
from pathlib import Path
from typing import Any

from polyhead.cli import Parser
from polyhead.errors import PolyheadError
from polyhead.run import Run, write_json


def main(argv: list[str]) -> int:
    """Measure, print, and keep the numbers in the run."""
    command = Parser(
        prog="polyhead evaluate",
        description="Measure a run: COCO's and VOC's numbers with intervals, beside a trivial rival.",
    )
    command.add_argument("run", metavar="RUN", help="the folder that 'polyhead train' printed")
    command.add_argument("--split", choices=("val", "test"), default="test", help="default: %(default)s")
    command.add_argument("--json", metavar="FILE", help="write the numbers here, too; '-' prints them instead")
    given = command.parse_args(argv)
    run = Run.open(given.run)
    if given.json and given.json != "-" and Path(given.json).is_dir():
        raise PolyheadError(f"--json {given.json!r} is a folder; give a file")
    from polyhead.evaluate import measure, reopen

    model, tasks = reopen(run)
    spoken = given.json != "-"
    results = measure(model, tasks, run, (given.split,), print if spoken else _silent)
    if given.json == "-":
        print(json.dumps(results, indent=2))
        return 0
    for name, numbers in results["tasks"].items():
        print("\n".join(table(name, numbers)))
    if given.json:
        write_json(Path(given.json), results)
    return 0


def table(name: str, numbers: dict[str, Any]) -> list[str]:
    """A task's numbers as lines of text."""
    low, high = numbers["interval"]
    interval = f"{100 * numbers['level']:.0f} % interval {_figure(low)} to {_figure(high)}"
    rival = f"trivial rival {_figure(numbers['rival']['score'])}"
    lines = [
        f"{name} on {numbers['images']} {numbers['split']} pictures ({numbers['protocol']})",
        f"  {numbers['metric']:<14}{_figure(numbers['score'])}   {interval}   {rival}",
    ]
    lines += [f"  {key:<14}{_figure(value)}" for key, value in numbers.get("coco", {}).items()]
    lines += [f"  {key:<14}{_figure(numbers[key])}" for key in ("voc2007", "voc2010", "macro_f1") if key in numbers]
    width = max(map(len, numbers["classes"]))
    for label, scores in numbers["classes"].items():
        figures = "  ".join(f"{key} {_figure(value)}" for key, value in scores.items() if key != "objects")
        lines.append(f"  {label:<{width}}  n {scores['objects']:<6}{figures}")
    seconds, memory = numbers["seconds_per_image"], numbers["peak_memory_mb"]
    return [*lines, f"  {1000 * seconds:.0f} ms a picture, loading included; peak memory {memory:.0f} MB"]


def _figure(value: float | None) -> str:
    return "-    " if value is None else f"{value:.3f}"


def _silent(_: str) -> None:
    """Nothing beside the JSON on standard output."""
