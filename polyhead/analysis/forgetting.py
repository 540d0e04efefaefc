"""How much of each task a run has lost: relative to baselines, and from stage to stage."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from polyhead.analysis.table import compare
from polyhead.contracts.kind import Kind
from polyhead.contracts.score import Score
from polyhead.errors import PolyheadError, suggest
from polyhead.kinds import kind_of, kinds_of_run
from polyhead.metrics.forgetting import ScoreHistory, drop, score_history
from polyhead.metrics.intervals import LEVEL
from polyhead.plotting.figures import escape, save
from polyhead.run import Run

FROM_BASELINE = f"forgetting relative to the baseline ({LEVEL:.0%} intervals over images and the baseline's seeds)"
SINCE_LEARNED = "forgetting on val: score after the last stage vs. score after the stage that last trained the task"
"""Titles of :func:`text`, for the drops of :func:`drops_from_baselines` and of :func:`drops_since_learned`."""

NOT_DEFINED = " (the baseline is not better than the dummy baseline, or is 0)"
"""Why a drop is not defined."""

Baseline = float | Sequence[str]
"""A score, or the folders of runs that were tested on the same images, one for each seed."""


class ScoreDrop(NamedTuple):
    """How much of a task's score was lost.

    Attributes:
        task: task name.
        metric: name of the task's main score.
        score: score of the run.
        baseline: score to retain; the mean, where it is of several runs.
        images: number of images that both were scored on.
        runs: number of runs of the baseline, one for each seed; 0 where the baseline is a number, or an earlier score
            of the same run.
        drop: the fraction of the baseline that was lost; negative where the score is better. Where lower scores are
            better, it is the fraction of the baseline's skill. None where it is not defined, because the baseline (or
            its skill) is not above 0.
        interval: of the drop, over the images (both sides are resampled together) and the baseline's seeds; None where
            the baseline is a number, or is 0 on many resamples of the images.
        skill: skill of the run's score, relative to its dummy baseline; None where that is not known.
        baseline_skill: skill of the baseline, relative to the same dummy baseline.
    """

    task: str
    metric: str
    score: float
    baseline: float
    images: int
    runs: int
    drop: float | None
    interval: tuple[float, float] | None
    skill: float | None = None
    baseline_skill: float | None = None


def drops_from_baselines(folder: str, baselines: Mapping[str, Baseline], split: str = "test") -> list[ScoreDrop]:
    """Compute the drop of every task that has a baseline.

    Raises:
        PolyheadError: when a baseline was tested on other images, or a task has no score.
    """
    tested = Run.open(folder).results.get(split, {}).get("tasks", {})
    drops: list[ScoreDrop] = []
    for task, baseline in baselines.items():
        main = kind_of(tested[task]["kind"]).main
        if tested[task]["score"] is None:
            raise PolyheadError(f"task {task!r} has no score on {split}: the split has no annotated objects for it")
        if isinstance(baseline, float):
            drops.append(_drop(task, tested[task], main, baseline))
            continue
        rows = compare({"baseline": [[run] for run in baseline], "run": [[folder]]}, main.name, split, task)
        mean = rows[0].scores[main.name][0]
        relative = rows[1].relative
        # The drop is the negative of the relative difference, so its limits swap.
        interval = None if relative is None else (-relative[2], -relative[1])
        drops.append(_drop(task, tested[task], main, mean)._replace(runs=len(baseline), interval=interval))
    return drops


def _drop(task: str, numbers: Mapping[str, Any], main: Score, baseline: float) -> ScoreDrop:
    """Return the drop of a task from a baseline that is a number; ``numbers`` is the report of the task."""
    score, dummy = float(numbers["score"]), numbers.get("dummy_baseline", {}).get("score")
    skills = [None, None] if dummy is None else [main.skill(each, dummy) for each in (score, baseline)]
    lost = drop(score, baseline) if main.higher_is_better else None
    if not main.higher_is_better and skills[0] is not None and skills[1] is not None:
        lost = drop(skills[0], skills[1])
    return ScoreDrop(task, str(numbers["metric"]), score, baseline, int(numbers["images"]), 0, lost, None, *skills)


def drops_since_learned(
    history: ScoreHistory, metrics: Mapping[str, str], images: Mapping[str, int]
) -> list[ScoreDrop]:
    """Compute the drop of each earlier task on val, relative to its score after the last stage that trained it.

    Tasks that scored 0 (or had no skill) then have no drop, and are left out (:func:`unscored`).

    Args:
        history: val scores of the run.
        metrics: name of each task's main score.
        images: number of val images of each task.
    """
    has_drop = history.is_earlier & (history.learned > 0)  # [t]
    return [
        ScoreDrop(task, metrics[task], score, first, images[task], 0, drop(score, first), None)
        for task, score, first, defined in zip(
            history.tasks, history.scores[-1].tolist(), history.learned.tolist(), has_drop.tolist(), strict=True
        )
        if defined
    ]


def unscored(history: ScoreHistory) -> list[str]:
    """Return the earlier tasks that scored 0 (or had no skill) on val after the last stage that trained them."""
    return [history.tasks[index] for index in np.flatnonzero(history.is_earlier & (history.learned <= 0))]


def transfer(run: Run, baselines: Mapping[str, Baseline] | None = None) -> dict[str, float]:
    """Compute backward and forward transfer of a run of several stages, on val.

    A value that is not defined is left out.

    Args:
        run: any run.
        baselines: runs that were trained on one task alone, which forward transfer is relative to. Only runs that were
            validated on the same images are used.
    """
    rows = run.epochs
    if all(row["stage"] == "0" for row in rows):
        return {}
    kinds = kinds_of_run(run)
    single_task: dict[str, float] = {}
    for task, baseline in (baselines or {}).items():
        runs = [] if isinstance(baseline, float) else [Run.open(folder) for folder in baseline]
        comparable = [each for each in runs if _val_images(each, task) == _val_images(run, task)]
        scores = [score for each in comparable if (score := _ranking_score(each, task, kinds)) is not None]
        if scores and len(scores) == len(comparable):
            single_task[task] = math.fsum(scores) / len(scores)
    history = score_history(rows, kinds)
    values = {"backward": history.backward_transfer, "forward": history.forward_transfer(single_task)}
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _ranking_score(run: Run, task: str, kinds: Mapping[str, Kind]) -> float | None:
    """Return what the history of a run has: a task's score on val, or its skill where lower scores are better."""
    numbers = run.results.get("val", {}).get("tasks", {}).get(task, {})
    score, dummy = numbers.get("score"), numbers.get("dummy_baseline", {}).get("score")
    if score is None or kinds[task].main.higher_is_better:
        return None if score is None else float(score)
    return None if dummy is None else kinds[task].main.skill(score, dummy)


