"""Try one batch of each stage before the training: what is wrong with it shows in seconds, not after an epoch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from polyhead.contracts.kind import Targets, reduced
from polyhead.contracts.network import Head
from polyhead.contracts.task import Task
from polyhead.engine import memory
from polyhead.engine.initialize import initialize
from polyhead.engine.learner import NotFiniteError
from polyhead.engine.optim import base_lr, freeze, optimizer_of, stage_lr_mult
from polyhead.engine.stage import Stage
from polyhead.errors import counted, few
from polyhead.nets.checked import decoded, losses_of
from polyhead.nets.inference import on_device, predictions_by_id
from polyhead.nets.model import Model
from polyhead.rng import fork_rng
from polyhead.types import Batch

SAMPLES = 4
"""Training samples of each task in the batch."""
HIGH = 2.0
"""A loss at the start above this multiple of the expected one, plus 1, is odd."""
MATCHED = 0.5
"""A smaller fraction of matched objects is odd."""
EXPLODES = 100.0
"""A step that multiplies the loss of its own batch by more than this has too high a learning rate."""
LEAST_INPUT = -5.0
"""Images that are normalized once have no value below: black is about -2.2 with the statistics of ImageNet."""
SMALL = 2000
"""With fewer training samples than this, pretrained weights matter more than any setting."""


class Step(NamedTuple):
    """A batch of each task, and what a copy of the model computed from it.

    Attributes:
        batches: the training batch of each task.
        raws: raw predictions of each task.
        losses: value of each loss, ``{task: {name: scalar}}``.
    """

    batches: Mapping[str, Batch]
    raws: Mapping[str, Any]
    losses: Mapping[str, Mapping[str, Tensor]]

    @property
    def total(self) -> Tensor:
        """The sum of all losses, a scalar."""
        return torch.stack([loss for named in self.losses.values() for loss in named.values()]).sum()


def smoke(model: Model, tasks: Mapping[str, Task], stages: Sequence[Stage], seed: int) -> list[str]:
    """Train one step on a copy of the model, and decode and score its predictions, for each stage with new tasks.

    Neither the model nor the random numbers of the training change.

    Args:
        model: the model, with its heads built.
        tasks: the data of each task.
        stages: the stages of the training.
        seed: seed of the run.

    Returns:
        A line for each thing that is odd; no line where all is as expected.

    Raises:
        NotFiniteError: if a loss is not finite.
    """
    lines: list[str] = []
    tried: set[str] = set()
    for number, stage in enumerate(stages):
        new = [name for name in stage.tasks or tasks if name not in tried]
        tried.update(new)
        if new:
            with fork_rng(seed, "smoke", number):
                lines += _try_stage(model, {name: tasks[name] for name in new}, tasks, stage, number)
    return list(dict.fromkeys(lines))


def _try_stage(
    model: Model, new: Mapping[str, Task], tasks: Mapping[str, Task], stage: Stage, number: int
) -> list[str]:
    """Try the new tasks of a stage; see :func:`smoke`."""
    device = memory.device()
    copy = deepcopy(model).to(device)
    initialize(copy, stage.init, {name: task.names for name, task in tasks.items()})
    lr_mult = stage_lr_mult(copy, stage, new)
    copy.train()
    freeze(copy, lr_mult, new if stage.freeze_bn_stats else None)
    batches = {name: on_device(task.few(SAMPLES), device) for name, task in new.items()}
    lines = _random_weights(copy, new)
    with _input_ranges(copy) as ranges:
        step = step_of(copy, batches)
    lines += [*_normalized_twice(ranges), *_expected(copy, step), *_matched(copy, step)]
    step.total.backward()  # type: ignore[no-untyped-call]  # torch has no types here
    lines += _gradients(copy, new)
    lines += _too_fast(copy, stage, lr_mult, step, number)
    _score(deepcopy(model).to(device), new, device)
    return lines


def step_of(model: Model, batches: Mapping[str, Batch]) -> Step:
    """Compute predictions and losses of a batch.

    Raises:
        NotFiniteError: if a loss is not finite.
    """
    pyramids = model.features({task: batch.inputs for task, batch in batches.items()})
    raws = {task: model.head(task)(pyramid) for task, pyramid in pyramids.items()}
    losses = {
        task: {name: term.value for name, term in losses_of(model.head(task), raws[task], batch, 0.0, ()).items()}
        for task, batch in batches.items()
    }
    for task, named in losses.items():
        wrong = [name for name, loss in named.items() if not bool(loss.isfinite())]
        if wrong:
            raise NotFiniteError(
                f"task {task!r}: before the first step, a loss is not finite ({', '.join(wrong)}). Check the data with "
                f"'polyhead data check', and the initial weights. Samples: {', '.join(batches[task].ids)}"
            )
    return Step(batches, raws, losses)


@contextmanager
def _input_ranges(model: Model) -> Iterator[list[tuple[float, float]]]:
    """Collect the smallest and the largest value that the first layer of each backbone gets."""
    ranges: list[tuple[float, float]] = []

    def watch(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        ranges.append((float(inputs[0].min()), float(inputs[0].max())))

    backbones = model.backbone.values() if isinstance(model.backbone, nn.ModuleDict) else [model.backbone]
    firsts = [next((m for m in each.modules() if isinstance(m, nn.Conv2d)), None) for each in backbones]
    hooks = [first.register_forward_pre_hook(watch) for first in firsts if first is not None]
    try:
        yield ranges
    finally:
        for hook in hooks:
            hook.remove()


def _normalized_twice(ranges: Sequence[tuple[float, float]]) -> list[str]:
    """Report images whose values are too small for a single normalization."""
    return [
        f"the first layer gets values of {low:.1f} to {high:.1f}: the images seem to be normalized twice. Leave it to "
        "the backbone, or set its mean and std to 0 and 1"
        for low, high in ranges
        if low < LEAST_INPUT
    ]


def _random_weights(model: Model, tasks: Mapping[str, Task]) -> list[str]:
    """Report a backbone without pretrained weights, where there are few training samples.

    The statistics of its batch norms are then still 0 and 1; of a backbone without batch norms nothing is known.
    """
    norms = [each for each in model.backbone.modules() if isinstance(each, _BatchNorm) and each.track_running_stats]
    count = sum(map(len, tasks.values()))
    if not norms or count >= SMALL or any(map(_has_statistics, norms)):
        return []
    line = (
        f"the backbone starts from random weights, on {counted(count, 'training sample')}: pretrained weights matter "
        "more than any other setting then"
    )
    return [line]


def _has_statistics(norm: _BatchNorm) -> bool:
    """Return whether a batch norm has seen data; one that was folded into a convolution has a variance just below 1."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return bool(norm.running_mean.any()) or bool((norm.running_var != 1).any())


