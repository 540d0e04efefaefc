"""The recipe that ``polyhead init`` writes: a plan that is known to work, as commented YAML."""

from pathlib import Path
from shlex import quote
from textwrap import wrap
from typing import NamedTuple

from polyhead.contracts.reader import Reader
from polyhead.errors import one_line
from polyhead.workflows import time_budget
from polyhead.workflows.first_backbone import FirstBackbone, first_backbone, official_detector
from polyhead.workflows.first_plan import PROBE_COST, Given, Plan, plan_of, sampled_images
from polyhead.workflows.settings_text import Setting, lines_of

PATIENCE = 10
"""Least epochs without a better val score before a stage stops; more for longer stages."""

SPLIT_OFF = 0.15
"""Fraction of the images that is split from train for each of val and test that the folder does not have."""

OFFICIAL_OF = {"detection": official_detector}
"""What finds official weights of whole networks, by the kind of task."""


class FirstRecipe(NamedTuple):
    """A chosen recipe.

    Attributes:
        plan: the settings.
        backbone: the backbone.
        size: image size.
        epochs: epochs of the last stage.
        reason: why size and epochs were chosen.
    """

    plan: Plan
    backbone: FirstBackbone
    size: int
    epochs: int
    reason: str

    def zero_shot(self, path: Path) -> str | None:
        """Return the command that scores the weights on a recipe's test split; None if they lack some classes."""
        command = f"polyhead evaluate {self.backbone.weights} --data {quote(str(path))}"
        return command if self.plan.untrained else None


def first_recipe(
    reader: Reader, task: str, *, weights: str | None = None, minutes: float | None = None, missing: int = 0
) -> FirstRecipe:
    """Choose the settings of a first recipe.

    Args:
        reader: the training data.
        task: name of the task.
        weights: a weights file, ``hub``, or the name of official weights of a detector; None looks for files.
        minutes: time limit of the training.
        missing: how many of val and test are split from the training data.
    """
    images = sampled_images(reader)
    find_official = OFFICIAL_OF.get(reader.kind)
    official = None if find_official is None else find_official(weights)
    backbone = official or first_backbone(weights, images)
    given = Given(reader, backbone, task, images)
    plan = plan_of(given)
    count = max(1, round(len(reader) * (1 - SPLIT_OFF * missing)))
    if minutes is None:
        epochs = plan.default_epochs(count)
        reason = (
            f"{epochs} epochs of {count} images; fewer images get more epochs. --minutes 20 chooses size and epochs to "
            "fit 20 minutes on this machine."
        )
        return FirstRecipe(plan, backbone, plan.size, epochs, reason)
    settings = {each.name: each.value for each in plan_of(given._replace(task="task")).settings}
    settings |= {"backbone": backbone.name, "size": time_budget.TIMED_SIZE}
    timed = {"class_path": plan.model, "init_args": settings}
    seconds = time_budget.step_seconds(timed, reader.names, plan.batch)
    fixed = PROBE_COST * sum(stage.epochs or 0 for stage in plan.stages)
    pace = time_budget.choose(
        minutes, -(-count // plan.batch), seconds, sizes=plan.sizes, enough=plan.default_epochs(count), fixed=fixed
    )
    return FirstRecipe(plan, backbone, pace.size, pace.epochs, f"{pace.why}.")


def render(path: Path, headline: str, task: str, reader_lines: list[str], chosen: FirstRecipe) -> str:
    """Return the text of a recipe, with comments for beginners.

    Args:
        path: the recipe file, for its usage line.
        headline: what the data is.
        task: name of the task.
        reader_lines: the lines of the reader's settings.
        chosen: the settings.
    """
    plan, command = chosen.plan, chosen.zero_shot(path)
    model = [
        *chosen.backbone.settings,
        Setting("size", chosen.size, "image size in pixels; a larger size shows smaller objects and takes longer"),
        *plan.settings,
    ]
    lines = [
        one_line(f"# {plan.title} on {headline}"),
        one_line(f"#   polyhead train {quote(str(path))}"),
        *([one_line(f"#   {command}   before any training, which may be enough")] if command else []),
        "model:",
        f"  class_path: {plan.model}",
        "  init_args:",
        *lines_of(model, 4),
        "data:",
        f"  {task}:",
        *reader_lines,
        *lines_of([plan.transforms, Setting("batch", plan.batch, "images per step; lower it if memory runs out")], 4),
        "stages:",
        *_comment(chosen.reason),
    ]
    for stage in plan.stages:
        epochs = chosen.epochs if stage.epochs is None else stage.epochs
        patience = Setting("patience", max(PATIENCE, epochs // 2), "epochs without a better val score before it stops")
        settings = [Setting("epochs", epochs), *stage.settings, *([patience] if epochs > PATIENCE else [])]
        first, *others = lines_of(settings, 4)
        lines += [*_comment(stage.why), f"  - {first.strip()}", *others]
    lines.append("seed: 0  # the same seed gives the same result on the same type of CPU, and nearly the same on a GPU")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return wrap(one_line(text), 110, initial_indent="  # ", subsequent_indent="  # ")
