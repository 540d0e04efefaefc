"""Selection of exemplars: class-balanced, and within the budget."""

from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.engine.continual.exemplars import (
    Budget,
    balanced_indices,
    parse_bytes,
    select_exemplars,
    shuffled_indices,
)
from polyhead.errors import SettingError
from polyhead.types import ShownClass


def shown(labels: Sequence[Sequence[int]]) -> list[set[ShownClass]]:
    """Return the classes that each image shows, given the labels of its objects."""
    return [{("object", label) for label in each} for each in labels]


THREE_CLASSES = shown([[number % 3] for number in range(20)])


@settings(deadline=None, max_examples=50)
@given(
    labels=st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=40),
    count=st.integers(1, 50),
    seed=st.integers(0, 9),
)
def test_exemplars_are_within_the_budget_and_distinct(labels: list[list[int]], count: int, seed: int) -> None:
    classes = shown(labels)
    selected = balanced_indices(classes, count, seed)
    assert len(selected) == min(count, len(labels))
    assert len(set(selected)) == len(selected)
    assert selected[: count // 2] == balanced_indices(classes, count // 2, seed)
    assert set(selected) <= set(range(len(labels)))
    assert selected == balanced_indices(classes, count, seed)


def test_exemplars_do_not_depend_on_the_order_of_sets() -> None:
    """Sets of names have another order in every process: a resumed training would replay other images."""
    draw = torch.Generator().manual_seed(0)
    images = [sorted({("mask", int(kind)) for kind in torch.randint(6, (3,), generator=draw)}) for _ in range(100)]
    for count in range(1, 101):
        assert balanced_indices(images, count, 0) == balanced_indices([each[::-1] for each in images], count, 0)


def test_exemplars_have_rare_classes_as_often_as_common_ones() -> None:
    labels = [0 if number % 20 else 1 + number // 20 % 2 for number in range(200)]
    selected = balanced_indices([{("value", label)} for label in labels], 12, 0)
    assert Counter(labels[index] for index in selected) == {0: 4, 1: 4, 2: 4}


def test_masks_are_balanced_by_the_classes_that_they_show() -> None:
    """Every tenth mask shows the rare class next to the background."""
    images: list[set[ShownClass]] = [{("mask", 0), ("mask", 1 + (index % 10 == 0))} for index in range(100)]
    selected = balanced_indices(images, 10, 0)
    assert sum(("mask", 2) in images[index] for index in selected) == 5


def test_the_class_of_an_image_is_not_a_class_of_its_objects() -> None:
    """Object 0 and value 0 are two classes: each is shown by as many of the selected images."""
    images: list[set[ShownClass]] = [{("value", 0)} if index % 10 == 0 else {("object", 0)} for index in range(100)]
    selected = balanced_indices(images, 10, 0)
    assert sum(("value", 0) in images[index] for index in selected) == 5


def test_another_seed_selects_other_images() -> None:
    images = shown([[number % 3] for number in range(60)])
    assert balanced_indices(images, 9, 0) != balanced_indices(images, 9, 1)


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
def test_a_budget_is_a_fraction_a_number_or_bytes(budget: Budget, count: int) -> None:
    """Each image has 192 bytes, and one is always selected."""
    exemplars = select_exemplars(lambda _: 192, THREE_CLASSES, budget, 0)
    assert exemplars.indices == balanced_indices(THREE_CLASSES, count, 0)
    assert exemplars.bytes == count * 192


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(3, 4800), min_size=1, max_size=20), seed=st.integers(0, 9))
def test_bytes_are_filled_in_the_balanced_order_and_images_that_do_not_fit_are_skipped(
    sizes: list[int], seed: int
) -> None:
    images = THREE_CLASSES[: len(sizes)]
    exemplars = select_exemplars(sizes.__getitem__, images, "2KiB", seed)
    order = balanced_indices(images, len(images), seed)
    assert exemplars.indices[0] == order[0]
    assert exemplars.indices == [index for index in order if index in exemplars.indices]
    assert exemplars.bytes == sum(sizes[index] for index in exemplars.indices)
    assert exemplars.bytes <= 2048 or len(exemplars.indices) == 1
    assert all(exemplars.bytes + sizes[index] > 2048 for index in order if index not in exemplars.indices)


@given(images=st.integers(10, 60), seed=st.integers(0, 9))
def test_a_random_order_has_every_index_once(images: int, seed: int) -> None:
    indices = shuffled_indices(images, seed)
    assert sorted(indices) == list(range(images))
    assert indices == shuffled_indices(images, seed) != shuffled_indices(images, seed + 1)


def test_bytes_are_given_with_their_unit() -> None:
    assert [parse_bytes(text) for text in ("16KiB", "1.5 MiB", "2GiB")] == [16384, 1572864, 2147483648]


@pytest.mark.parametrize("text", ["16MB", "16", "MiB", "-1MiB", "1e3KiB", ""])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_bytes(text)
    assert str(caught.value) == (
        f"budget: expected a fraction (0.1), a number of images (200) or bytes (16MiB, in KiB, MiB, GiB), got {text!r}"
    )
