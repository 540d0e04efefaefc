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
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from polyhead.config import recipe
from polyhead.contracts.kind import Kind, Tested
from polyhead.contracts.score import Score
from polyhead.data.loading.source import TaskData
from polyhead.errors import PolyheadError
from polyhead.metrics.intervals import Interval, bootstrap_weights, mean_over_runs, percentile_interval
from polyhead.run import Run
from polyhead.workflows.evaluate import predict_split
from polyhead.workflows.predict import load
from polyhead.workflows.tasks import open_task


def figures(kind: Kind) -> list[Score]:
    """Return the scores that are printed for a kind of task and can be resampled; a change is of the first."""
    measures = {each.name for each in kind.measures}
    return [each for each in kind.scores if each.name in measures]


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
    rest = [entry.id for entry in map(reader.entry, range(len(reader))) if entry.id not in known]
    source.val = None
    task = open_task(name, source, int(config["seed"]), {**splits, "val": rest})
    task.modality.restore(load(run.folder).modalities[name].state())
    return task


def answers(weights: str, task: TaskData) -> Tested:
    """Return the predictions of a weights file for every image, in the precision of its run."""
    found = predict_split(load(weights).model, task.name, task, "val", run_of(weights).precision)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "val.npz"
        task.kind.save(path, task.targets("val"), found)
        return task.kind.load(path, task.name)


def change(first: Sequence[Tested], then: Sequence[Tested]) -> Interval:
    """Return the relative change of the mean figure from the first runs to the second."""
    figure = figures(first[0].kind)[0].name
    weights = bootstrap_weights(len(first[0].ids))
    before, after = (
        mean_over_runs(np.stack([run.bootstrap(first[0])(figure, weights) for run in side])) for side in (first, then)
    )
    return percentile_interval(after / before - 1)


def main(argv: Sequence[str]) -> None:
    """Print one line per weights file, and one for the change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", nargs="+", help="weights files of runs, such as RUN/weights/best.pt")
    parser.add_argument(
        "--then", nargs="+", default=[], metavar="WEIGHTS", help="as many files, to compare with the first ones"
    )
    parser.add_argument("--task", required=True, metavar="NAME", help="a task of the run")
    given = parser.parse_args(argv)
    if given.then and len(given.then) != len(given.weights):
        parser.error(f"--then: expected {len(given.weights)} weights files, one for each, got {len(given.then)}")
    try:
        task = unseen(run_of(given.weights[0]), given.task)
        print(f"{task.name}: {len(task.readers['val'])} images that it is not trained on")
        sides: list[list[Tested]] = []
        for side in (given.weights, given.then):
            sides.append([])
            for weights in side:
                predicted = answers(weights, task)
                measure, once = predicted.bootstrap(predicted), np.ones((1, len(predicted.ids)), np.int64)
                shown = [f"{each.title} {measure(each.name, once)[0]:.3f}" for each in figures(task.kind)]
                print("  ".join([*shown, weights]), flush=True)
                sides[-1].append(predicted)
    except PolyheadError as error:
        parser.error(str(error))
    if given.then:
        whole, low, high = change(sides[0], sides[1])
        print(f"change of the mean {whole:+.1%} [{low:+.1%}, {high:+.1%}] ({len(given.weights)} runs on each side)")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
