from typing import Any

import pytest

from polyhead.metrics.box_errors import KINDS
from polyhead.metrics.error_facts import ADVICE, main_error, small_objects


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