def _val_images(run: Run, task: str) -> list[str]:
    """Return the image ids of a task's val split, sorted."""
    return sorted(run.read_manifest().get("splits", {}).get(task, {}).get("val", []))


def transfer_text(values: Mapping[str, float]) -> str:
    """Format transfer as a line; the values are differences of scores, averaged over the tasks."""
    meaning = {
        "backward": "score change of earlier tasks by later stages",
        "forward": "score gain of newer tasks by earlier stages, vs. single-task models",
    }
    return "transfer on val: " + ", ".join(f"{name} {value:+z.3f} ({meaning[name]})" for name, value in values.items())


def parse(
    words: Sequence[str], tasks: Sequence[str], split: str = "test", kinds: Mapping[str, Kind] | None = None
) -> dict[str, Baseline]:
    """Parse the baselines of the command line: ``seg=0.56,det=0.2``, ``seg=RUN,RUN``, or a RUN with some of the tasks.

    Several runs of one task are its seeds.

    Args:
        words: the words.
        tasks: the tasks of the run.
        split: the split that the run is scored on.
        kinds: the kind of each task; without one, higher scores are better.

    Raises:
        PolyheadError: when a word has none of these forms, there is no such task, a score is out of range, a run has no
            score for a task or is given twice for it, or a task has two scores, or a score and runs.
    """
    lower = {task for task, kind in (kinds or {}).items() if not kind.main.higher_is_better}
    numbers: dict[str, float] = {}
    runs: dict[str, list[str]] = {}
    for word in _split_words(words):
        task, _, value = word.partition("=")
        if Path(word).is_dir():
            tested = Run.open(word).results.get(split, {}).get("tasks", {})
            shared = [task for task in tasks if task in tested]
            if not shared:
                raise PolyheadError(f"--baseline: run {word!r} has no score on {split} for {', '.join(tasks)}")
            for task in shared:
                runs.setdefault(task, []).append(word)
        elif value and Path(value).is_dir():
            runs.setdefault(task, []).append(value)
        elif task in numbers:
            raise PolyheadError(
                f"--baseline: task {task!r} has two scores, {numbers[task]:g} and {value}. Give only one."
            )
        else:
            numbers[task] = _parse_score(word, value, lower_is_better=task in lower)
    for task in (*numbers, *runs):
        if task not in tasks:
            raise PolyheadError(
                f"--baseline: {task!r} is not one of the tasks {', '.join(tasks)}{suggest(task, tasks)}"
            )
    both = numbers.keys() & runs.keys()
    if both:
        raise PolyheadError(f"--baseline: task {min(both)!r} has both a score and a run. Give only one of them.")
    for task, folders in runs.items():
        _check_seeds(task, folders, split, lower_is_better=task in lower)
    return {**numbers, **runs}


