"""Builds a recipe's model and data, and checks that they fit each other before a run folder is made."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from polyhead.config import recipe
from polyhead.config.recipe import Parts
from polyhead.contracts.network import Head
from polyhead.data.checks.run import findings, shortened
from polyhead.data.doctor import empty_masks
from polyhead.data.loading.overlap import overlapping_splits
from polyhead.data.loading.source import TaskData
from polyhead.data.loading.streams import Collate
from polyhead.engine.fit import build_heads, check_stage
from polyhead.engine.mirror import check_url
from polyhead.engine.optim import PRETRAINED_LR, base_lr, lr_mult_of
from polyhead.engine.stage import check_all_trained, check_tasks, largest_side, trained_tasks
from polyhead.errors import PolyheadError, few
from polyhead.kinds import kind_of
from polyhead.models.heads import head_for
from polyhead.nets.model import Model
from polyhead.rng import fork_rng
from polyhead.workflows.sizes import check_sizes
from polyhead.workflows.tasks import open_tasks

DESTROYS = 5
"""How many times :data:`PRETRAINED_LR`, for batches of 8, undoes within a few steps what pretrained weights know."""

ALREADY_LOGGED = {"absent-classes", "no-objects", "split-copies", "task-copies"}
"""Checks whose findings the log has anyway, as numbers of images and classes."""


class Ready(NamedTuple):
    """The inputs of a training.

    Attributes:
        parts: the built parts of the recipe; the model has all its heads.
        tasks: the opened data of each task.
        remarks: lines for the log: the number of parameters, and warnings. What the checks of the data found is also in
            the tasks.
    """

    parts: Parts
    tasks: dict[str, TaskData]
    remarks: list[str]


def prepare(parts: Parts) -> Ready:
    """Open the data, build the heads, and check that the settings, the heads and the data fit each other.

    Args:
        parts: the model, data and stages (:func:`build`).

    Raises:
        PolyheadError: for the first thing that does not fit.
    """
    if parts.settings.mirror is not None:
        check_url(parts.settings.mirror)
    tasks = open_tasks(parts.sources, parts.model.size, parts.settings.seed, largest=largest_side(parts.stages))
    checked = _check_data(tasks)
    absent = [line for name, task in tasks.items() for line in _check_annotated(f"data.{name}", task)]
    build_heads(parts.model, tasks, parts.settings.seed)
    _check_heads(parts.model, tasks)
    check_tasks(parts.stages, tasks)
    check_all_trained(parts.stages, tasks)
    for number, stage in enumerate(parts.stages):
        try:
            check_stage(parts.model, stage, {name: task.names for name, task in tasks.items()})
        except PolyheadError as error:
            raise PolyheadError(f"stages.{number}.{error}") from error
        if any(loss.distills for loss in stage.continual):
            earlier = trained_tasks(parts.stages[:number], tasks) - set(stage.tasks or tasks)
            _check_distilled(parts.model, [tasks[name] for name in sorted(earlier)], f"stages.{number}")
        if stage.sizes is not None:
            check_sizes(parts.model, [tasks[name] for name in stage.tasks or tasks], stage.sizes, f"stages.{number}")
    counted = _check_parameters(count_parameters(parts.model), parts.settings.max_parameters)
    warnings = [*_forgetting_warnings(parts, tasks), *_rate_warnings(parts, tasks)]
    return Ready(parts, tasks, [counted, *absent, *overlapping_splits(tasks), *checked, *warnings])


def _check_data(tasks: Mapping[str, TaskData]) -> list[str]:
    """Run the checks of the data, store in the tasks what they find, and return a line for each check."""
    fresh = [task for task in tasks.values() if not task.stored]  # exemplars were checked with their data
    lines = []
    for name, found in findings(fresh).items():
        tasks[name].warnings = dict(shortened(found))
        logged = {check: line for check, line in tasks[name].warnings.items() if check not in ALREADY_LOGGED}
        short = [f"{name}: {check}: {line}" for check, line in logged.items()]
        lines += [*short, f"{name}: 'polyhead data check FOLDER' lists all warnings"] if short else []
    return lines


def build(config: Mapping[str, Any]) -> Parts:
    """Build the parts of a resolved recipe, with initial weights from its seed.

    What the model builds when the data is known is not built yet (:func:`polyhead.engine.fit.build_heads`).
    """
    with fork_rng(int(config["seed"]), "weights"):
        return recipe.instantiate(config)


def resolved(source: str | Path | Mapping[str, Any], changes: Sequence[str]) -> Mapping[str, Any]:
    """Return the resolved settings of a recipe with its overrides."""
    if not isinstance(source, Mapping):
        return recipe.load(source, changes, must_exist=True)
    return recipe.resolve(deepcopy(dict(source)), changes, str(source.get("name") or "run"))


def _check_annotated(where: str, task: TaskData) -> list[str]:
    """Check that the training and val splits have annotated objects.

    Returns:
        A line that names the classes without training objects, if there are any.

    Raises:
        PolyheadError: when a split has nothing to train on or to score.
    """
    exemplars = task.stored  # a few of the images that the task was trained on
    problem = None if exemplars else empty_masks(task.readers["train"])
    if problem is not None:
        raise PolyheadError(f"{where}: {problem.what}; {problem.remedy}")
    if not task.kind.can_be_scored(task.targets("val")):
        raise PolyheadError(
            f"{where}: the validation split has no annotated objects, so epochs cannot be ranked. Add val images with "
            "objects, or use another split."
        )
    if exemplars:
        return []
    shown = {label for classes in task.shown_classes("train") for _, label in classes}
    if not any(task.kind.has_content(task.targets("train"))):
        raise PolyheadError(
            f"{where}: all training objects are ignored (crowd or difficult), so nothing can be learned. Add training "
            "images with objects, or correct the annotations."
        )
    if not shown:  # a kind without classes
        return []
    absent = [name for label, name in enumerate(task.names) if label not in shown]
    return [f"{where}: no training image shows {', '.join(absent)}, so this cannot be learned"] if absent else []


def _forgetting_warnings(parts: Parts, tasks: Mapping[str, TaskData]) -> list[str]:
    """Return a warning for each stage that will forget earlier tasks, or whose distillation may do harm."""
    lines = []
    shared = [part for part in ("backbone", "neck") if any(True for _ in getattr(parts.model, part).parameters())]
    for number, stage in enumerate(parts.stages):
        earlier = trained_tasks(parts.stages[: number + 1], tasks) - set(stage.tasks or tasks)
        lr_mult = {**dict.fromkeys(shared, 1.0), **stage.lr_mult}
        trained = [
            part for part in shared if any(lr_mult[name] > 0 for name in lr_mult if f"{name}.".startswith(f"{part}."))
        ]
        if earlier and trained and not stage.continual:
            names = ", ".join(repr(name) for name in sorted(earlier))
            are = "is" if len(trained) == 1 else "are"
            lines.append(
                f"stages.{number}: Warning: {names} will be forgotten: {' and '.join(trained)} {are} trained without a "
                "continual loss. Add one under 'continual:'."
            )
        harmful = [type(loss).__name__ for loss in stage.continual if loss.needs_fixed_statistics]
        if earlier and harmful and not stage.freeze_bn_stats:
            lines.append(
                f"stages.{number}: Warning: {harmful[0]} without freeze_bn_stats can do harm: a student whose batch "
                "norm follows the batch never matches its teacher. Set freeze_bn_stats: true."
            )
    return lines


def _rate_warnings(parts: Parts, tasks: Mapping[str, TaskData]) -> list[str]:
    """Return a warning for each task that a stage trains at a rate that undoes what its head's weights know already."""
    lines = []
    for number, stage in enumerate(parts.stages):
        for task in stage.tasks or tasks:
            known = parts.model.head(task).known
            factors = [lr_mult_of(part, stage.lr_mult) for part in ("backbone", "neck", f"heads.{task}")]
            rate, most = base_lr(parts.model, stage) * max(factors), DESTROYS * PRETRAINED_LR * tasks[task].batch / 8
            if stage.lr is not None and known and rate > most:
                lines.append(
                    f"stages.{number}: Warning: a learning rate of {rate:g} undoes what the weights of {task!r} know "
                    f"of {few(known)}. Use {most / DESTROYS:g} for batches of {tasks[task].batch}, or leave lr out."
                )
    return lines


