"""Add a task to a trained network after the data of its first tasks was deleted, and measure what they have lost.

docs/continual.md explains how: the run has stored a few of its images, and the earlier network teaches the new one.
"""

import shutil
from pathlib import Path
from typing import Any

import polyhead
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_yolo

SIZE = 128
FOLDER = Path("first_data")


def first_tasks(count: int) -> dict[str, Any]:
    """Write two data sets of different classes, and return the recipe of a network with a head for each."""
    for domain in ("fruit", "signs"):
        write_yolo(Scenes(count, domain=domain, size=SIZE), FOLDER / domain)
    return {
        "model": {
            "class_path": "ssd300",
            "init_args": {"backbone": "regnetx_002", "size": SIZE, "width": 128, "smallest": 0.3},  # large objects
        },
        "data": {domain: {"reader": "yolo", "root": str(FOLDER / domain), "batch": 4} for domain in ("fruit", "signs")},
        "stages": [{"epochs": 6, "lr": 0.003, "schedule": "onecycle"}],
        "seed": 0,
    }


def main(*changes: str, count: int = 400) -> polyhead.Run:
    """Train two tasks, delete their data, add a third, and print scores before and after."""
    first = polyhead.train(first_tasks(count), changes, name="first")
    shutil.rmtree(FOLDER)

    # A head of another kind is one more setting. The three heads share one backbone and one pass.
    times = {"reader": "scenes", "target": "times", "count": count, "size": SIZE, "seed": 3}
    later = polyhead.extend(first, "daytime", times, [*changes, "model.heads.daytime=classify"])

    print("the new task:", later.results["test"]["tasks"]["daytime"]["score"])
    for drop in later.results["forgetting"]:
        print(
            f"{drop['task']}: {drop['baseline']:.3f} before, {drop['score']:.3f} after ({drop['images']} test images)"
        )

    image = min(later.samples.iterdir())
    for result in polyhead.load(later)(image):  # a result for each of the three heads
        print(f"{result.task}: {result}")
    return later


if __name__ == "__main__":
    main()
