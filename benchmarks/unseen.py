"""Score a task on pictures of its own data that its training left out, test not among them.

    python benchmarks/unseen.py --task NAME WEIGHTS [WEIGHTS ...] [--then WEIGHTS ...]

`unified_small` gives each of COCO's pictures to one task, so most masks of detection's pictures teach nobody, and most
boxes of segmentation's: with val they are six times as many pictures as val alone, and enough to see on what a setting
costs. Weights are those of runs' stages (`RUN/weights/stage0.pt`, `best.pt`); what the task learns from is asked of the
first one's run, and is the same for every seed. With `--then`, the weights at the same places are those of a later
stage, or of another setting, and the change of the mean over the seeds is told, with its interval over seeds and
pictures.

Another task of the run may learn from some of these pictures: a stage that teaches it is flattered a little.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from polyhead.analysis.stored_predictions import MEASURES, TITLES, Measured, kind_of
from polyhead.config import recipe
from polyhead.data.loading.source import TaskData
from polyhead.errors import PolyheadError
from polyhead.metrics.intervals import Interval, draw, interval, over_runs
from polyhead.metrics.masks import Pixels
from polyhead.metrics.per_image import Pictures, of_pixels
from polyhead.metrics.pooled import Answers
from polyhead.metrics.store import Kind
from polyhead.run import Run
from polyhead.types import Detections
from polyhead.workflows.evaluate import predict_split
from polyhead.workflows.predict import load

FIGURES: Mapping[Kind, tuple[str, ...]] = {"boxes": ("ap50", "ap"), "pixels": MEASURES["pixels"]}
"""What is told of a task, by its kind; a change is of the first."""


def run_of(weights: str) -> Run:
    """The run that weights are of."""
    return Run.open(Path(weights).parent.parent)


def unseen(run: Run, name: str) -> TaskData:
    """A task of a run, with every picture of its reader that it does not learn from as val."""
    config = recipe.load(run.config)
    if name not in config["data"]:
        raise PolyheadError(f"{run.folder} has no task {name!r}; give one of {', '.join(config['data'])}")
    (source,) = recipe.sources({"data": {name: config["data"][name]}}).values()
    splits = run.read_manifest()["splits"][name]
    reader = source.reader
    known = {*splits["train"], *splits["test"]}
    rest = [ident for ident in (reader.annotation(index).id for index in range(len(reader))) if ident not in known]
    source.val = None
    return TaskData(name, source, load(run.folder).model.size, int(config["seed"]), {**splits, "val": rest})


def answers(weights: str, task: TaskData) -> Answers | Pictures:
    """What some weights say of every picture, in the precision of their run."""
    precision = run_of(weights).precision
    found = predict_split(load(weights).model.eval(), task.name, task, "val", "cpu", precision)
    boxes = {ident: said for ident, said in found.items() if isinstance(said, Detections)}
    pixels = {ident: said for ident, said in found.items() if isinstance(said, Pixels)}
    if len(boxes) == len(found):
        return Answers(task.name, task.truths("val"), boxes, task.names)
    if len(pixels) == len(found):
        return of_pixels(task.name, pixels, task.names)
    raise PolyheadError(f"task {task.name!r} tells classes of pictures; give one that tells boxes or masks")


def change(first: Sequence[Answers | Pictures], then: Sequence[Answers | Pictures]) -> Interval:
    """The figure of runs beside that of the runs they were, as a part of it."""
    figure = FIGURES[kind_of(first[0])][0]
    measured = [[Measured.of(run, first[0]) for run in side] for side in (first, then)]
    weights = draw(measured[0][0].pictures)
    before, after = (over_runs(np.stack([run.sample(figure, weights) for run in side])) for side in measured)
    return interval(after / before - 1)


def main(argv: Sequence[str]) -> None:
    """Print a line for each weights file, and one for the change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", nargs="+", help="weights files of runs, such as RUN/weights/best.pt")
    parser.add_argument("--then", nargs="+", default=[], metavar="WEIGHTS", help="as many, to compare with the first")
    parser.add_argument("--task", required=True, metavar="NAME", help="that tells boxes or masks")
    given = parser.parse_args(argv)
    if given.then and len(given.then) != len(given.weights):
        parser.error(f"--then: expected {len(given.weights)} weights files, one for each, got {len(given.then)}")
    try:
        task = unseen(run_of(given.weights[0]), given.task)
        print(f"{task.name}: {len(task.readers['val'])} pictures that it does not learn from")
        sides: list[list[Answers | Pictures]] = []
        for side in (given.weights, given.then):
            sides.append([])
            for weights in side:
                said = answers(weights, task)
                run, once = Measured.of(said, said), np.ones((1, len(task.readers["val"])), np.int64)
                figures = [f"{TITLES[each]} {run.sample(each, once)[0]:.3f}" for each in FIGURES[kind_of(said)]]
                print("  ".join([*figures, weights]), flush=True)
                sides[-1].append(said)
    except PolyheadError as error:
        parser.error(str(error))
    if given.then:
        whole, low, high = change(sides[0], sides[1])
        print(f"change of the mean {whole:+.1%} [{low:+.1%}, {high:+.1%}] ({len(given.weights)} runs on each side)")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
