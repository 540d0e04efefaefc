"""Train a detector on a folder of images with boxes, see where it is wrong, and detect: own_images.py FOLDER IMAGE...

The folder has any format that `polyhead init` recognizes: COCO, VOC, YOLO, LabelMe, a CSV file of boxes. Without one,
generated images are used. docs/tutorial.md explains the steps.
"""

import sys
from pathlib import Path
from typing import Any

import polyhead
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_yolo
from polyhead.workflows.init import init
from polyhead.workflows.result import table

MINUTES: float | None = 5.0
"""Time limit of the training: image size and epochs are chosen to fit it. None takes as long as the data deserves."""


def generated(folder: Path, count: int = 300) -> Path:
    """Write generated images of fruit as YOLO data, unless they are there already."""
    if not folder.exists():
        write_yolo(Scenes(count, domain="fruit", size=160), folder)
    return folder


def recipe_for(folder: Path) -> Path:
    """Check every image and annotation of a folder, and write a recipe. It is yours to edit, so it is written once."""
    recipe = Path(f"{folder.name}.yaml")
    return recipe if recipe.exists() else init(folder, recipe, minutes=MINUTES)


def main(folder: Path, images: list[Path], **settings: Any) -> polyhead.Run:
    """Train on a folder, analyze the errors on test images, and detect objects in other images."""
    run = polyhead.train(recipe_for(folder), name=folder.name, **settings)  # prints what the scores are worth
    polyhead.analyze_errors(run)  # tables and plots are in the run folder, errors/

    results = polyhead.load(run)(images or run.samples)  # a few test images, if none are given
    drawn = run.folder / "drawn"
    drawn.mkdir()
    for result in results:
        print(f"{result.image}: {result}")
        result.save(drawn / f"{Path(result.image).stem}.jpg")
    table(results).to_csv(run.folder / "detections.csv", index=False)  # a box per row, xyxy in pixels of the image
    print(f"drawn images are in {drawn}, and all boxes in {run.folder / 'detections.csv'}")
    return run


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    main(given[0] if given else generated(Path("fruit")), given[1:])
