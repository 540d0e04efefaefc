"""Score a task that segments on pictures of its own data that its training left out, test not among them.

    python benchmarks/unseen_masks.py WEIGHTS [WEIGHTS ...] [--then WEIGHTS ...] [--task seg]

`unified_small` gives each of COCO's pictures to one task, so most masks of detection's pictures teach nobody: with val
they are six times as many pictures as val alone, and enough to see on what a setting costs masks. Weights are those of
runs' stages (`RUN/weights/stage0.pt`, `best.pt`); what segmentation learns from is asked of the first one's run, and
is the same for every seed. With `--then`, the weights at the same places are those of a later stage, or of another
setting, and the change of the mean over the seeds is told, with its interval over seeds and pictures.

Detection learns from some of these pictures, boxes and all: a stage that teaches it is flattered a little.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from polyhead import recipe
from polyhead.data.source import TaskData
from polyhead.errors import PolyheadError
from polyhead.evaluate import predict_split
from polyhead.metrics.intervals import Interval, draw, interval
from polyhead.metrics.masks import Pixels, masks, sample, tally
from polyhead.predict import load
from polyhead.run import Run


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


def count(weights: str, task: TaskData) -> list[Pixels]:
    """What some weights say of every picture, in counts, in the precision of their run."""
    precision = run_of(weights).precision
    found = predict_split(load(weights).model.eval(), task.name, task, "val", "cpu", precision)
    return [one for one in found.values() if isinstance(one, Pixels)]


def change(first: Sequence[Sequence[Pixels]], then: Sequence[Sequence[Pixels]]) -> Interval:
    """The mean IoU of runs beside that of the runs they were, as a part of it."""
    weights = draw(len(first[0]))
    before, after = (sample([tally(run) for run in side], "miou", weights) for side in (first, then))
    return interval(after / before - 1)


def main(argv: Sequence[str]) -> None:
    """Print a line for each weights file, and one for the change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", nargs="+", help="weights files of runs, such as RUN/weights/best.pt")
    parser.add_argument("--then", nargs="+", default=[], metavar="WEIGHTS", help="as many, to compare with the first")
    parser.add_argument("--task", default="seg", help="that segments (default: %(default)s)")
    given = parser.parse_args(argv)
    if given.then and len(given.then) != len(given.weights):
        parser.error(f"--then: expected {len(given.weights)} weights files, one for each, got {len(given.then)}")
    try:
        task = unseen(run_of(given.weights[0]), given.task)
        print(f"{task.name}: {len(task.readers['val'])} pictures that it does not learn from")
        sides: list[list[list[Pixels]]] = []
        for side in (given.weights, given.then):
            sides.append([])
            for weights in side:
                sides[-1].append(count(weights, task))
                scores = masks(sides[-1][-1], task.names)
                print(f"mIoU {scores.miou:.3f}  pixel accuracy {scores.pixel_accuracy:.3f}  {weights}", flush=True)
    except PolyheadError as error:
        parser.error(str(error))
    if given.then:
        whole, low, high = change(sides[0], sides[1])
        print(f"change of the mean {whole:+.1%} [{low:+.1%}, {high:+.1%}] ({len(given.weights)} runs on each side)")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
