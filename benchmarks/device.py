"""Measure Polyhead on this machine in at most ten minutes: mixed precision, resuming, and the reference tools.

    benchmarks/device.sh [--out FOLDER] [--limit SECONDS] [--only MODEL ...] [--reduced]

Measured are SSD300, EfficientDet-D0, the unified network, YOLOv3 and YOLOX-nano (`device.yaml`) on generated data, and
YOLOX on the photos of coco_mini where POLYHEAD_DATA has them: time, peak memory and losses of a training step in fp16
and bf16 against fp32; an interrupted and resumed training against an uninterrupted one, with the state of the loss
scaler; and a step of torchvision's SSD and of effdet, which are skipped where they are not installed. What is compared
takes turns, and a ratio is the median of the pairs. The interval of a median has a confidence of at least 90 %; of
fewer than five pairs it is their range. Nothing is downloaded.

The table is printed, and saved as `device.csv` (the columns of `results.csv`, and more) and `device.json` (all steps).
Exit code: 0 all checks passed, 1 a check failed, 2 a package is missing, 3 the time was too short for a check.
"""

import argparse
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml

from benchmarks import device_report as report
from benchmarks import record, speed
from benchmarks.device_training import (
    Opened,
    OutOfTime,
    Resume,
    Steps,
    check_resume,
    check_time,
    free_memory,
    measure,
    open_recipe,
)
from polyhead.errors import PolyheadError
from polyhead.paths import find
from polyhead.run import write_json, write_rows

SETTINGS = Path(__file__).with_name("device.yaml")
LIBRARIES = ("torch", "torchvision", "lightning", "timm", "numpy")
GPU = speed.DEVICE == "cuda"
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed") if GPU else ("32-true", "bf16-mixed")
RESUMED = PRECISIONS[-1]
"""The precision of the resume check."""
NO_GPU = (
    "16-mixed: skipped, it needs a GPU (Polyhead uses bf16-mixed instead). The resume check is in bf16-mixed, which "
    "has no loss scaler."
)


class Item(NamedTuple):
    """Something to measure.

    Attributes:
        name: what it is.
        like: what takes about as long; the first item of a kind is started whenever any time is left.
        checked: whether a check depends on it.
        work: measures it.
    """

    name: str
    like: str
    checked: bool
    work: Callable[[], None]


