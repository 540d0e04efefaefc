"""How the main score of a head changes when its inputs are changed: blur, noise, JPEG, light."""

from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from polyhead.contracts.kind import Tested
from polyhead.contracts.modality import Change, EvalTransform
from polyhead.data.loading.source import TaskData
from polyhead.metrics.intervals import Interval, bootstrap_weights, percentile_interval
from polyhead.nets.model import Model
from polyhead.nets.precision import standard_defaults
from polyhead.rng import derive_seed
from polyhead.types import Sample
from polyhead.workflows.evaluate import predict_split


class Robustness(NamedTuple):
    """The main score of a head on changed inputs.

    Attributes:
        change: name of the change; empty for the inputs as they are.
        score: the score.
        difference: to the score on the inputs as they are, on the same resamples of the samples.
    """

    change: str
    score: Interval
    difference: Interval


class Changed(EvalTransform):
    """An evaluation transform of inputs that are changed first; random choices depend on the sample alone."""

    def __init__(self, name: str, change: Change, then: EvalTransform) -> None:
        self.name, self.change, self.then = name, change, then

    def __call__(self, sample: Sample) -> Sample:
        """Return the changed sample as the network gets it."""
        seed = derive_seed("robustness", self.name, sample.meta.id)
        return self.then(sample._replace(input=self.change(sample.input, seed)))


@standard_defaults()
def robustness(model: Model, task: TaskData, split: str, precision: str) -> list[Robustness]:
    """Score a head on a split, as it is and with each change of the modality; empty if there are none.

    Args:
        model: the model, in evaluation mode.
        task: the data of the head.
        split: the split.
        precision: see :func:`polyhead.nets.precision.resolve`.
    """
    changes = task.modality.changes()
    if not changes:
        return []
    score, weights = task.kind.main.name, bootstrap_weights(len(task.targets(split)))
    reference = _tested(model, task, split, precision)
    clean = reference.bootstrap(reference)(score, weights)  # [b]
    rows = [Robustness("", percentile_interval(clean), Interval(0.0, 0.0, 0.0))]
    for name, change in changes.items():
        tested = _tested(model, _changed(task, name, change), split, precision)
        samples = tested.bootstrap(reference)(score, weights)
        rows.append(Robustness(name, percentile_interval(samples), percentile_interval(samples - clean)))
    return rows


def _changed(task: TaskData, name: str, change: Change) -> TaskData:
    """Return the same data, whose inputs are changed before they are evaluated."""
    other, modality = copy(task), copy(task.modality)
    modality.eval = Changed(name, change, modality.eval)
    other.modality = modality
    return other


def _tested(model: Model, task: TaskData, split: str, precision: str) -> Tested:
    """Predict a split; return the predictions as they are stored, ready to be scored on resamples."""
    predictions = predict_split(model, task.name, task, split, precision)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{split}.{task.name}.npz"
        task.kind.save(path, task.targets(split), predictions)
        return task.kind.load(path, task.name)
