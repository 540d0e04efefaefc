from typing import Any

import pytest

from polyhead.metrics.box_errors import KINDS
from polyhead.metrics.error_facts import ADVICE, main_error, objectness, small_objects


def errors(found: int = 5, objects: int = 10, **counts: int) -> dict[str, Any]:
    return {"found": found, "objects": objects, "counts": dict.fromkeys(KINDS, 0) | counts}


@pytest.mark.parametrize("kind", KINDS)
def test_main_kind_of_error_has_its_own_advice(kind: str) -> None:
    (sentence,) = main_error({"errors": errors(**dict.fromkeys(KINDS, 1) | {kind: 5})})
    assert sentence.startswith(f"Main kind of error: {kind} (5 of 10 errors, 50%; 5 of 10 objects found)")
    assert ADVICE[kind] in sentence
    assert len({*ADVICE.values()}) == len(KINDS)


def test_confused_classes_are_named() -> None:
    confusions = {"confusions": [["bottle", "cup", 2], ["cup", "bowl", 1]]}
    named = "Most frequent confusion: bottle is detected as cup (2 times)."
    assert main_error({"errors": errors(classification=3) | confusions})[1:] == [named]
    assert not main_error({"errors": errors(classification=3, missed=4) | confusions})[1:]


def test_no_errors() -> None:
    assert main_error({"errors": errors(found=10)}) == ["No errors: 10 of 10 objects found."]
    assert main_error({}) == small_objects({}) == []


@pytest.mark.parametrize(
    ("small", "large", "applies"),
    [((3, 40), (45, 50), True), ((30, 40), (45, 50), False), ((0, 5), (45, 50), False), ((0, 40), (0, 0), False)],
)
def test_small_objects(small: tuple[int, int], large: tuple[int, int], applies: bool) -> None:
    sizes = {name: {"found": size[0], "objects": size[1]} for name, size in (("small", small), ("large", large))}
    expected = (
        "Small objects are missed: 3 of 40 below 32 × 32 pixels are found, and 45 of 50 above 96 × 96. Try a larger "
        "input size first."
    )
    assert small_objects({"errors": errors(missed=1) | {"sizes": sizes}}) == ([expected] if applies else [])


@pytest.mark.parametrize(
    ("found", "detections", "suggested"), [(12, 20, True), (4, 80, False), (0, 0, False), (12, 400, False)]
)
def test_a_lower_score_is_suggested_only_where_it_is_better(found: int, detections: int, suggested: bool) -> None:
    lower = {"conf": 0.1, "objects": 25, "found": found, "detections": detections}
    errors = {"objects": 25, "found": 0, "detections": 0, "counts": {"missed": 25}, "lower_conf": lower}
    sentences = main_error({"errors": errors})
    assert ("With --conf 0.1, 12 of them are found, next to 8 wrong boxes." in sentences) == suggested
    assert ("--conf" in " ".join(sentences)) == suggested
    assert "--conf" not in " ".join(main_error({"errors": errors, "operating": {}})), "that is the better threshold"


def test_objectness_is_reported_with_its_precision() -> None:
    stats = {"class_accuracy": 0.8, "object_accuracy": 0.9, "no_object_accuracy": 0.99, "object_precision": 0.5}
    (sentence,) = objectness({"stats": stats})
    assert sentence.startswith("Objectness is above .5 at 90% of the cells with an object; 80% of them get the right")
    assert sentence.endswith("class, and 50% of the cells above .5 hold one.")


def test_a_network_that_finds_nothing_is_not_praised_for_its_background() -> None:
    (sentence,) = objectness({"stats": {"object_accuracy": 0.0, "no_object_accuracy": 1.0}})
    assert "above .5 at 0.0% of the cells with an object. The no-object accuracy of 1.000 means nothing" in sentence


def test_other_heads_have_no_sentence_about_objectness() -> None:
    assert not objectness({})
    assert not objectness({"stats": {"accuracy": 1.0}})