def _split_words(words: Sequence[str]) -> Iterator[str]:
    """Split the words at commas; a run that follows another run of a task (``seg=A,B``) is of that task, too."""
    for word in words:
        task = ""
        value = word.partition("=")[2]
        is_run = Path(word).is_dir() or (value != "" and Path(value).is_dir())  # the name of a run may have commas
        for part in [word] if is_run else word.split(","):
            name, equals, _ = part.partition("=")
            task = name if equals else task
            yield f"{task}={part}" if task and not equals and Path(part).is_dir() else part


def _check_seeds(task: str, folders: Sequence[str], split: str, *, lower_is_better: bool) -> None:
    """Refuse a baseline run that has no score for the task, or is given twice for it."""
    seen: set[Path] = set()
    for folder in folders:
        _check_scored(folder, task, split, lower_is_better=lower_is_better)
        if Path(folder).resolve() in seen:
            raise PolyheadError(
                f"--baseline: run {folder!r} is given twice for {task!r} and would count as two seeds. Give it once."
            )
        seen.add(Path(folder).resolve())


def _parse_score(word: str, value: str, *, lower_is_better: bool) -> float:
    try:
        score = float(value)
    except ValueError:
        raise PolyheadError(
            f"--baseline: {value or word!r} is neither a number nor a folder (expected TASK=SCORE, TASK=RUN or the "
            f"folder of a run, got {word!r})"
        ) from None
    if lower_is_better and math.isfinite(score):
        return score
    if not 0 < score <= 1:
        raise PolyheadError(f"--baseline: the score is out of range (expected above 0 and at most 1, got {word!r})")
    return score


def _check_scored(folder: str, task: str, split: str, *, lower_is_better: bool) -> None:
    tasks = Run.open(folder).results.get(split, {}).get("tasks", {})
    score = tasks.get(task, {}).get("score")
    if score is None or (score <= 0 and not lower_is_better):
        what = "a score of 0" if task in tasks else "no score"
        raise PolyheadError(
            f"--baseline: run {folder!r} has {what} on {split} for {task!r}, so the drop is not defined. "
            "Give another baseline."
        )


def text(
    drops: Sequence[ScoreDrop],
    max_drop: float | None = None,
    title: str = FROM_BASELINE,
    unjudged: Sequence[str] = (),
) -> str:
    """Format the drops as lines, with whether each is within ``max_drop``.

    Args:
        drops: one for each task.
        max_drop: the limit; None for no limit.
        title: the first line.
        unjudged: tasks that have no baseline.
    """
    lines = [title]
    width = max((len(each.task) for each in drops), default=0)
    for each in drops:
        score = f"{each.metric} {each.score:.3f} vs. {each.baseline:.3f}"
        if each.skill is not None and each.baseline_skill is not None:
            score += f", skill {each.skill:.3f} vs. {each.baseline_skill:.3f}"
        seeds = f", {each.runs} run{'s' * (each.runs > 1)}" if each.runs else ""
        gate = "" if max_drop is None or each.drop is None else f"   {_gate(each.drop, max_drop)} {max_drop:.1%}"
        lines.append(f"  {each.task:<{width}}  {score} ({each.images} images{seeds}): {_change(each)}{gate}")
    lines += [f"  {task:<{width}}  has no baseline, so its drop is not checked" for task in unjudged]
    return "\n".join(lines)


def _change(drop: ScoreDrop) -> str:
    """Format a drop with its interval; a negative one is a gain."""
    if drop.drop is None:
        return f"drop not defined{NOT_DEFINED}"
    sign, word = (-1, "gained") if round(drop.drop, 3) < 0 else (1, "drop")
    change = f"{word} {sign * drop.drop:+z.1%}"
    if drop.interval is None:
        return change
    low, high = sorted(sign * limit for limit in drop.interval)
    return f"{change} [{low:+z.1%}, {high:+z.1%}]"


def _gate(lost: float, max_drop: float) -> str:
    return "within" if lost <= max_drop else "exceeds"


def exceeds(drops: Sequence[ScoreDrop], max_drop: float | None) -> bool:
    """Return whether a drop is above the limit, or not defined, so that nothing shows that it is within."""
    return max_drop is not None and any(each.drop is None or each.drop > max_drop for each in drops)


def heat_map(history: ScoreHistory, title: str, path: Path) -> Path:
    """Draw the val score of each task (column) after each stage (row); empty before a task's first stage."""
    stages, tasks = history.scores.shape
    figure = Figure(figsize=(1.6 + 1.2 * tasks, 1.2 + 0.6 * stages), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(np.ma.masked_invalid(history.scores), vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for stage, task in zip(*np.nonzero(~np.isnan(history.scores)), strict=True):
        score = history.scores[stage, task]
        ink = "white" if score > 0.6 else "black"
        axes.text(task, stage, f"{score:.3f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(tasks), history.tasks)
    axes.set_yticks(range(stages), [f"stage {stage + 1}" for stage in range(stages)])
    axes.set_title(escape(title), fontsize=11)
    return save(figure, path)
