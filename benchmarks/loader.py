"""Measure the images per second that one process prepares for training.

The data is coco128, with mosaic in 0.75 of the images, flips, scales and colors.

    POLYHEAD_DATA=FOLDER python benchmarks/loader.py
    POLYHEAD_DATA=FOLDER python benchmarks/loader.py --ultralytics PYTHON

Cold is the first pass of a loader that holds no decoded image yet; warm is a later one, with every image in memory.
With ``--ultralytics``, the loader of that package is timed in the same rounds, by its own interpreter in a process of
its own (benchmarks/ultralytics_loader.py); pass by pass in turn, with the same number of threads: one. Both make the
same kinds of changes by their own rules: theirs goes to HSV and back for colors, ours multiplies by a matrix. Seconds
are those of the processor, so that other work on the machine counts as little as it can; with ``--wall`` those of the
clock on the wall, for a quiet machine.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import cv2
import torch

from polyhead.data.augment.yolov4 import Yolov4
from polyhead.data.loading.cache import Cached
from polyhead.data.loading.streams import Collate, Decoded, Steps, StreamLoader, TrainSet
from polyhead.data.readers.yolo import Yolo
from polyhead.kinds import kind_of
from polyhead.modalities.image import Image
from polyhead.paths import find

DATA = "coco128"
LOOK = Yolov4(mosaic=0.75, mixup=0.0, cutmix=0.0, erase=0.0)
STATES = ("cold", "warm")
ROOM = 2**32


class Ours:
    """Polyhead's loader without worker processes."""

    def __init__(self, size: int, batch: int, clock: str) -> None:
        self.batch, self.now = batch, getattr(time, clock)
        self.reader, self.modality = Yolo(DATA), Image()
        self.modality.fit([], (size, size), LOOK)
        self.entries = [self.reader.entry(index) for index in range(len(self.reader))]
        self.loader = self.fresh()

    def fresh(self) -> StreamLoader:
        """Return a loader with an empty cache."""
        length = len(self.reader)
        read = Cached(Decoded(self.reader, self.modality), self.entries, self.modality.cached_bytes, ROOM)
        data = TrainSet(read, length, self.modality.train, 0)
        steps = Steps(length, self.batch, length // self.batch, 0, mix_until=sys.maxsize)
        collate = Collate(kind_of(self.reader.kind), self.modality)
        loader = StreamLoader(data, batch_sampler=steps, collate_fn=collate)
        loader.position = lambda: 0
        return loader

    def rate(self, state: str) -> float:
        """Return the images per second of one pass."""
        if state == "cold":
            self.loader = self.fresh()
        begun = self.now()
        count = sum(len(batch.ids) for batch in self.loader)
        return float(count / (self.now() - begun))


class Theirs:
    """Another loader, in its own process, which makes one pass per request."""

    def __init__(self, python: str, size: int, batch: int, clock: str) -> None:
        script = Path(__file__).with_name("ultralytics_loader.py")
        command = [python, str(script), str(find(DATA)), str(size), str(batch), str(LOOK.mosaic), clock]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with  # close() ends it
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def rate(self, state: str) -> float:
        """Return the images per second of one pass."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(state + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("rate "):
                return float(line.split()[1])
        raise SystemExit(f"{self.process.args!r} ended without an answer")

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def main(argv: Sequence[str]) -> int:
    """Time the loaders and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=640, help="side of the images in pixels (default: 640)")
    parser.add_argument("--batch", type=int, default=16, help="images a step (default: 16)")
    parser.add_argument("--rounds", type=int, default=5, help="passes of each side and state (default: 5)")
    parser.add_argument("--ultralytics", metavar="PYTHON", help="an interpreter that can import ultralytics")
    parser.add_argument("--wall", action="store_true", help="seconds of the wall clock, not of the processor")
    given = parser.parse_args(argv)
    clock = "perf_counter" if given.wall else "process_time"
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    loaders: dict[str, Callable[[str], float]] = {"polyhead": Ours(given.size, given.batch, clock).rate}
    reference = Theirs(given.ultralytics, given.size, given.batch, clock) if given.ultralytics else None
    if reference:
        loaders["ultralytics"] = reference.rate
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(given.rounds):
        for state in STATES:
            for name, rate in loaders.items():
                found.setdefault((name, state), []).append(rate(state))
    if reference:
        reference.close()
    print(f"{DATA}, {given.size} pixels, batch {given.batch}, mosaic {LOOK.mosaic}, {given.rounds} rounds, {clock}")
    print(
        f"{'images a second':<20}"
        + "".join(f"{name:>14}" for name in loaders)
        + ("ratio" if reference else "").rjust(9)
    )
    for state in STATES:
        cells = "".join(f"{median(found[name, state]):>14.1f}" for name in loaders)
        if reference:
            ratios = [a / b for a, b in zip(found["polyhead", state], found["ultralytics", state], strict=True)]
            cells += f"{median(ratios):>9.2f}  {min(ratios):.2f} to {max(ratios):.2f} in a round"
        print(f"{state:<20}{cells}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
