"""Measure what steps of alternating image sizes cost against steps of one size, with and without oneDNN's larger cache.

    python -m benchmarks.multi_resolution [--scale nano] [--sizes 320 352 ...] [--batch 2] [--rounds 3]

Each round takes a few steps at each size, in random order. The first of them follows a step of another size, as in
multi-resolution training; the others follow a step of the same size. A step is forward, losses, backward and AdamW of
YOLOX with random weights, in the precision that the engine would choose. Seconds are those of the processor, so that
other work on the machine counts as little as it can. Each cache is measured in a process of its own, because oneDNN
reads the setting once.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import torch

from benchmarks.speed import CLASSES, hardware, random_batch
from benchmarks.steps import plain
from polyhead.models import yolox
from polyhead.nets.precision import resolve
from polyhead.rng import derive_seed
from polyhead.types import TaskInfo

SIZES = list(range(320, 609, 32))
SETTING = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
CACHES = {"default cache": None, "cache of the command line": "16384"}
REPEATED = 2
"""Steps that follow one of the same size, in each round."""


def measure(scale: str, sizes: Sequence[int], batch: int, rounds: int) -> dict[str, float]:
    """Return the seconds of a step where sizes alternate and where they are fixed: the means over all sizes."""
    model = yolox(scale=scale, size=max(sizes)).build({"task": TaskInfo([f"class {each}" for each in range(CLASSES)])})
    steps = {size: plain(model, {"task": random_batch(batch, size)}) for size in sizes}
    alternating: dict[int, list[float]] = {size: [] for size in sizes}
    fixed: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(rounds + 1):  # the first one is not counted
        order = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(derive_seed("order", number)))
        for size in (sizes[index] for index in order.tolist()):
            taken = []
            for _ in range(1 + REPEATED):
                begun = time.process_time()
                steps[size]()
                taken.append(time.process_time() - begun)
            if number:
                alternating[size].append(taken[0])
                fixed[size] += taken[1:]
    means = (statistics.fmean(map(statistics.median, times.values())) for times in (alternating, fixed))
    return dict(zip(("alternating", "fixed"), means, strict=True))


def main(argv: Sequence[str]) -> int:
    """Measure both caches, each in a process of its own, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scale", default="nano", help="size of the network (default: %(default)s)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="sides of the images (default: 320 to 608)")
    parser.add_argument("--batch", type=int, default=2, help="images of a step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all sizes (default: %(default)s)")
    parser.add_argument("--here", action="store_true", help="measure in this process, and print JSON")
    given = parser.parse_args(argv)
    if given.here:
        print(json.dumps(measure(given.scale, given.sizes, given.batch, given.rounds)))
        return 0
    print(hardware(resolve("auto")))
    for name, capacity in CACHES.items():
        environment = {key: value for key, value in os.environ.items() if key != SETTING}
        environment |= {} if capacity is None else {SETTING: capacity}
        command = [sys.executable, "-m", "benchmarks.multi_resolution", *argv, "--here"]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        seconds = json.loads(done.stdout.splitlines()[-1])
        ratio = seconds["alternating"] / seconds["fixed"]
        print(f"{name}: {ratio:.2f} ({seconds['alternating']:.3f} s against {seconds['fixed']:.3f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
