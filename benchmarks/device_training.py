"""Short trainings for ``benchmarks/device.py``: time, losses and memory of their steps, and what a resume restores.

:func:`open_recipe` and :func:`train` are the only functions of both files that drive Polyhead's training.
"""

import gc
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.golden_compare import Row, compare, leaves
from benchmarks.speed import DEVICE, now
from polyhead import Run, Stage
from polyhead.config import recipe
from polyhead.contracts.task import Task
from polyhead.engine.fit import fit
from polyhead.nets.model import Model
from polyhead.workflows.preflight import build, prepare

COMPARED = ("state_dict", "optimizer_states")
"""The entries of ``resume.ckpt`` with the tensors of the model and of the optimizer."""
SCALER = "MixedPrecision"
"""The entry of ``resume.ckpt`` with the state of the loss scaler, which exists in ``16-mixed`` alone."""


class OutOfTime(Exception):
    """The deadline has passed; raised at the end of a step."""


class Interrupted(Exception):
    """A training was interrupted on purpose."""


class Opened(NamedTuple):
    """What a recipe describes.

    Attributes:
        model: the network with initial weights, which trainings copy.
        tasks: the data of each task.
        backbone: name of its backbone; None for the model's own.
        size: side of its images in pixels.
        images: images of a step, of all tasks together.
    """

    model: Model
    tasks: Mapping[str, Task]
    backbone: str | None
    size: int
    images: int


class Steps(NamedTuple):
    """The steps of a training.

    Attributes:
        seconds: time of each step on the device, without the wait for its batch.
        losses: sum of all losses in each step.
        mebibytes: peak memory of the tensors on the GPU, in MiB; None without a GPU.
    """

    seconds: list[float]
    losses: list[float]
    mebibytes: float | None


class Resume(NamedTuple):
    """The comparison of an interrupted and resumed training with two that were not interrupted.

    Attributes:
        resumed: weights and optimizer of the resumed training against those of the first uninterrupted one.
        repeated: those of the second uninterrupted one, likewise.
        scalers: state of the loss scaler at the end of the first uninterrupted and of the resumed training.
        steps: steps that were taken after the interruption, and in a whole training.
        nondeterministic: what PyTorch reports as not deterministic, one line each.
    """

    resumed: Row
    repeated: Row
    scalers: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]
    steps: tuple[int, int]
    nondeterministic: list[str]


class Watch(Callback):
    """A callback that measures the steps of a training, and stops it.

    Args:
        deadline: the value of ``time.monotonic()`` after which :class:`OutOfTime` is raised.
        stop: the step at whose end :class:`Interrupted` is raised, before its state is saved; None for no step.
    """

    def __init__(self, deadline: float, stop: int | None = None) -> None:
        self.deadline, self.stop = deadline, stop
        self.steps = Steps([], [], None)
        self.begun = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start timing; the batch is on the device already."""
        if not self.steps.losses and DEVICE == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.begun = now()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add the step, and raise an error if the training is to end here."""
        self.steps.seconds.append(now() - self.begun)
        self.steps.losses.append(float(outputs["loss"]))
        if DEVICE == "cuda":
            self.steps = self.steps._replace(mebibytes=torch.cuda.max_memory_allocated() / 2**20)
        if len(self.steps.losses) == self.stop:
            raise Interrupted
        check_time(self.deadline)


def check_time(deadline: float) -> None:
    """Check that the deadline, a value of ``time.monotonic()``, has not passed.

    Raises:
        OutOfTime: when it has.
    """
    if time.monotonic() > deadline:
        raise OutOfTime


def open_recipe(config: Mapping[str, Any], changes: Sequence[str], name: str) -> Opened:
    """Return the model and the opened data of a recipe; its stages are given to :func:`train`."""
    resolved = recipe.resolve({**deepcopy(dict(config)), "stages": [{}]}, changes, name)
    ready = prepare(build(resolved))
    return Opened(
        ready.parts.model,
        ready.tasks,
        resolved["model"]["init_args"]["backbone"],
        resolved["model"]["init_args"]["size"],
        sum(task.batch for task in ready.tasks.values()),
    )


def train(
    opened: Opened, run: Run, stage: Mapping[str, Any], steps: int, precision: str, watch: Watch, *, save: bool = False
) -> None:
    """Train a copy of the model for one stage, or resume the run; the initial weights are the same at every call.

    Args:
        opened: what :func:`open_recipe` returned; not changed.
        run: the run folder.
        stage: settings of the stage.
        steps: steps of an epoch.
        precision: ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        watch: measures the steps.
        save: whether the state is saved after every step, not only after every epoch.
    """
    longest = max(math.ceil(len(task) / task.batch) for task in opened.tasks.values())
    fit(
        deepcopy(opened.model),
        opened.tasks,
        [Stage(**stage, epoch_scale=steps / longest)],
        run,
        describe={},
        precision=precision,
        save_seconds=0.0 if save else math.inf,
        callbacks=[watch],
    )


def measure(opened: Opened, stage: Mapping[str, Any], steps: int, precision: str, deadline: float) -> Steps:
    """Train in a temporary folder, and return the steps."""
    free_memory()
    watch = Watch(deadline)
    with TemporaryDirectory(prefix="device-") as folder:
        train(opened, Run.create(folder, "timed"), stage, steps, precision, watch)
    return watch.steps


def free_memory() -> None:
    """Free the GPU memory of earlier trainings, so that the peak of the next one does not include it."""
    gc.collect()
    if DEVICE == "cuda":
        torch.cuda.empty_cache()


def check_resume(
    opened: Opened, stage: Mapping[str, Any], steps: int, stop: int, precision: str, deadline: float
) -> Resume:
    """Train twice without an interruption and once with one, and compare the states that they end with.

    Args:
        opened: what :func:`open_recipe` returned.
        stage: settings of the stage, with at least two epochs.
        steps: steps of an epoch.
        stop: the step at which the third training is interrupted; the state of the step before it is the last saved.
        precision: ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        deadline: the value of ``time.monotonic()`` after which :class:`OutOfTime` is raised.
    """
    free_memory()
    with TemporaryDirectory(prefix="device-") as folder, deterministic() as reported:
        runs = {name: Run.create(folder, name) for name in ("whole", "repeated", "resumed")}
        watches = {name: Watch(deadline) for name in runs}
        with suppress(Interrupted):
            train(opened, runs["resumed"], stage, steps, precision, Watch(deadline, stop), save=True)
        for name, run in runs.items():
            train(opened, run, stage, steps, precision, watches[name])
        states = {name: torch.load(run.resume, map_location="cpu", weights_only=True) for name, run in runs.items()}
    tensors = {name: leaves({entry: state[entry] for entry in COMPARED}) for name, state in states.items()}
    return Resume(
        compare("resume", "resumed", tensors["whole"], tensors["resumed"]),
        compare("resume", "repeated", tensors["whole"], tensors["repeated"]),
        (states["whole"].get(SCALER), states["resumed"].get(SCALER)),
        (len(watches["resumed"].steps.losses), len(watches["whole"].steps.losses)),
        list(dict.fromkeys(reported)),
    )


@contextmanager
def deterministic() -> Iterator[list[str]]:
    """Use deterministic algorithms where PyTorch has them; the list receives the warnings of those that are not."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    reported: list[str] = []
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield reported
        texts = [str(each.message).partition(". ")[0] for each in caught]
        reported += [text for text in texts if "determinis" in text]
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
