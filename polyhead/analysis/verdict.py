"""The verdict of a run: what its numbers mean, in plain words.

A sentence appears only if the numbers that it follows from are present, and it quotes them. Nothing is computed from
images here: the numbers come from ``results.json`` and ``results.csv``, and the kind of the task explains its own.
"""

from collections.abc import Mapping
from typing import Any

from polyhead.analysis import learning_curves, operating
from polyhead.contracts.kind import Kind
from polyhead.errors import counted
from polyhead.kinds import kind_of
from polyhead.metrics import confusions
from polyhead.metrics.box_errors import CONFIDENT
from polyhead.metrics.error_facts import WORTH

FEW_IMAGES = 10
"""With fewer images than this, the percentiles of a bootstrap are meaningless: there is almost nothing to resample."""

DOUBTFUL = ("same-folder", "split-copies", "near-split-copies")
"""Checks of the data whose warnings mean that scores may be too good."""

BARELY = 0.05
"""With less skill than this, a model is not praised for being better than the dummy baseline."""


def verdict(results: Mapping[str, Any]) -> str:
    """Write a few sentences about each task: its score, its main kind of error, what to try next.

    Args:
        results: ``{"tasks": {name: numbers}}``. All numbers are optional; None stands for one that is not defined:

            * ``kind``: name of the kind of task;
            * ``score``, ``metric`` (its name), ``split``, ``images`` (number of test images),
              ``interval`` (``[low, high]``) and its ``level`` (0.9);
            * ``dummy_baseline``: ``{"name": what it predicts, "score": the same metric}``, a model that looks at no
              image;
            * ``zero_shot``: ``{"score", "interval"}`` of the pretrained weights before any training here, and
              ``"difference"``, ``[value, low, high]``: the trained model's score minus theirs;
            * ``operating``: what :func:`polyhead.analysis.operating.measure_point` returned;
            * ``errors``: :meth:`polyhead.metrics.box_errors.Errors.summary`;
            * ``confusions``: ``[target class, predicted class, fraction of the target class]``, most frequent first;
            * ``train_objects``: training objects of each class; or ``train_images``: training images that show it;
            * ``warnings``: what the checks of the data found, by check;
            * ``history``: the fields of :class:`polyhead.analysis.learning_curves.Curves`;
            * ``regularization``: the settings against overfitting, a text each.

    Returns:
        Lines of text, those of each task under its name.
    """
    lines = []
    for task, numbers in results["tasks"].items():
        known = {name: value for name, value in numbers.items() if value is not None and value != [None, None]}
        kind = kind_of(known["kind"]) if "kind" in known else None
        facts = [] if kind is None else kind.facts(known)
        faults = [] if kind is None else confusions.faults(known, kind.counted)
        causes = faults or _learning_curves(known, kind)  # faults of the data shape the curves, too
        doubts = [
            f"Warning of the data: {known['warnings'][each]}." for each in DOUBTFUL if each in known.get("warnings", {})
        ]
        point = operating.sentences(known.get("operating", {}), known.get("split", "test"))
        sentences = [*_score(known, kind), *doubts, *_zero_shot(known, kind), *point, *facts, *_selection(known)]
        sentences += [*causes, *_wide(known, kind)]
        lines += [f"{task}:", *(f"  {sentence}" for sentence in sentences or ["No results."])]
    return "\n".join(lines)


def _score(numbers: Mapping[str, Any], kind: Kind | None) -> list[str]:
    """Report the score, its interval, and the dummy baseline."""
    if "score" not in numbers:
        return []
    score, metric = numbers["score"], numbers.get("metric", "score")
    text = f"{metric} {score:.3f}"
    if "images" in numbers:
        text += f" on {numbers['images']} {numbers.get('split', '')}".rstrip() + " images"
    if "interval" in numbers:
        low, high = numbers["interval"]
        text += f" ({100 * numbers.get('level', 0.9):.0f} % interval {low:.3f} to {high:.3f})"
    sentences = [text + "."]
    dummy = numbers.get("dummy_baseline", {}).get("score")
    if dummy is not None:
        name = numbers["dummy_baseline"]["name"]
        sentences.append(f"The dummy baseline ({name}) has {dummy:.3f}: {_against_dummy(numbers, dummy, kind)}.")
    return sentences


