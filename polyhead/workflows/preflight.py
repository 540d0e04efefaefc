"""From a resolved recipe to a model and data that fit each other: all that can be refused before there is a run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from polyhead.config import recipe
from polyhead.config.recipe import Parts
from polyhead.data.doctor import blank
from polyhead.data.loading.source import TaskData, crossing, open_tasks
from polyhead.data.readers.exemplars import Kept
from polyhead.engine.continual import Distill
from polyhead.engine.fit import build_heads, check_stage
from polyhead.engine.stage import check_tasks, check_taught, learnt
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.rng import seeded
from polyhead.types import Detections, Labels, Mask, Prediction
from polyhead.workflows.evaluate import predict_one

KINDS = {Detections: "boxes", Labels: "a class of each picture", Mask: "a class of each pixel"}
"""What predictions of each type are called."""


class Ready(NamedTuple):
    """What a training begins with: a recipe's parts, the model with all its heads, and the data of its tasks.

    ``remarks`` are lines for people: the size of the model, and what of the data is worth a look.
    """

    parts: Parts
    tasks: dict[str, TaskData]
    remarks: list[str]


def prepare(config: Mapping[str, Any]) -> Ready:
    """Build the model, open the data, and see that the recipe's settings, the heads and the data fit each other.

    Args:
        config: resolved settings.

    Raises:
        PolyheadError: for the first thing that does not fit.
    """
    parts = build(config)
    tasks = open_tasks(parts.sources, parts.model.size, parts.settings.seed)
    absent = [line for name, task in tasks.items() for line in _check_shown(f"data.{name}", task)]
    build_heads(parts.model, tasks, parts.settings.seed)
    _check_heads(parts.model, tasks)
    check_tasks(parts.stages, tasks)
    check_taught(parts.stages, tasks)
    for number, stage in enumerate(parts.stages):
        try:
            check_stage(parts.model, stage, {name: task.names for name, task in tasks.items()})
        except PolyheadError as error:
            raise PolyheadError(f"stages.{number}.{error}") from error
    counted = _within(parameters(parts.model), parts.settings.max_parameters)
    return Ready(parts, tasks, [counted, *absent, *crossing(tasks), *_unkept(parts, tasks)])


def build(config: Mapping[str, Any]) -> Parts:
    """The parts of a resolved recipe, with the random weights of its seed; heads are not built yet."""
    with seeded(int(config["seed"]), "weights"):
        return recipe.instantiate(config)


def _check_shown(where: str, task: TaskData) -> list[str]:
    """Refuse a split that shows nothing; a line where training shows none of a class."""
    kept = isinstance(task.source.reader, Kept)  # a few of the pictures that taught it
    if task.masked and not kept and not any(task.shows("train")):
        nothing = blank(task.readers["train"])
        assert nothing is not None
        raise PolyheadError(f"{where}: {nothing.what}; {nothing.remedy}")
    if not (task.census("val").any() if task.masked else any(task.shows("val"))):
        raise PolyheadError(
            f"{where}: no val picture shows anything, so no epoch can be told from another; give val pictures "
            "with objects, or another split"
        )
    if kept:
        return []
    seen = {label for kinds in task.kinds("train") for _, label in kinds}
    absent = [name for label, name in enumerate(task.names) if label not in seen]
    return [f"{where}: no training picture shows {', '.join(absent)}: nothing can be learnt of it"] if absent else []


def _unkept(parts: Parts, tasks: Mapping[str, TaskData]) -> list[str]:
    """A line for each stage that will cost older tasks what they know, and for what only seems to keep it."""
    lines = []
    for number, stage in enumerate(parts.stages):
        older = learnt(parts.stages[: number + 1], tasks) - set(stage.tasks or tasks)
        shared = [part for part in ("backbone", "neck") if any(True for _ in getattr(parts.model, part).parameters())]
        rates = {**dict.fromkeys(shared, 1.0), **stage.rates}
        moving = [
            part for part in shared if any(rates[name] > 0 for name in rates if f"{name}.".startswith(f"{part}."))
        ]
        if older and moving and not stage.keep:
            names = ", ".join(sorted(older))
            lines.append(
                f"stages.{number}: nothing keeps {names} while {' and '.join(moving)} learn other tasks: most of it is "
                "forgotten then; 'keep' holds it"
            )
        if older and not stage.fixed_norms and any(isinstance(keep, Distill) for keep in stage.keep):
            lines.append(
                f"stages.{number}: Distill without fixed_norms: a student whose batch norm follows the batch never "
                "agrees with its teacher, which can do harm"
            )
    return lines


def _check_heads(model: Model, tasks: Mapping[str, TaskData]) -> None:
    """Let each head answer to one picture, and refuse it where the data does not tell what it finds."""
    was = model.training
    model.eval()
    for name, task in tasks.items():
        found = type(predict_one(model, task, "32-true", task.readers["val"][0]))
        truths = task.truths("val")
        told: dict[type[Prediction], bool] = {
            Labels: truths[0].value is not None,
            Mask: task.readers["val"].mask(0) is not None,
            Detections: not task.masked and (truths[0].value is None or any(len(truth.boxes) for truth in truths)),
        }
        if not told.get(found, True):
            known = " and ".join(KINDS[kind] for kind, there in told.items() if there)
            raise PolyheadError(
                f"data.{name}: the data tells {known}, and the head of {name!r} finds {KINDS[found]}; give the task a "
                "head for its data, or data for its head"
            )
    model.train(was)


def parameters(model: nn.Module) -> dict[str, int]:
    """How many parameters each part has: the backbone, each neck, each head."""
    parts: dict[str, nn.Module] = {}
    for name, part in model.named_children():
        many = isinstance(part, nn.ModuleList | nn.ModuleDict)
        parts |= {f"{name}.{each}": child for each, child in part.named_children()} if many else {name: part}
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


def _within(counts: Mapping[str, int], most: int | None) -> str:
    """The counts in words, when they are not more than a recipe promises."""
    whole = sum(counts.values())
    if most is not None and whole > most:
        raise PolyheadError(
            f"the network has {whole:,} parameters, more than max_parameters={most:,}; take a smaller backbone or width"
        )
    parts = ", ".join(f"{name} {count / 1e6:.2f}" for name, count in counts.items())
    return f"{whole / 1e6:.2f} million parameters: {parts}"
