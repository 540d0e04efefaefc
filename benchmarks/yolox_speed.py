"""Time of one image through YOLOX-nano, as ``predict`` computes it, and through ultralytics' fused YOLO11n.

    python -m benchmarks.yolox_speed --ultralytics PYTHON [--size 416] [--pairs 15] [--images 20]

PYTHON is an interpreter of another environment, which has ultralytics; Polyhead never imports it. Both networks have
random weights, batch norms folded, one image in a batch and one thread. Timed is everything from pixels to the box and
the class scores of each cell, before suppression; bf16 only where it is native. A pair is the mean of a few images of
ours and then of theirs. Seconds are those of the CPU (``--wall``: of the clock), so that other programs disturb less. A
ratio is the median over the pairs, with an interval of at least 90 % confidence; above 1, ours is faster.

The networks are not equally good: YOLOX-nano has an AP of 25.8 on COCO, YOLO11n 39.5 (published by their authors).
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.device_report import interval
from benchmarks.speed import hardware
from polyhead.models import yolox
from polyhead.nets.fold import folded_copy
from polyhead.nets.heads.dense import Dense
from polyhead.nets.inference import raw_predictions
from polyhead.nets.precision import resolve
from polyhead.types import Batch, Meta, TaskInfo

WORKER = Path(__file__).with_name("ultralytics_speed.py")
CLASSES = 80
OURS = {"float32": "32-true", "bf16": "bf16-mixed"}
THEIRS = ("float32", "float32 channels-last", "bf16", "bf16 channels-last", "bf16 weights channels-last")
"""Its default first; then what else ultralytics' network can be run with."""


def ours(size: int, precision: str) -> Callable[[], object]:
    """Return a function that computes boxes and scores of one image."""
    model = yolox(size=size).build({"coco": TaskInfo([str(number) for number in range(CLASSES)])})
    images = torch.randint(256, (1, 3, size, size), dtype=torch.uint8).to(memory_format=torch.channels_last)
    batch = Batch(images, None, [Meta("0")])
    model = model.to(memory_format=torch.channels_last).eval()
    folded = folded_copy(model, lambda each: raw_predictions(each, batch, ["coco"]))
    head = folded.head("coco")
    assert isinstance(head, Dense)
    dense: Dense = head

    @torch.inference_mode()
    def infer() -> object:
        raw = raw_predictions(folded, batch, ["coco"], precision)["coco"]
        return dense.coder.decode(raw.deltas, raw.anchors, raw.strides), dense.scores(raw)

    return infer


class Worker:
    """The process that times ultralytics' network.

    Args:
        python: an interpreter that can import it.
        size: side of the images in pixels.
        clock: a function of the module ``time``.
    """

    def __init__(self, python: str, size: int, clock: str) -> None:
        command = [python, str(WORKER), str(size), clock]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with  # lives as long as the measurement
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, request: str) -> str:
        """Return the answer to one line."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("answer "):
                return line.removeprefix("answer ").strip()
        raise SystemExit(f"{WORKER} ended with exit code {self.process.wait()}")

    def seconds(self, variant: str, images: int) -> float:
        """Return the mean seconds of an image."""
        return float(self.ask(f"{images} {variant}"))


def seconds_of(infer: Callable[[], object], images: int, clock: str) -> float:
    """Return the mean seconds of an image."""
    now = getattr(time, clock)
    begun = now()
    for _ in range(images):
        infer()
    return float(now() - begun) / images


def row(name: str, mine: Sequence[float], other: Sequence[float]) -> str:
    """Return a row of the table: medians in milliseconds, and the ratio with its interval."""
    ratios = [b / a for a, b in zip(mine, other, strict=True)]
    low, high = interval(ratios) or (min(ratios), max(ratios))
    medians = (1e3 * statistics.median(mine), 1e3 * statistics.median(other))
    return f"{name:<36}{medians[0]:>8.1f}{medians[1]:>8.1f}{statistics.median(ratios):>7.2f}  [{low:.2f}, {high:.2f}]"


def main(argv: Sequence[str]) -> int:
    """Time both networks in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ultralytics", required=True, metavar="PYTHON", help="an interpreter that has ultralytics")
    parser.add_argument("--size", type=int, default=416, help="side of the image in pixels (default: 416)")
    parser.add_argument("--pairs", type=int, default=15, help="pairs of measurements (default: 15)")
    parser.add_argument("--images", type=int, default=20, help="images of a measurement (default: 20)")
    parser.add_argument("--wall", action="store_true", help="measure the time of the clock, not that of the CPU")
    parser.add_argument("--bf16", action="store_true", help="measure bf16 where the hardware has none, too (slow)")
    given = parser.parse_args(argv)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    clock = "perf_counter" if given.wall else "process_time"
    worker = Worker(given.ultralytics, given.size, clock)
    precisions = OURS if given.bf16 or resolve("auto") == "bf16-mixed" else {"float32": OURS["float32"]}
    mine = {name: ours(given.size, precision) for name, precision in precisions.items()}
    taken: dict[str, list[float]] = {name: [] for name in (*mine, *(f"theirs {name}" for name in THEIRS))}
    for number in range(given.pairs + 1):
        for name, infer in mine.items():
            taken[name].append(seconds_of(infer, given.images, clock))
            for variant in THEIRS:
                if variant.startswith(name):
                    taken[f"theirs {variant}"].append(worker.seconds(variant, given.images))
        if number == 0:  # to warm up
            taken = {name: [] for name in taken}
    print(f"{hardware(resolve('auto'))}; {worker.ask('version')}")
    print(f"one image of {given.size} pixels, {given.pairs} pairs of {given.images} images, {clock}")
    print(f"{'ms':<36}{'YOLOX-n':>8}{'YOLO11n':>8}{'ratio':>7}  interval")
    for variant in THEIRS:
        name = variant.split()[0]
        if name in mine:
            print(row(variant, taken[name], taken[f"theirs {variant}"]))
    print("AP on COCO, published: YOLOX-nano 25.8, YOLO11n 39.5")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