def _check_heads(model: Model, tasks: Mapping[str, TaskData]) -> None:
    """Check that the data of each task has the annotations that its head needs.

    Raises:
        PolyheadError: for the first task whose data does not.
    """
    for name, task in tasks.items():
        head = model.head(name)
        if not hasattr(head, "kind"):
            raise PolyheadError(
                f"head of task {name!r}: class {type(head).__name__} has no attribute kind. Name what it predicts: "
                "kind = 'classification'."
            )
        if getattr(head, "names", task.names) != task.names:
            raise PolyheadError(
                f"head of task {name!r}: it predicts {few(head.names)}, but the data has {few(task.names)}. Build a "
                "new model for this data."
            )
        needed, available = kind_of(head.kind), task.kind
        if needed.name != available.name:
            suitable = head_for(available.name)
            setting = f" (model.heads.{name}={suitable})" if suitable else ""
            raise PolyheadError(
                f"data.{name}: task {name!r} has {available.annotations} but a {needed.title} head. Use a "
                f"{available.title} head{setting}, or a reader with {needed.annotations}."
            )


def _check_distilled(model: Model, earlier: Sequence[TaskData], where: str) -> None:
    """Check that the raw predictions of earlier heads can be compared, with one sample of each task.

    Raises:
        PolyheadError: for the first head whose predictions cannot.
    """
    for task in earlier:
        head = model.head(task.name)
        if type(head).distill is not Head.distill:
            continue
        batch = Collate(task.kind, task.modality)([task.modality.eval(task.sample("train", 0))])
        model.eval()
        with torch.no_grad():
            raw = head(model.trunk(batch.inputs, task.name))
        model.train()
        try:
            head.distill(raw, raw, 1.0)
        except TypeError as error:
            raise PolyheadError(f"{where}.continual: task {task.name!r} cannot be distilled: {error}") from error


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Count the parameters of each part: the backbone, each neck, each head."""
    parts: dict[str, nn.Module] = {}
    for name, part in model.named_children():
        is_container = isinstance(part, nn.ModuleList | nn.ModuleDict)
        parts |= {f"{name}.{each}": child for each, child in part.named_children()} if is_container else {name: part}
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


def _check_parameters(counts: Mapping[str, int], limit: int | None) -> str:
    """Return the parameter counts as a line.

    Raises:
        PolyheadError: when they are more than the recipe allows (``max_parameters``).
    """
    total = sum(counts.values())
    if limit is not None and total > limit:
        raise PolyheadError(
            f"the model has {total:,} parameters, more than max_parameters={limit:,}. Use a smaller backbone or width."
        )
    parts = ", ".join(f"{name} {count / 1e6:.2f}" for name, count in counts.items())
    return f"{total / 1e6:.2f} million parameters: {parts}"
