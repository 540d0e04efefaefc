"""Build a run folder with all that is shown of a run, and with private things that must not be."""

import json
from pathlib import Path
from typing import Any

from builders.untrained_run import two_detectors
from PIL import Image

OPEN, CLOSED = "CC BY 4.0", "no open license, for research only"
TASKS = ("street", "food")


def score(task: str, **entries: Any) -> dict[str, Any]:
    """Return the numbers of a task, as ``results.json`` has them."""
    return {"kind": "detection", "metric": "AP50", "score": 0.5, "images": 4, "protocol": f"of {task}", **entries}


def shown_run(folder: Path, street: str = OPEN, food: str = OPEN) -> Path:
    """Write a run of two detectors, whose data has these licenses."""
    two_detectors(folder)
    stated = {"street": street, "food": food}
    manifest = {
        "command": ["/home/ann/polyhead", "train", "secret.yaml"],
        "seed": 3,
        "precision": "32-true",
        "versions": {"polyhead": "0.1.0"},
        "hardware": {"machine": "anns-laptop", "cpu": "x", "threads": 1, "gpu": None},
        "parameters": {"backbone": 10},
        "kinds": dict.fromkeys(TASKS, "detection"),
        "data": {
            task: {"license": terms, "names": ["a"], "skipped": ["/home/ann/bad.jpg: cut"]}
            for task, terms in stated.items()
        },
        "splits": {task: {"test": ["image-of-bob"]} for task in TASKS},
        "links": {"paper": "https://example.org/paper"},
        "extends": {"run": "/home/ann/runs/before", "task": "food"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "results.json").write_text(json.dumps({"test": {"tasks": {task: score(task) for task in TASKS}}}))
    (folder / "results.csv").write_text("stage,epoch,time\n0,1,1.5\n")
    (folder / "verdict.txt").write_text("street:\n  AP50 0.500 on 4 test images.\n")
    for name in ("samples", "mistakes", "plots"):
        (folder / name).mkdir()
    Image.new("RGB", (20, 20)).save(folder / "plots" / "results.png")
    for task in TASKS:
        Image.new("RGB", (64, 48), "gray").save(folder / "samples" / f"{task}_0.jpg")
        Image.new("RGB", (64, 48), "gray").save(folder / "mistakes" / f"{task}.missed.1.jpg")
    mistakes = [
        {
            "file": f"{task}.missed.1.jpg",
            "image": "7",
            "path": f"/home/ann/{task}/7.jpg",
            "task": task,
            "type": "missed",
            "caption": "missed",
        }
        for task in TASKS
    ]
    tasks = {task: {"images": 4, "unread": ["/home/ann/x.jpg: cut"], "types": {"missed": 1}} for task in TASKS}
    table = {"split": "test", "conf": 0.25, "tasks": tasks, "mistakes": mistakes}
    (folder / "mistakes" / "mistakes.json").write_text(json.dumps(table))
    return folder


def all_bytes(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder, by path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