def _zero_shot(numbers: Mapping[str, Any], kind: Kind | None) -> list[str]:
    """Report the score of the pretrained weights as they are, and whether training was worth it."""
    if "zero_shot" not in numbers:
        return []
    before = numbers["zero_shot"]
    value, low, high = before["difference"]
    sign = 1 if kind is None or kind.main.higher_is_better else -1
    if sign * (low if sign > 0 else high) > 0:
        outcome = "the trained model is better"
    elif sign * (high if sign > 0 else low) < 0:
        outcome = "the trained model is worse, so keep the pretrained weights"
    else:
        outcome = "the difference is not significant, so keep the pretrained weights, or train on more images"
    metric, level = numbers.get("metric", "score"), numbers.get("level", 0.9)
    interval = f"{100 * level:.0f} % interval {low:+.3f} to {high:+.3f}"
    start = f"As they were before this training, the pretrained weights have {metric} {before['score']:.3f}"
    return [f"{start}; training changed that by {value:+.3f} ({interval}): {outcome}."]


def _against_dummy(numbers: Mapping[str, Any], dummy: float, kind: Kind | None) -> str:
    """Say whether the model is better than the dummy baseline."""
    higher = kind is None or kind.main.higher_is_better
    sign = 1 if higher else -1
    if next_to_nothing := _next_to_nothing(numbers, dummy, kind):
        return next_to_nothing
    if sign * round(numbers["score"], 3) <= sign * round(dummy, 3):  # compared as they are printed
        return "the model is not better, so it has learned nothing useful yet"
    if "interval" not in numbers:
        return f"the model is {abs(numbers['score'] - dummy):.3f} better"
    if numbers.get("images", FEW_IMAGES) < FEW_IMAGES:
        return "the model is better, but the result is inconclusive with so few images"
    worst = numbers["interval"][0 if higher else 1]
    if sign * worst <= sign * dummy:
        return "the model is better, but the difference is not significant: the baseline is within the interval"
    return f"the model is better, and its whole interval is {'above' if higher else 'below'} the baseline"


def _next_to_nothing(numbers: Mapping[str, Any], dummy: float, kind: Kind | None) -> str:
    """Say that a model finds nothing, or is hardly better than the dummy baseline; empty where it is."""
    skill, errors = _skill(numbers, kind), numbers.get("errors", {})
    low = numbers.get("operating", {}).get("f1", [0.0, 0.0])[1] or 0.0  # of F1 where boxes are shown
    if errors.get("found") == 0 and errors.get("objects") and low < WORTH:
        objects = counted(errors["objects"], "object")
        return f"the model finds none of {objects} with a score of {CONFIDENT} or more, so it is not usable yet"
    if skill is not None and 0 < skill < BARELY and f"{numbers['score']:.3f}" != f"{dummy:.3f}":
        return f"the model is only {abs(numbers['score'] - dummy):.3f} better, so it is not usable yet"
    return ""


def _learning_curves(numbers: Mapping[str, Any], kind: Kind | None) -> list[str]:
    """Report the cause of a poor score that the learning curves show."""
    if "history" not in numbers:
        return []
    low, high = numbers.get("interval", (0.0, 0.0))
    higher = kind is None or kind.main.higher_is_better
    outcome = learning_curves.Outcome(_skill(numbers, kind), high - low, higher)
    sentence = learning_curves.cause(learning_curves.Curves(**numbers["history"]), outcome)
    return [sentence] if sentence else []


def _selection(numbers: Mapping[str, Any]) -> list[str]:
    """Report the selected epoch, and what selection, early stopping and regularization did."""
    if "history" not in numbers:
        return []
    curves = learning_curves.Curves(**numbers["history"])
    sentence = learning_curves.selection(curves, numbers.get("regularization", ()))
    return [sentence] if sentence else []


def _skill(numbers: Mapping[str, Any], kind: Kind | None) -> float | None:
    """Return the skill of the score, relative to the dummy baseline; None where it is not known."""
    dummy = numbers.get("dummy_baseline", {}).get("score")
    return None if kind is None or dummy is None or "score" not in numbers else kind.main.skill(numbers["score"], dummy)


def _wide(numbers: Mapping[str, Any], kind: Kind | None) -> list[str]:
    """Report an interval that is too wide to choose between models."""
    if "interval" not in numbers or "images" not in numbers:
        return []
    low, high = numbers["interval"]
    images = numbers["images"]
    if images < FEW_IMAGES:
        return [f"{images} images are too few for a reliable interval: the printed one is too narrow. Add more."]
    dummy = numbers.get("dummy_baseline", {}).get("score")
    lower = kind is not None and not kind.main.higher_is_better and dummy is not None
    scale = abs(kind.main.best - dummy) if kind and lower else 1.0  # from the dummy baseline to the best value
    if high - low <= 0.1 * scale:  # a good change of the model is worth about a tenth
        return []
    return [f"The interval is {high - low:.3f} wide with {images} images: test on more before choosing between models."]
