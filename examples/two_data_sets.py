"""Train one network on two data sets with different classes, and compare it with one network for each.

The images show fruit and road signs. One data set has boxes for fruit only, the other for signs only. For data of your
own, replace the readers: {"reader": "coco", "root": "my/fruit"}. docs/heads.md explains the steps.
"""

from typing import Any

import polyhead
from polyhead.analysis.table import Row, text
from polyhead.workflows.result import plot

SIZE = 128
EPOCHS = 5


def recipe(*tasks: str) -> dict[str, Any]:
    """Return a recipe with one head for each data set, on one backbone and neck."""
    other = {"fruit": "signs", "signs": "fruit"}
    scenes = {"reader": "scenes", "count": 500, "size": SIZE, "val": {"seed": 1, "count": 40}, "batch": 4}
    return {
        "model": {
            "class_path": "ssd300",
            "init_args": {"backbone": "regnetx_002", "size": SIZE, "width": 128, "smallest": 0.3},  # large objects
        },
        "data": {
            task: {**scenes, "domain": task, "mixed": other[task], "test": {"seed": 2, "count": 200}} for task in tasks
        },
        "stages": [{"epochs": EPOCHS, "lr": 0.003, "schedule": "onecycle", "val_every": 2}],
        "seed": 0,
    }


def main(*changes: str) -> list[Row]:
    """Train three networks, print the paired difference, and draw the predictions of both heads."""
    both = polyhead.train(recipe("fruit", "signs"), changes, name="both")
    fruit = polyhead.train(recipe("fruit"), changes, name="fruit")
    signs = polyhead.train(recipe("signs"), changes, name="signs")

    # The same test images, resampled together: what is hard for both networks cancels out.
    rows = polyhead.compare({"two networks": [[fruit, signs]], "one network": both})
    print(text(rows))  # "one network" has its difference with a 90 % interval: one that contains 0 is not significant

    image = min(both.samples.iterdir())
    results = polyhead.load(both)(image, across=0.5)  # one result for each head
    if drawn := plot(results):
        drawn.save(both.folder / "both_heads.png")
    print(*(f"{result.task}: {result}" for result in results), sep="\n")
    return rows


if __name__ == "__main__":
    main()
