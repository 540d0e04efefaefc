"""Score a task on images of its own data that its training left out, test not among them.

    python benchmarks/unseen.py --task NAME WEIGHTS [WEIGHTS ...] [--then WEIGHTS ...]

`unified_small` gives each COCO image to one task only, so most masks of the detection images, and most boxes of the
segmentation images, are never trained on. Together with val they are six times as many images as val alone, enough to
see the effect of a setting. WEIGHTS are those of stages (`RUN/weights/stage0.pt`, `best.pt`). The training images of
the task are read from the run of the first file; they are the same for every seed. With `--then`, the weights in the
same order are those of a later stage or of another setting; the script prints the relative change of the mean over
seeds, with its interval over seeds and images.

Another task of the run may train on some of these images, which slightly flatters a stage that trains that task.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from polyhead.analysis.stored_predictions import MEASURES, TITLES, ScoredRun, kind_of
from polyhead.config import recipe
from polyhead.data.loading.source import TaskData
from polyhead.errors import PolyheadError
from polyhead.metrics.intervals import Interval, bootstrap_weights, mean_over_runs, percentile_interval
from polyhead.metrics.masks import PixelCounts
from polyhead.metrics.per_image import ImagePredictions, of_pixels
from polyhead.metrics.pooled import BoxPredictions
from polyhead.metrics.store import StoredKind
from polyhead.run import Run
from polyhead.types import Detections
from polyhead.workflows.evaluate import predict_split
from polyhead.workflows.predict import load

FIGURES: Mapping[StoredKind, tuple[str, ...]] = {"boxes": ("ap50", "ap"), "pixels": MEASURES["pixels"]}
"""The figures printed for each kind of task; a change is of the first."""


def run_of(weights: str) -> Run:
    """Return the run of a weights file."""
    return Run.open(Path(weights).parent.parent)


def unseen(run: Run, name: str) -> TaskData:
    """Return a task of a run whose val split is every image of its reader that it is not trained or tested on."""
    config = recipe.load(run.config)
    if name not in config["data"]:
        raise PolyheadError(f"{run.folder} has no task {name!r}; give one of {', '.join(config['data'])}")
    (source,) = recipe.sources({"data": {name: config["data"][name]}}).values()
    splits = run.read_manifest()["splits"][name]
    reader = source.reader
    known = {*splits["train"], *splits["test"]}
    rest = [reader.annotation(index).id for index in range(len(reader)) if reader.annotation(index).id not in known]
    source.val = None
    return TaskData(name, source, load(run.folder).model.size, int(config["seed"]), {**splits, "val": rest})


def answers(weights: str, task: TaskData) -> BoxPredictions | ImagePredictions:
    """Return the predictions of a weights file for every image, in the precision of its run."""
    precision = run_of(weights).precision
    found = predict_split(load(weights).model.eval(), task.name, task, "val", "cpu", precision)
    boxes = {key: value for key, value in found.items() if isinstance(value, Detections)}
    pixels = {key: value for key, value in found.items() if isinstance(value, PixelCounts)}
    if len(boxes) == len(found):
        return BoxPredictions(task.name, task.targets("val"), boxes, task.names)
    if len(pixels) == len(found):
        return of_pixels(task.name, pixels, task.names)
    raise PolyheadError(f"task {task.name!r} predicts classes of images. Give a task that predicts boxes or masks")


def change(
    first: Sequence[BoxPredictions | ImagePredictions], then: Sequence[BoxPredictions | ImagePredictions]
) -> Interval:
    """Return the relative change of the mean figure from the first runs to the second."""
    figure = FIGURES[kind_of(first[0])][0]
    measured = [[ScoredRun.of(run, first[0]) for run in side] for side in (first, then)]
    weights = bootstrap_weights(measured[0][0].images)
    before, after = (mean_over_runs(np.stack([run.bootstrap(figure, weights) for run in side])) for side in measured)
    return percentile_interval(after / before - 1)


def main(argv: Sequence[str]) -> None:
    """Print one line per weights file, and one for the change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", nargs="+", help="weights files of runs, such as RUN/weights/best.pt")
    parser.add_argument(
        "--then", nargs="+", default=[], metavar="WEIGHTS", help="as many files, to compare with the first ones"
    )
    parser.add_argument("--task", required=True, metavar="NAME", help="a task that predicts boxes or masks")
    given = parser.parse_args(argv)
    if given.then and len(given.then) != len(given.weights):
        parser.error(f"--then: expected {len(given.weights)} weights files, one for each, got {len(given.then)}")
    try:
        task = unseen(run_of(given.weights[0]), given.task)
        print(f"{task.name}: {len(task.readers['val'])} images that it is not trained on")
        sides: list[list[BoxPredictions | ImagePredictions]] = []
        for side in (given.weights, given.then):
            sides.append([])
            for weights in side:
                predicted = answers(weights, task)
                run, once = ScoredRun.of(predicted, predicted), np.ones((1, len(task.readers["val"])), np.int64)
                figures = [f"{TITLES[each]} {run.bootstrap(each, once)[0]:.3f}" for each in FIGURES[kind_of(predicted)]]
                print("  ".join([*figures, weights]), flush=True)
                sides[-1].append(predicted)
    except PolyheadError as error:
        parser.error(str(error))
    if given.then:
        whole, low, high = change(sides[0], sides[1])
        print(f"change of the mean {whole:+.1%} [{low:+.1%}, {high:+.1%}] ({len(given.weights)} runs on each side)")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
