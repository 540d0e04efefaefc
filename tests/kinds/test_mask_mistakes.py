"""The mistakes of a segmentation model: the most frequent confusion of pixels of each type."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.kinds.mask_mistakes import LEAST, bounding_box, mask_mistakes
from polyhead.metrics.masks import count_pixels
from polyhead.types import IGNORED, Mask

NAMES = ["background", "cat", "dog"]


def mask(fill: int = 0, **parts: tuple[int, int, int, int]) -> Mask:
    """Return a mask of 20 x 20 pixels with parts such as ``cat=(x1, y1, x2, y2)``."""
    classes = torch.full((20, 20), fill, dtype=torch.uint8)
    for name, (x1, y1, x2, y2) in parts.items():
        classes[y1:y2, x1:x2] = NAMES.index(name)
    return Mask(classes)


UPPER, LOWER = (0, 0, 20, 5), (10, 15, 20, 20)


@pytest.mark.parametrize(
    ("target", "predicted", "expected"),
    [
        (mask(cat=UPPER), mask(cat=UPPER), []),
        (mask(cat=UPPER), mask(dog=UPPER), [("wrong region", "cat taken for dog, 25 % of the pixels", 2)]),
        (mask(cat=UPPER), mask(), [("missed region", "missed cat, 25 % of the pixels", None)]),
        (mask(cat=UPPER), mask(cat=LOWER), [
            ("missed region", "missed cat, 25 % of the pixels", 1),
            ("false region", "cat where background is annotated, 12 % of the pixels", 1),
        ]),
        (mask(cat=UPPER), mask(IGNORED), []),  # nothing is predicted
        (mask(IGNORED), mask(cat=UPPER), []),
        (mask(), mask(cat=(0, 0, 1, 3)), []),  # less than LEAST
    ],
)  # fmt: skip
def test_each_type_in_words(target: Mask, predicted: Mask, expected: list[tuple[str, str, int | None]]) -> None:
    found = mask_mistakes(target, predicted, NAMES)
    assert [(each.type, each.caption, each.number) for each in found] == expected


def test_the_box_is_that_of_the_wrong_pixels() -> None:
    wrong = mask_mistakes(mask(cat=UPPER, dog=LOWER), mask(cat=UPPER, dog=(0, 15, 20, 20)), NAMES)[0]
    assert wrong.severity == 50 / 400
    assert wrong.box is not None
    assert wrong.box.tolist() == [0, 15, 10, 20]


def test_a_bounding_box_has_its_last_pixels() -> None:
    assert bounding_box(mask(cat=(3, 4, 6, 9)).classes == 1).tolist() == [3, 4, 6, 9]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_a_mistake_is_the_most_frequent_confusion_of_its_type(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pair = torch.randint(0, 3, (2, 8, 8), generator=generator, dtype=torch.uint8)
    target, predicted = (Mask(classes) for classes in pair)
    counts = count_pixels(predicted, target.classes, 3).counts[:, :3]
    of_type = {
        "wrong region": [counts[1, 2], counts[2, 1]],
        "missed region": [counts[1, 0], counts[2, 0]],
        "false region": [counts[0, 1], counts[0, 2]],
    }
    expected = {kind: int(max(pixels)) / 64 for kind, pixels in of_type.items()}
    found = {each.type: each.severity for each in mask_mistakes(target, predicted, NAMES)}
    assert found == {kind: fraction for kind, fraction in expected.items() if fraction >= LEAST}
