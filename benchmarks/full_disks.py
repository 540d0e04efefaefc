"""Train on disks that are too small: the training must say so, and be resumed when there is room.

    python -m benchmarks.full_disks WORK [--sizes 15] [--seed 0]

Each disk is a tmpfs in a mount namespace of its own, which needs root. Where that is not allowed, the largest size of a
file is limited instead, which fails in the same places but for the small files.

Prints a line for each size with the message, and the totals. The message must be one line, no partial file may be left,
and what the resumed training leaves must equal that of an untouched one bit for bit.
"""

import argparse
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import yaml

from benchmarks import forked
from benchmarks.kills import CASES, LIMIT, contents

NEW_MOUNTS = 0x00020000
"""CLONE_NEWNS of unshare(2)."""
CASE = "joint"
UNLIMITED = resource.RLIM_INFINITY


def main(argv: Sequence[str]) -> int:
    """Run the campaign; returns 0 if every training ended as it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK", help="a new folder for the recipe and the runs")
    parser.add_argument("--sizes", type=int, default=15, help="how many (default: 15)")
    parser.add_argument("--seed", type=int, default=0, help="of the sizes (default: 0)")
    given = parser.parse_args(argv)
    forked.preload()
    work = given.work.absolute()
    work.mkdir(parents=True)
    recipe = yaml.safe_load(CASES.read_text(encoding="utf-8"))[CASE]
    (work / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    begun = time.monotonic()
    whole = work / "whole"
    if _train(work, ["train", "recipe.yaml", f"runs={whole}", "name=run"]) != 0:
        raise SystemExit(f"the untouched run failed, see {work / 'log'}")
    mounts = _may_mount(work)
    used = _used(whole) if mounts else max(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    print(f"untouched: {used} bytes, {'disks' if mounts else 'sizes of files'} are limited", flush=True)
    chance = torch.rand(given.sizes, generator=torch.Generator().manual_seed(given.seed)).tolist()
    sizes = [int(used * (number + share) / given.sizes) for number, share in enumerate(chance)]
    expected = contents(whole)
    totals: Counter[str] = Counter()
    for size in sizes:
        outcome, words = _isolated(partial(_full, work, size, mounts, expected), mounts)
        print(f"{size} bytes: {outcome}: {words}", flush=True)
        totals[outcome] += 1
    print(f"{', '.join(f'{count} {what}' for what, count in totals.items())}; {time.monotonic() - begun:.0f} s")
    return int(set(totals) - GOOD != set())


GOOD = {"resumed", "begun anew", "enough"}


def _full(work: Path, size: int, mounts: bool, expected: dict[str, object]) -> tuple[str, str]:
    """Train with little room, then with enough; returns what happened, and the message or what is wrong."""
    disk = work / "disk"
    disk.mkdir(exist_ok=True)
    if mounts:
        _mount(disk, size)
    else:
        shutil.rmtree(disk / "runs", ignore_errors=True)
    log = work / "log"
    log.unlink(missing_ok=True)
    begin = ["train", "recipe.yaml", f"runs={disk / 'runs'}", "name=run"]
    code = _train(work, begin, None if mounts else size)
    printed = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    if code == 0:
        return "enough", ""
    message = printed[-1] if printed else "no message"
    if code != 2 or not message.startswith("polyhead: error: ") or any("Traceback" in line for line in printed):
        return "no message", f"exit code {code}; {message}"
    if left := [path.name for path in disk.rglob("*.partial*")]:
        return "partial file", ", ".join(left)
    if mounts:
        subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
    resumes = (disk / "runs" / "run" / "config.yaml").is_file()
    again = ["train", "--resume", str(disk / "runs" / "run")] if resumes else begin
    if (code := _train(work, again)) != 0:
        return "not resumed", f"exit code {code}, after {message}; see {log}"
    found = contents(disk / "runs")
    differing = sorted(file for file in expected.keys() | found.keys() if expected.get(file) != found.get(file))
    if differing:
        return "different", ", ".join(differing)
    return "resumed" if resumes else "begun anew", message


def _train(work: Path, words: Sequence[str], largest: int | None = None) -> int | None:
    """Run a command, with files of at most ``largest`` bytes; returns its exit code, None if it takes too long."""

    def limit() -> None:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, UNLIMITED))

    pid = forked.start(words, work / "log", limit, work)
    code = forked.wait(pid, LIMIT)
    if code is None:
        forked.kill(pid)
    return code


def _isolated(action: Callable[[], tuple[str, str]], mounts: bool) -> tuple[str, str]:
    """Return the result of a function that runs in a process with mounts of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            if mounts:
                _unshare()
            os.write(writing, json.dumps(action()).encode())
            code = 0
        except BaseException:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # it must not return
            traceback.print_exc()
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as file:
        text = file.read()
    os.waitpid(pid, 0)
    outcome, words = json.loads(text) if text else ("failed", "see above")
    return outcome, words


def _unshare() -> None:
    """Give this process its own mounts, which nobody else sees and which end with it."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True, stderr=subprocess.DEVNULL)


def _mount(folder: Path, size: int) -> None:
    """Mount a disk of some bytes."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True, stderr=subprocess.DEVNULL
    )


def _may_mount(work: Path) -> bool:
    """Return whether disks can be mounted here."""
    (work / "disk").mkdir(exist_ok=True)
    pid = os.fork()
    if not pid:
        try:
            _unshare()
            _mount(work / "disk", 2**20)
        except (OSError, subprocess.CalledProcessError):
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _used(folder: Path) -> int:
    """Return the room of the files of a folder on a tmpfs, in bytes: whole pages, and one for each folder."""
    page = resource.getpagesize()
    return sum(-(-path.stat().st_size // page) * page if path.is_file() else page for path in folder.rglob("*"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