def _expected(model: Model, step: Step) -> list[str]:
    """Report losses that are much higher than those of a head that knows nothing."""
    lines = []
    for task, named in step.losses.items():
        head: Head = model.head(task)
        for name, expected in head.expected_losses().items():
            loss = float(named[name].detach())
            if loss > HIGH * expected + 1:
                lines.append(
                    f"task {task!r}: before the first step, the loss {name!r} is {loss:.3g}; a head that knows nothing "
                    f"has {expected:.3g}. Check the normalization of the inputs and the initial weights"
                )
    return lines


def _matched(model: Model, step: Step) -> list[str]:
    """Report objects that no prediction is trained to match."""
    lines = []
    for task, batch in step.batches.items():
        with torch.no_grad():
            found = model.head(task).matched(step.raws[task], batch)
        if found is None:
            continue
        matched, objects = int(found[0]), int(found[1])
        if objects and matched < MATCHED * objects:
            lines.append(
                f"task {task!r}: {matched} of {counted(objects, 'object')} in a training batch are matched to an "
                "anchor, so the others are trained as background. Use larger images (imgsz) or other anchors, and "
                "look at the training batch in plots/"
            )
    return lines


def _gradients(model: Model, tasks: Iterable[str]) -> list[str]:
    """Report parts, and heads of these tasks, whose gradient is zero or not finite."""
    parts: dict[str, nn.Module] = {"backbone": model.backbone, "neck": model.neck}
    parts |= {f"heads.{name}": model.head(name) for name in tasks}
    lines = []
    for name, part in parts.items():
        trained = {path: each for path, each in part.named_parameters() if each.requires_grad}
        wrong = [path for path, each in trained.items() if each.grad is not None and not each.grad.isfinite().all()]
        if wrong:
            lines.append(f"the gradient of {name} is not finite ({few(wrong)}). Lower lr, or set grad_clip_norm")
        elif trained and not any(each.grad is not None and bool(each.grad.any()) for each in trained.values()):
            lines.append(f"no gradient reaches {name}, so it does not learn. Is its output used, and not detached?")
    return lines


def _too_fast(model: Model, stage: Stage, lr_mult: Mapping[str, float], step: Step, number: int) -> list[str]:
    """Report a learning rate with which one step makes the loss of its own batch explode."""
    before = float(step.total.detach())
    if stage.grad_clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), stage.grad_clip_norm)
    optimizer_of(model, stage, lr_mult, fused=False).step()
    try:
        with torch.no_grad():
            after = float(step_of(model, step.batches).total)
    except NotFiniteError:
        after = float("inf")
    if after <= EXPLODES * max(abs(before), 1.0):
        return []
    line = (
        f"stages.{number}: one step with a learning rate of {base_lr(model, stage):g} changes the loss of its batch "
        f"from {before:.3g} to {after:.3g}. Lower lr"
    )
    return [line]


@torch.no_grad()
def _score(model: Model, tasks: Mapping[str, Task], device: torch.device) -> None:
    """Decode and score the predictions for a batch, so that an error there does not come after the first epoch."""
    model.eval()
    for name, task in tasks.items():
        batch = on_device(task.few(SAMPLES, augmented=False), device)
        head, all_targets = model.head(name), task.targets("train")
        raw = head(model.trunk(batch.inputs, name))
        found = predictions_by_id(task.kind, decoded(head, raw, task.kind, batch), batch)
        known = [all_targets[each] for each in batch.ids]
        targets = Targets(task.kind, all_targets.names, batch.ids, known.__getitem__)
        if task.kind.can_be_scored(targets):
            task.kind.score(targets, {each: reduced(targets, each, prediction) for each, prediction in found.items()})