@dataclass
class Results:
    """The measurements so far.

    Attributes:
        timed: the timed trainings of each model and precision.
        opened: models and data that are open.
        resumes: the resume check of each model.
        references: seconds of the steps of both sides, ours first, by model, reference and precision.
        skipped: references that are not installed.
        late: items that the time did not allow.
        failures: items that raised an error, with its message.
    """

    timed: dict[str, dict[str, list[Steps]]] = field(default_factory=dict)
    opened: dict[str, Opened] = field(default_factory=dict)
    resumes: dict[str, Resume] = field(default_factory=dict)
    references: dict[tuple[str, str, str], list[list[float]]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    late: list[Item] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    """Measure, print the table, save it, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(read_settings(reduced=False)["models"])
    parser.add_argument("--out", type=Path, default=Path("runs/device"), metavar="FOLDER", help="folder of the files")
    parser.add_argument("--limit", type=float, default=540.0, metavar="SECONDS", help="time to use (default: 540)")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="MODEL", help=", ".join(names))
    parser.add_argument("--reduced", action="store_true", help="tiny networks and images, for a CPU: under a minute")
    given = parser.parse_args(argv)
    deadline = time.monotonic() + given.limit
    settings, results = read_settings(reduced=given.reduced), Results()
    common = describe(argv)
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{common['hardware']}; {common['software']}")
    longest: dict[str, float] = {}
    for item in plan(settings, given.only, results, deadline):
        do(item, results, deadline, longest)
        save(given.out, settings, common, results)
    figures = figures_of(settings, results)
    for model, opened in results.opened.items():
        print(f"{model}: {opened.images} images of {opened.size} x {opened.size} pixels in a step")
    print(report.table(figures))
    for line in [*([] if GPU else [NO_GPU]), *results.skipped, *nondeterministic(results)]:
        print(line)
    if results.late:
        print(f"no time for: {'; '.join(item.name for item in results.late)}")
    print(f"files: {given.out / 'device.csv'}, {given.out / 'device.json'}")
    code, line = report.outcome(figures, results.failures, [item.name for item in results.late if item.checked])
    print(line)
    return code


def read_settings(*, reduced: bool) -> dict[str, Any]:
    """Return the settings of `device.yaml`, and for each model its recipe, overrides and reference."""
    content: dict[str, Any] = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    for model in content["models"].values():
        model["changes"] = [*content["reduced_recipe"], *model["reduced"]] if reduced else []
        if reduced:
            model.pop("steps", None)
        elif "real" in model and all(found(entry["root"]) for entry in model["real"].values()):
            model["recipe"]["data"] = model["real"]
    names = ("tolerance", "stage", "resume_stage", "models")
    return {**content["full"], **(content["reduced"] if reduced else {}), **{name: content[name] for name in names}}


def found(root: str) -> bool:
    """Return whether a data set is found."""
    try:
        return find(root).is_dir()
    except PolyheadError:
        return False


def plan(settings: Mapping[str, Any], models: Sequence[str], results: Results, deadline: float) -> Iterator[Item]:
    """Yield what to measure: a round of trainings, the resume checks, the references, and the other rounds."""

    def opened(model: str) -> Opened:
        """Return the model and its data, which are opened when they are first needed."""
        if model not in results.opened:
            chosen = settings["models"][model]
            results.opened[model] = open_recipe(chosen["recipe"], chosen["changes"], model)
        return results.opened[model]

    def timed(model: str, precision: str) -> None:
        count = settings["models"][model].get("steps", settings["steps"])
        steps = measure(opened(model), settings["stage"], count, precision, deadline)
        results.timed.setdefault(model, {}).setdefault(precision, []).append(steps)

    def resume(model: str) -> None:
        stage, steps, stop = settings["resume_stage"], settings["resume_steps"], settings["stop"]
        results.resumes[model] = check_resume(opened(model), stage, steps, stop, RESUMED, deadline)

    def reference(model: str, name: str, precision: str) -> None:
        free_memory()
        try:
            sides = reference_sides(name, opened(model), precision)
        except ImportError as error:
            results.skipped.append(f"{name}, {precision}: skipped, not installed ({error})")
            return
        taken = speed.race({side: partial(in_time, work, deadline) for side, work in sides.items()}, settings["pairs"])
        results.references[model, name, precision] = list(taken.values())

    def trainings(number: int) -> Iterator[Item]:
        for model in models:
            for precision in PRECISIONS[:: -1 if number % 2 else 1]:  # a device that warms up slows down each side
                name = f"{model} {precision}, timed training {number + 1} of {settings['rounds']}"
                yield Item(name, f"{model}, timed", number == 0, partial(timed, model, precision))

    yield from trainings(0)
    for model in models:
        yield Item(f"{model} {RESUMED}, resume check", f"{model}, resumed", True, partial(resume, model))
    for model in models:
        name = settings["models"][model]["reference"]
        for precision in PRECISIONS[: 2 if GPU else 1] if name else ():  # neither side has a loss scaler for fp16
            yield Item(f"{model} {precision}, {name}", name, False, partial(reference, model, name, precision))
    for number in range(1, settings["rounds"]):
        yield from trainings(number)


def reference_sides(name: str, opened: Opened, precision: str) -> dict[str, Callable[[], Any]]:
    """Return a training step of Polyhead and one of the reference, on the same batch and in the same precision.

    Raises:
        ImportError: when the reference is not installed.
    """
    size = opened.size
    if name == "torchvision":
        assert opened.backbone is not None
        batch = speed.random_batch(opened.images, size)
        ours = speed.ours(opened.backbone, batch, size, precision).train
        theirs = speed.theirs(opened.backbone, batch, size).train
    else:
        module = import_module(f"benchmarks.{name}_speed")  # imports the reference, which may be absent
        size = -(-size // 128) * 128  # its pyramid halves the size seven times
        batch = speed.random_batch(opened.images, size)
        ours, theirs = module.ours(batch, size, precision), module.theirs(batch, size)

    def their_step() -> None:
        kind = speed.TYPES[precision]
        with torch.autocast(speed.DEVICE, dtype=kind, enabled=kind is not None):
            theirs()

    return {"Polyhead": ours, name: their_step}


def in_time(work: Callable[[], Any], deadline: float) -> None:
    """Do some work, and raise an error after it if the deadline has passed."""
    work()
    check_time(deadline)


def do(item: Item, results: Results, deadline: float, longest: dict[str, float]) -> None:
    """Measure an item, unless it would end after the deadline.

    Args:
        item: the item.
        results: receives the item where it was left out or failed.
        deadline: a value of ``time.monotonic()``.
        longest: the longest time of each kind of item so far, in seconds; updated.
    """
    begun = time.monotonic()
    try:
        check_time(deadline - longest.get(item.like, 0.0))
        item.work()
    except OutOfTime:
        results.late.append(item)
        return
    except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # the rest is measured
        traceback.print_exc()
        results.failures.append(f"{item.name}: {type(error).__name__}: {error}")
    seconds = time.monotonic() - begun
    longest[item.like] = max(longest.get(item.like, 0.0), seconds)
    print(f"{seconds:6.1f} s  {item.name}", file=sys.stderr, flush=True)


def figures_of(settings: Mapping[str, Any], results: Results) -> list[report.Figure]:
    """Return the figures of all measurements."""
    figures = []
    for model, timed in results.timed.items():
        figures += report.step_figures(
            model, timed, results.opened[model].images, settings["warmup"], settings["tolerance"]
        )
    for model, resume in results.resumes.items():
        figures += report.resume_figures(model, RESUMED, resume)
    for (model, name, precision), (ours, theirs) in results.references.items():
        figures.append(report.reference_figure(model, name, precision, ours, theirs))
    return figures


def nondeterministic(results: Results) -> list[str]:
    """Return a line for each model whose resume check used kernels that are not deterministic."""
    return [
        f"{model}: resume check with kernels that are not deterministic: {'; '.join(resume.nondeterministic)}"
        for model, resume in results.resumes.items()
        if resume.nondeterministic
    ]


def save(out: Path, settings: Mapping[str, Any], common: Mapping[str, Any], results: Results) -> None:
    """Write `device.csv` and `device.json`."""
    figures = figures_of(settings, results)
    with record.TABLE.open(encoding="utf-8") as file:
        columns = file.readline().strip().split(",")
    images = {model: opened.images for model, opened in results.opened.items()}
    write_rows(out / "device.csv", report.csv_rows(figures, columns, common, images))
    content = {
        **common,
        "settings": settings,
        "figures": [figure._asdict() for figure in figures],
        "timed": {
            model: {precision: [each._asdict() for each in runs] for precision, runs in timed.items()}
            for model, timed in results.timed.items()
        },
        "resumes": {model: each._asdict() for model, each in results.resumes.items()},
        "references": {" ".join(names): seconds for names, seconds in results.references.items()},
        "skipped": [*results.skipped, *(item.name for item in results.late)],
        "failures": results.failures,
    }
    write_json(out / "device.json", content)


def describe(argv: Sequence[str]) -> dict[str, Any]:
    """Return the columns that all rows have: date, command, seed, hardware, software and commit."""
    device = torch.cuda.get_device_name() if GPU else platform.platform()
    software = [f"{name} {version(name)}" for name in LIBRARIES]
    if GPU:
        driver = output_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader") or "unknown"
        tf32 = "on" if torch.backends.cudnn.allow_tf32 else "off"
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch has no types here
        software += [f"driver {driver}", f"CUDA {torch.version.cuda}", f"cuDNN {cudnn}"]
        software += [f"TF32 in convolutions {tf32}"]
    git = ("git", "-C", str(SETTINGS.parent))
    commit = output_of(*git, "rev-parse", "HEAD")[:12]
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "run": "device",
        "command": record.command(["device.sh", *argv]),
        "seed": 0,
        "hardware": f"{device}, {torch.get_num_threads()} threads",
        "commit": commit + ("+changes" if output_of(*git, "status", "--porcelain") else ""),
        "software": f"Python {platform.python_version()}, {', '.join(software)}",
    }


def output_of(*command: str) -> str:
    """Return what a command prints; empty if it does not exist or fails."""
    with suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
