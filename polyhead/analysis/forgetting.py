"""What a run has lost of each task: beside baselines, and from stage to stage."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from polyhead.analysis.table import compare
from polyhead.errors import PolyheadError, suggest
from polyhead.metrics.forgetting import Course, course, drop
from polyhead.metrics.intervals import LEVEL
from polyhead.plotting.figures import save
from polyhead.run import Run, read_json, read_rows

BESIDE = f"forgetting, as a part of the baseline ({LEVEL:.0%} intervals over pictures and the baseline's seeds)"
SINCE = "forgetting on val: after the last stage, of what each task scored after the stage that taught it"
"""What losses are told of, in :func:`text`: those of :func:`against`, and those of :func:`since`."""

Baseline = float | Sequence[str]
"""A score, or the folders of runs that were tested on the same pictures: one for each seed."""


class Loss(NamedTuple):
    """What is missing of one task.

    Attributes:
        task: its name.
        metric: that it is judged by.
        score: of the run.
        baseline: the score to hold, a mean where several runs gave it.
        pictures: that both were scored on.
        runs: of the baseline, one for each seed; 0 where it is a number alone, or an earlier score of the same run.
        drop: the part of the baseline that is missing; below zero where there is more.
        interval: of the drop, over the pictures, both sides drawn together, and over the baseline's seeds; None where
            the baseline is a number alone, or was nothing on many resamples of the pictures.
    """

    task: str
    metric: str
    score: float
    baseline: float
    pictures: int
    runs: int
    drop: float
    interval: tuple[float, float] | None


def against(folder: str, baselines: Mapping[str, Baseline], split: str = "test") -> list[Loss]:
    """The drop of every task that has a baseline.

    Raises:
        PolyheadError: when a baseline was tested on other pictures, or a task has no score.
    """
    tested = read_json(Run.open(folder).results_json).get(split, {}).get("tasks", {})
    found: list[Loss] = []
    for task, baseline in baselines.items():
        metric = str(tested[task]["metric"])
        if tested[task]["score"] is None:
            raise PolyheadError(f"task {task!r} has no score on {split}: there was nothing to find")
        score, pictures = float(tested[task]["score"]), int(tested[task]["images"])
        if isinstance(baseline, float):
            found.append(Loss(task, metric, score, baseline, pictures, 0, drop(score, baseline), None))
            continue
        rows = compare({"baseline": [[run] for run in baseline], "run": [[folder]]}, metric.lower(), split, task)
        whole = rows[0].scores[metric.lower()][0]
        part = rows[1].relative
        spread = None if part is None else (-part[2], -part[1])
        found.append(Loss(task, metric, score, whole, pictures, len(baseline), drop(score, whole), spread))
    return found


def since(course: Course, metrics: Mapping[str, str], pictures: Mapping[str, int]) -> list[Loss]:
    """What later stages have cost each older task on val, of its score after the last stage that taught it.

    Tasks that scored nothing then have nothing to lose, and are left out (:func:`unscored`).

    Args:
        course: of the run.
        metrics: the name of what each task is judged by.
        pictures: how many of val each task is scored on.
    """
    older = course.older & (course.learnt > 0)
    return [
        Loss(task, metrics[task], score, first, pictures[task], 0, drop(score, first), None)
        for task, score, first, told in zip(
            course.tasks, course.scores[-1].tolist(), course.learnt.tolist(), older.tolist(), strict=True
        )
        if told
    ]


def unscored(course: Course) -> list[str]:
    """The older tasks that scored nothing on val after the last stage that taught them."""
    return [course.tasks[place] for place in np.flatnonzero(course.older & (course.learnt == 0))]


def transfer(run: Run, baselines: Mapping[str, Baseline] | None = None) -> dict[str, float]:
    """Backward and forward transfer of a run of several stages, on val; what cannot be told is left out.

    Args:
        run: any run.
        baselines: runs of a task alone tell what earlier stages have brought it (forward transfer): those that were
            validated on the same pictures.
    """
    rows = read_rows(run.results_csv)
    if all(row["stage"] == "0" for row in rows):
        return {}
    alone: dict[str, float] = {}
    for task, baseline in (baselines or {}).items():
        folders = [] if isinstance(baseline, float) else [Run.open(folder) for folder in baseline]
        alike = [each for each in folders if _validated(each, task) == _validated(run, task)]
        measured = [read_json(each.results_json).get("val", {}).get("tasks", {}) for each in alike]
        scores = [tasks.get(task, {}).get("score") for tasks in measured]
        if scores and None not in scores:
            alone[task] = math.fsum(scores) / len(scores)
    path = course(rows)
    found = {"backward": path.backward, "forward": path.forward(alone)}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _validated(run: Run, task: str) -> list[str]:
    """The pictures on which everything was chosen."""
    return sorted(run.read_manifest().get("splits", {}).get(task, {}).get("val", []))


def transfer_text(found: Mapping[str, float]) -> str:
    """Transfer as a line; it is in points of each task's own score, a mean over the tasks."""
    meaning = {"backward": "what later stages brought older tasks", "forward": "what earlier stages brought newer ones"}
    return "transfer on val: " + ", ".join(f"{name} {value:+z.3f} ({meaning[name]})" for name, value in found.items())


