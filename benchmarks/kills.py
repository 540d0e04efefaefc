"""Kill a real training at random moments, resume it each time, and compare its weights with an untouched run's.

    python benchmarks/kills.py demo epochs=2 data.signs.count=320 --kills 20

The moments are spread over the whole command: start-up, training, validation, writing, the final measurement.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch

from polyhead import overrides
from polyhead.run import Run


def command(*words: str) -> subprocess.Popen[bytes]:
    """A Polyhead command in a process of its own, quiet."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "polyhead", *words], stdout=quiet, stderr=quiet)


def states(run: Run) -> dict[str, torch.Tensor]:
    """Every tensor of every weights file."""
    return {
        f"{path.name}:{name}": value
        for path in sorted(run.weights.glob("*.pt"))
        for name, value in torch.load(path, weights_only=True)["state"].items()
    }


def main() -> int:
    """Run both trainings; returns 0 when all tensors are equal, bit for bit."""
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
    print(f"untouched: {seconds:.0f} s")
    chance = torch.Generator().manual_seed(options.seed)
    killed = Run(Path(options.runs) / "killed")
    kills = 0
    while True:
        again = killed.config.is_file()
        process = command("train", "--resume", str(killed.folder)) if again else command(*words, "name=killed")
        try:
            code = process.wait(
                float(torch.rand((), generator=chance) * 0.8 + 0.1) * seconds if kills < options.kills else None
            )
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            print(f"kill {kills}: {'resumable' if killed.resume.is_file() else 'before the first state'}")
            continue
        if code != 0:
            raise SystemExit(f"a resumed training ended with code {code}")
        if kills >= options.kills:
            break
        print("the training ended before the next kill; what it left is resumed again")
        kills += 1
    whole, resumed = states(Run(Path(options.runs) / "whole")), states(killed)
    different = [name for name in whole if name not in resumed or not torch.equal(whole[name], resumed[name])]
    print(f"{len(whole)} tensors compared after {kills} kills: {len(different)} differ")
    return 1 if different or len(whole) != len(resumed) else 0


if __name__ == "__main__":
    raise SystemExit(main())
