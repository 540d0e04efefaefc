"""Parameter groups by part, freezing, and the learning rate as a function of the step."""

import math
from collections.abc import Callable, Iterable, Mapping

from torch import nn, optim

from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError, suggest
from polyhead.nets.model import Model


def rate_of(name: str, rates: Mapping[str, float]) -> float:
    """The rate of a parameter or module by its path: that of the longest part name that contains it, else 1."""
    inside = [part for part in rates if name == part or name.startswith(part + ".")]
    return rates[max(inside, key=len)] if inside else 1.0


def part_names(model: nn.Module) -> list[str]:
    """Every name that ``rates`` and ``init`` may use."""
    return [name for name, _ in model.named_modules() if name]


def check_parts(model: nn.Module, parts: Iterable[str], setting: str) -> None:
    """Refuse names that match nothing in the model, so that a typing error never trains what should be frozen."""
    known = set(part_names(model))
    for part in parts:
        if part not in known:
            near = suggest(part, [name for name in known if name.count(".") <= max(1, part.count("."))])
            raise PolyheadError(f"{setting}: the model has no part {part!r}{near}")


def stage_rates(model: Model, stage: Stage, tasks: Iterable[str]) -> dict[str, float]:
    """The stage's rates; heads that do not learn in it have 0, unless the stage names a rate for them."""
    check_parts(model, stage.rates, "rates")
    learning = set(tasks)
    return {**{f"heads.{task}": 0.0 for task in model.heads if task not in learning}, **stage.rates}


def freeze(model: nn.Module, rates: Mapping[str, float], learning: Iterable[str] | None = None) -> None:
    """Take the gradient from every part of rate 0 and fix its batch norm; give both back to every other part.

    Args:
        model: whose parts are frozen.
        rates: of the parts.
        learning: tasks outside of whose heads the statistics of batch norm are fixed whatever the rate, and other heads
            drop nothing out, which would keep them from ever agreeing with a teacher; None for none.
    """
    free = None if learning is None else tuple(f"heads.{task}." for task in learning)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(rate_of(name, rates) > 0)
    for name, module in model.named_modules():
        rate = rate_of(name, rates) if name else 1.0
        module.training = rate > 0
        if free is None or name.startswith(free):
            continue
        if isinstance(module, nn.BatchNorm2d) or (isinstance(module, nn.Dropout) and name.startswith("heads.")):
            module.training = False


def optimizer_of(model: nn.Module, stage: Stage, rates: Mapping[str, float], *, fused: bool) -> optim.Optimizer:
    """One group per rate and weight decay; ``group["base"]`` holds the group's learning rate at factor 1.

    Args:
        model: whose parameters learn.
        stage: settings.
        rates: of the parts; parts of rate 0 are in no group.
        fused: step all parameters in one call, which Lightning refuses to clip under mixed precision.

    Raises:
        PolyheadError: when every part is frozen.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        rate = rate_of(name, rates)
        if rate > 0:
            groups.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise PolyheadError("rates: every part of the model is frozen; give at least one a rate above 0")
    settings = [
        {
            "params": parameters,
            "lr": stage.lr * rate,
            "base": stage.lr * rate,
            "weight_decay": stage.weight_decay if decays else 0.0,
        }
        for (rate, decays), parameters in groups.items()
    ]
    if stage.optimizer == "sgd":
        return optim.SGD(settings, momentum=stage.momentum, nesterov=stage.momentum > 0, fused=fused)
    return optim.AdamW(settings, fused=fused)


def schedule_of(stage: Stage, total: int) -> Callable[[int], float]:
    """The factor of the learning rate at each optimiser step ``0..total-1``; plateau adds its own on top.

    A pure function of the step, which is why a resumed run goes on with exactly the rate that it would have had.
    """

    def shape(step: int) -> float:
        done = step / max(1, total)
        if stage.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        if stage.schedule == "step":
            return 0.1 ** sum(done >= at for at in (2 / 3, 8 / 9))
        if stage.schedule == "onecycle":
            rising = 0.25
            if done < rising:
                return _anneal(1 / 25, 1.0, done / rising)
            return _anneal(1.0, 1e-4, (done - rising) / (1 - rising))
        return 1.0

    def factor(step: int) -> float:
        if stage.schedule != "onecycle" and step < stage.warmup:
            return shape(step) * (step + 1) / (stage.warmup + 1)
        return shape(step)

    return factor


def _anneal(start: float, end: float, done: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done))