def parse(words: Sequence[str], tasks: Sequence[str], split: str = "test") -> dict[str, Baseline]:
    """Baselines from the command line: ``seg=0.56,det=0.2``, ``seg=RUN,RUN``, or a RUN with some of the tasks.

    Runs of one task are its seeds.

    Raises:
        PolyheadError: when a word is neither, there is no such task, a score is not above 0 and at most 1, a run has no
            score of a task or is given twice for it, or a task has two scores, or a score and runs.
    """
    numbers: dict[str, float] = {}
    runs: dict[str, list[str]] = {}
    for word in _parts(words):
        task, _, value = word.partition("=")
        if Path(word).is_dir():
            theirs = read_json(Run.open(word).results_json).get(split, {}).get("tasks", {})
            shared = [task for task in tasks if task in theirs]
            if not shared:
                raise PolyheadError(f"--baseline: run {word!r} has no score on {split} of {', '.join(tasks)}")
            for task in shared:
                runs.setdefault(task, []).append(word)
        elif value and Path(value).is_dir():
            runs.setdefault(task, []).append(value)
        elif task in numbers:
            raise PolyheadError(f"--baseline: task {task!r} has two scores, {numbers[task]:g} and {value}; give one")
        else:
            numbers[task] = _score(word, value)
    for task in (*numbers, *runs):
        if task not in tasks:
            raise PolyheadError(f"--baseline: {task!r} is none of the tasks {', '.join(tasks)}{suggest(task, tasks)}")
    both = numbers.keys() & runs.keys()
    if both:
        raise PolyheadError(f"--baseline: task {min(both)!r} has a score and a run; give one of them")
    for task, folders in runs.items():
        _check_seeds(task, folders, split)
    return {**numbers, **runs}


def _parts(words: Sequence[str]) -> Iterator[str]:
    """The words cut at commas; a run after another one of a task (``seg=A,B``) is of that task."""
    for word in words:
        task = ""
        for part in [word] if Path(word).is_dir() else word.split(","):
            name, named, _ = part.partition("=")
            task = name if named else task
            yield f"{task}={part}" if task and not named and Path(part).is_dir() else part


def _check_seeds(task: str, folders: Sequence[str], split: str) -> None:
    seen: set[Path] = set()
    for folder in folders:
        _check_scored(folder, task, split)
        if Path(folder).resolve() in seen:
            raise PolyheadError(f"--baseline: run {folder!r} is given twice for {task!r}, and would count as two")
        seen.add(Path(folder).resolve())


def _score(part: str, value: str) -> float:
    try:
        score = float(value)
    except ValueError:
        raise PolyheadError(
            f"--baseline: expected TASK=SCORE, TASK=RUN or the folder of a run, got {part!r}: {value or part!r} is "
            "neither a number nor a folder"
        ) from None
    if not 0 < score <= 1:
        raise PolyheadError(f"--baseline: a score to lose from lies above 0 and is at most 1, got {part!r}")
    return score


def _check_scored(folder: str, task: str, split: str) -> None:
    tasks = read_json(Run.open(folder).results_json).get(split, {}).get("tasks", {})
    if not tasks.get(task, {}).get("score"):
        what = "a score of 0" if task in tasks else "no score"
        raise PolyheadError(f"--baseline: run {folder!r} has {what} on {split} of {task!r}: there is nothing to lose")


def text(losses: Sequence[Loss], most: float | None = None, title: str = BESIDE, unjudged: Sequence[str] = ()) -> str:
    """The drops as lines, and whether each is within ``most``; ``unjudged`` are tasks that have no baseline."""
    lines = [title]
    width = max((len(loss.task) for loss in losses), default=0)
    for loss in losses:
        spread = "" if loss.interval is None else f" [{loss.interval[0]:+z.1%}, {loss.interval[1]:+z.1%}]"
        gate = "" if most is None else f"   {'within' if loss.drop <= most else 'beyond'} {most:.1%}"
        score = f"{loss.metric} {loss.score:.3f} of {loss.baseline:.3f}"
        seeds = f", {loss.runs} run{'s' * (loss.runs > 1)}" if loss.runs else ""
        lines.append(
            f"  {loss.task:<{width}}  {score} ({loss.pictures} pictures{seeds}): drop {loss.drop:+z.1%}{spread}{gate}"
        )
    lines += [f"  {task:<{width}}  was given no baseline, so it is not judged" for task in unjudged]
    return "\n".join(lines)


def heat_map(course: Course, path: Path) -> Path:
    """The score of each task (column) after each stage (row), on val; empty before a task's first stage."""
    stages, tasks = course.scores.shape
    figure = Figure(figsize=(1.6 + 1.2 * tasks, 1.2 + 0.6 * stages), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(np.ma.masked_invalid(course.scores), vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for stage, task in zip(*np.nonzero(~np.isnan(course.scores)), strict=True):
        score = course.scores[stage, task]
        ink = "white" if score > 0.6 else "black"
        axes.text(task, stage, f"{score:.3f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(tasks), course.tasks)
    axes.set_yticks(range(stages), [f"stage {stage + 1}" for stage in range(stages)])
    axes.set_title("score on val after each stage")
    return save(figure, path)
