"""Kill a real training at random moments, resume it each time, and compare its weights with an untouched run's.

    python benchmarks/kills.py demo epochs=2 data.signs.count=320 --kills 20

The moments are spread over the whole command: start-up, training, validation, writing, the final measurement. When a
training has ended before all of them were used, another one is begun.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from polyhead.config import overrides
from polyhead.run import Run


def command(*words: str) -> subprocess.Popen[bytes]:
    """Start a Polyhead command in its own process, without output."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "polyhead", *words], stdout=quiet, stderr=quiet)


def states(run: Run) -> dict[str, torch.Tensor]:
    """Return every tensor of every weights file, by file and name."""
    return {
        f"{path.name}:{name}": value
        for path in sorted(run.weights.glob("*.pt"))
        for name, value in torch.load(path, weights_only=True)["state"].items()
    }


def killed_often(words: Sequence[str], run: Run, moments: list[float]) -> int:
    """Train into ``run``, killed at each of the moments (in seconds), until it finishes; return the number of kills."""
    kills = 0
    while True:
        again = ["train", "--resume", str(run.folder)] if run.config.is_file() else [*words, f"name={run.folder.name}"]
        process = command(*again)
        try:
            if process.wait(moments.pop() if moments else None) != 0:
                raise SystemExit("a training that was killed did not end well")
            return kills
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            print(
                f"killed, {'with a state to resume' if run.resume.is_file() else 'before the first state'}", flush=True
            )


def main() -> int:
    """Run both trainings and compare them; return 0 if all tensors are equal, bit for bit."""
    given, changes = overrides.separate(sys.argv[1:], ("--kills", "--seed", "--runs", "--help", "-h"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--runs", default="runs/kills")
    options = parser.parse_args(given)
    words = ["train", options.recipe, f"runs={options.runs}", *changes]
    begun = time.monotonic()
    if command(*words, "name=whole").wait() != 0:
        raise SystemExit("the untouched training failed")
    seconds = time.monotonic() - begun
    print(f"untouched: {seconds:.0f} s", flush=True)
    whole = states(Run(Path(options.runs) / "whole"))
    chance = torch.Generator().manual_seed(options.seed)
    moments = [seconds * share for share in (0.1 + 0.8 * torch.rand(options.kills, generator=chance)).tolist()]
    kills = different = number = 0
    while moments:
        run = Run(Path(options.runs) / f"killed{number}")
        kills += killed_often(words, run, moments)
        resumed = states(run)
        differ = [name for name in whole.keys() | resumed.keys() if not _same(whole.get(name), resumed.get(name))]
        print(f"{len(whole)} tensors compared after {kills} kills in all: {len(differ)} differ", flush=True)
        different += len(differ)
        number += 1
    return min(different, 1)


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is not None and other is not None and torch.equal(one, other)


if __name__ == "__main__":
    raise SystemExit(main())
