"""Section 2 of a report: the splits, the network, the training, and with what it was done."""

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from polyhead.analysis.markdown import escape, table
from polyhead.analysis.report.files import recipe_of, split_of, tasks_of
from polyhead.analysis.report.shown import Text
from polyhead.run import Run

if TYPE_CHECKING:
    from pandas import DataFrame


def splits(run: Run) -> "DataFrame":
    """Return the number of samples in each split of each head, and how many are in more than one."""
    import pandas as pd  # pylint: disable=import-outside-toplevel  # takes long, and few functions need it

    rows = []
    for task, parts in run.read_manifest().get("splits", {}).items():
        uses = Counter(sample for samples in parts.values() for sample in {*samples})
        shared = sum(count > 1 for count in uses.values())
        rows.append({"head": task, **{name: len(samples) for name, samples in parts.items()}, "in two splits": shared})
    return pd.DataFrame(rows)


def network(run: Run) -> Text:
    """Show the parts of the network with their numbers of parameters, and its settings."""
    parameters = run.read_manifest().get("parameters", {})
    rows = [[escape(part), f"{count:,}"] for part, count in parameters.items()]
    rows.append(["**all**", f"{sum(parameters.values()):,}"])
    model = recipe_of(run).get("model")
    return Text("\n\n".join([table(["part", "parameters"], rows), *([_yaml(model)] if model else [])]))


def training(run: Run) -> Text:
    """Show the settings of the training, and what was chosen on which split."""
    recipe, manifest = recipe_of(run), run.read_manifest()
    shown = {key: value for key, value in recipe.items() if key not in ("model", "links", "name", "runs")}
    plans = [
        [
            str(number),
            str(plan["epochs"]),
            f"{plan['steps']:,}",
            escape(plan["schedule"]),
            f"{plan['lr']:g}",
            escape(", ".join(f"{task} {size}" for task, size in plan["batch"].items())),
        ]
        for number, plan in enumerate(manifest.get("schedules", []), 1)
    ]
    header = ["stage", "epochs", "steps", "schedule", "learning rate", "batch"]
    plan = table(header, plans) if plans else ""
    return Text("\n\n".join(part for part in (plan, _chosen(run), _yaml(shown) if shown else "") if part))


def _chosen(run: Run) -> str:
    """Return what was chosen on which split."""
    if split_of(run) != "test":
        return "This run has no scores on test. Its val scores are too high, as its weights were selected by them."
    points = {task: numbers["operating"] for task, numbers in tasks_of(run).items() if numbers.get("operating")}
    chosen = []
    for task, point in points.items():
        parts = [*(["thresholds"] if point.get("threshold") is not None else [])]
        parts += ["temperature"] if "temperature" in point else []
        chosen.append(f"the {' and '.join(parts) or 'operating point'} of {escape(task)} on {point['chosen_on']}")
    selected = any(row.get("selected") == "1" for row in run.epochs)
    chosen = [*(["the epoch whose weights are used on val"] if selected else []), *chosen]
    return f"Chosen were {', and '.join(chosen)}; test was measured afterwards." if chosen else ""


def reproducibility(run: Run) -> Text:
    """Show the seed, versions, hardware and the state of the code, and the command that trains the same network."""
    manifest = run.read_manifest()
    hardware, git = manifest.get("hardware") or {}, manifest.get("git") or {}
    rows: list[list[Any]] = [
        ["seed", manifest.get("seed", "not stated")],
        ["precision", manifest.get("precision", "-")],
    ]
    rows += [[name, version] for name, version in manifest.get("versions", {}).items()]
    rows += [[name, value] for name, value in hardware.items() if value is not None]
    if git.get("commit"):
        rows.append(["git commit", git["commit"] + (" with changes" if git.get("changed") else "")])
    rows += [["started", manifest.get("started", "-")], ["finished", manifest.get("finished", "not finished")]]
    images = [f"{task}: {numbers['images']}" for task, numbers in tasks_of(run).items()]
    rows.append([f"{split_of(run)} images", ", ".join(images)])
    command = manifest.get("command") or [""]
    by = Path(command[0]).name
    how = f"\n\nTrained with:\n\n```\n{shlex.join(['polyhead', *command[1:]])}\n```" if by == "polyhead" else ""
    cells = [[escape(str(name)), escape(str(value))] for name, value in rows]
    return Text(f"{table(['what', 'value'], cells)}{how}")


def _yaml(content: Any) -> str:
    """Return settings as a block of YAML, without those that are not set."""
    return f"```yaml\n{yaml.safe_dump(_given(content), sort_keys=False, allow_unicode=True)}```"


def _given(content: Any) -> Any:
    """Return settings without those that are null or empty."""
    if isinstance(content, dict):
        shown = {key: _given(value) for key, value in content.items()}
        return {key: value for key, value in shown.items() if value is not None and value not in ({}, [])}
    return [_given(each) for each in content] if isinstance(content, list) else content
