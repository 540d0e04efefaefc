"""What is remembered of an older task: classes in equal parts, and no more than the budget."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.data.splits.stratify import kinds
from polyhead.engine.continual.exemplars import Budget, balanced, bytes_of, remembered, shuffled, size
from polyhead.errors import SettingError
from polyhead.types import Annotation, Kind


def truth(name: str, labels: list[int], value: int | None = None) -> Annotation:
    count = len(labels)
    return Annotation(
        name,
        "",
        (8, 8),
        torch.tensor([[0.0, 0, 4, 4]]).repeat(count, 1),
        torch.tensor(labels, dtype=torch.int64),
        torch.zeros(count, dtype=torch.bool),
        torch.full((count,), 16.0),
        torch.ones(5, dtype=torch.bool),
        None if value is None else torch.tensor(value),
    )


def shown(truths: list[Annotation]) -> list[set[Kind]]:
    return [kinds(each) for each in truths]


@settings(deadline=None, max_examples=50)
@given(
    labels=st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=40),
    count=st.integers(1, 50),
    seed=st.integers(0, 9),
)
def test_a_memory_has_no_more_than_its_budget_and_no_picture_twice(
    labels: list[list[int]], count: int, seed: int
) -> None:
    truths = [truth(str(number), each) for number, each in enumerate(labels)]
    chosen = balanced(shown(truths), count, seed)
    assert len(chosen) == min(count, len(truths))
    assert len(set(chosen)) == len(chosen)
    assert chosen[: count // 2] == balanced(shown(truths), count // 2, seed)
    assert set(chosen) <= set(range(len(truths)))
    assert chosen == balanced(shown(truths), count, seed)


def test_a_memory_does_not_follow_the_order_of_sets() -> None:
    """Python gives sets of names another order in every process: a resumed training would replay other pictures."""
    draw = torch.Generator().manual_seed(0)
    pictures = [sorted({("mask", int(kind)) for kind in torch.randint(6, (3,), generator=draw)}) for _ in range(100)]
    for count in range(1, 101):
        assert balanced(pictures, count, 0) == balanced([each[::-1] for each in pictures], count, 0)


def test_a_memory_has_rare_classes_as_often_as_common_ones() -> None:
    truths = [truth(str(number), [], 0 if number % 20 else 1 + number // 20 % 2) for number in range(200)]
    kept = Counter(int(truths[place].value) for place in balanced(shown(truths), 12, 0))  # type: ignore[arg-type]
    assert kept == {0: 4, 1: 4, 2: 4}


def test_masks_are_balanced_by_the_classes_that_they_show() -> None:
    """Every tenth mask shows the rare class beside the background."""
    pictures: list[set[Kind]] = [{("mask", 0), ("mask", 1 + (place % 10 == 0))} for place in range(100)]
    kept = balanced(pictures, 10, 0)
    assert sum(("mask", 2) in pictures[place] for place in kept) == 5


def test_the_class_of_a_picture_is_no_class_of_its_objects() -> None:
    """Four kinds, of which object 0 and value 0 are two."""
    assert kinds(truth("a", [0, 1], 0), [0, 255]) == {("object", 0), ("object", 1), ("value", 0), ("mask", 0)}


def test_another_seed_remembers_other_pictures() -> None:
    truths = [truth(str(number), [number % 3]) for number in range(60)]
    assert balanced(shown(truths), 9, 0) != balanced(shown(truths), 9, 1)


@pytest.mark.parametrize(
    ("budget", "count"),
    [
        (0.1, 2),
        (0.01, 1),
        (1.0, 20),
        (1, 1),
        (7, 7),
        (99, 20),
        ("1KiB", 5),
        ("0.5KiB", 2),
        ("0.1KiB", 1),
        ("1 MiB", 20),
    ],
)
def test_a_budget_is_a_share_a_number_or_bytes(budget: Budget, count: int) -> None:
    """A picture of 8 x 8 without a file counts 192 bytes, and one is always kept."""
    truths = [truth(str(number), [number % 3]) for number in range(20)]
    held = remembered(truths, shown(truths), budget, 0)
    assert held.places == balanced(shown(truths), count, 0)
    assert held.bytes == count * 192


@settings(deadline=None, max_examples=50)
@given(sides=st.lists(st.integers(1, 40), min_size=1, max_size=20), seed=st.integers(0, 9))
def test_bytes_are_filled_in_the_order_of_the_classes_and_what_is_too_large_is_passed_over(
    sides: list[int], seed: int
) -> None:
    truths = [truth(str(number), [number % 3])._replace(size=(side, side)) for number, side in enumerate(sides)]
    held = remembered(truths, shown(truths), "2KiB", seed)
    order = balanced(shown(truths), len(truths), seed)
    assert held.places[0] == order[0]
    assert held.places == [place for place in order if place in held.places]
    assert held.bytes == sum(size(truths[place]) for place in held.places)
    assert held.bytes <= 2048 or len(held.places) == 1
    assert all(held.bytes + size(truths[place]) > 2048 for place in order if place not in held.places)


@given(pictures=st.integers(10, 60), seed=st.integers(0, 9))
def test_an_order_of_chance_has_every_place_once(pictures: int, seed: int) -> None:
    places = shuffled(pictures, seed)
    assert sorted(places) == list(range(pictures))
    assert places == shuffled(pictures, seed) != shuffled(pictures, seed + 1)


def test_files_count_as_they_are_stored_and_masks_with_their_pictures(tmp_path: Path) -> None:
    for name, length in (("a.jpg", 700), ("a.png", 41)):
        (tmp_path / name).write_bytes(bytes(length))
    stored = truth("a", [0])._replace(path=str(tmp_path / "a.jpg"))
    assert size(stored) == 700
    assert size(stored._replace(mask=str(tmp_path / "a.png"))) == 741


def test_bytes_are_told_with_their_unit() -> None:
    assert [bytes_of(text) for text in ("16KiB", "1.5 MiB", "2GiB")] == [16384, 1572864, 2147483648]


@pytest.mark.parametrize("text", ["16MB", "16", "MiB", "-1MiB", "1e3KiB", ""])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        bytes_of(text)
    assert str(caught.value) == (
        f"budget: expected a share (0.1), a number of pictures (200) or bytes (16MiB, in KiB, MiB, GiB), got {text!r}"
    )
