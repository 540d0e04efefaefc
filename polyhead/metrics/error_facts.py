"""Sentences about the errors of a detector, from its report."""

from collections.abc import Mapping
from typing import Any

MANY_SMALL = 10
"""Recall of small objects is reported only for at least this many of them."""
FEW_FOUND = 0.05
"""Object accuracy below which a network finds next to nothing."""
WORTH = 0.1
"""Gain of F1 from which another score threshold is suggested."""
ADVICE = {
    "classification": "boxes are correct, classes wrong: check labels of the confused classes, add images of them",
    "localisation": "boxes are loose: train longer or at a larger size, and check how tight the data's boxes are",
    "both": "boxes and classes are both wrong: the model is undertrained; train longer or add data",
    "duplicate": "one object gets several boxes: lower the IoU of the non-maximum suppression",
    "background": "boxes where no object is: raise --conf, add images without objects, and look for unlabeled ones",
    "missed": "objects are missed: train longer or at a larger size, or add images like those",
}


def main_error(numbers: Mapping[str, Any]) -> list[str]:
    """Report the main kind of error, and what helps against it."""
    if "errors" not in numbers:
        return []
    errors = numbers["errors"]
    counts: dict[str, int] = errors["counts"]
    total = sum(counts.values())
    found = f"{errors['found']} of {errors['objects']} objects found"
    if not total:
        return [f"No errors: {found}."]
    kind = max(counts, key=lambda name: counts[name])
    details = f"{counts[kind]} of {total} errors, {counts[kind] / total:.0%}; {found}"
    sentences = [f"Main kind of error: {kind} ({details}); {ADVICE[kind]}."]
    if kind == "missed" and "operating" not in numbers:  # the operating point is the better threshold
        sentences += _lower_conf(errors)
    if kind == "classification" and errors.get("confusions"):
        target, predicted, count = errors["confusions"][0]
        sentences.append(f"Most frequent confusion: {target} is detected as {predicted} ({count} times).")
    return sentences


def objectness(numbers: Mapping[str, Any]) -> list[str]:
    """Report how well a network with objectness tells objects from background, and that one figure means little."""
    stats = numbers.get("stats", {})
    if not {"object_accuracy", "no_object_accuracy"} <= stats.keys():
        return []
    found, background = stats["object_accuracy"], stats["no_object_accuracy"]
    if found < FEW_FOUND:
        what = f"Objectness is above .5 at {found:.1%} of the cells with an object"
        return [f"{what}. The no-object accuracy of {background:.3f} means nothing then: one that finds nothing has 1."]
    correct = stats.get("object_precision")
    share = "" if correct is None else f", and {correct:.0%} of the cells above .5 hold one"
    classes = f"; {stats['class_accuracy']:.0%} of them get the right class" if "class_accuracy" in stats else ""
    return [f"Objectness is above .5 at {found:.0%} of the cells with an object{classes}{share}."]


def _lower_conf(errors: Mapping[str, Any]) -> list[str]:
    """Report a lower score threshold with a clearly better F1, which counts wrong boxes, too; nothing without any."""
    lower = errors.get("lower_conf", {"found": 0, "detections": 0})
    wrong = lower["detections"] - lower["found"]
    f1 = [2 * each["found"] / (each.get("detections", 0) + errors["objects"]) for each in (errors, lower)]
    if f1[1] < f1[0] + WORTH:
        return []
    return [f"With --conf {lower['conf']}, {lower['found']} of them are found, next to {wrong} wrong boxes."]


def small_objects(numbers: Mapping[str, Any]) -> list[str]:
    """Report small objects that are found less than half as often as large ones."""
    sizes = numbers.get("errors", {}).get("sizes", {})
    small, large = sizes.get("small"), sizes.get("large")
    if not small or not large or small["objects"] < MANY_SMALL or large["objects"] == 0:
        return []
    if small["found"] / small["objects"] >= large["found"] / large["objects"] / 2:
        return []
    few_found = f"{small['found']} of {small['objects']} below 32 × 32 pixels are found"
    many_found = f"{large['found']} of {large['objects']} above 96 × 96"
    return [f"Small objects are missed: {few_found}, and {many_found}. Try a larger input size first."]
