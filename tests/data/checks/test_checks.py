"""The checks of whole data sets: classes, licenses, and copies across splits and tasks."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from benchmarks.faulty_data import Draw, photo
from polyhead.contracts.reader import Reader, Subset
from polyhead.data.checks.licenses import CLOSED
from polyhead.data.checks.run import findings, shortened
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.readers.folder import Folder
from polyhead.workflows.tasks import open_task

Photos = Callable[[str, Sequence[int]], Reader]


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    """Return a function that writes photos of two classes; the same numbers give the same photos."""

    def make(name: str, numbers: Sequence[int]) -> Reader:
        for place, number in enumerate(numbers):
            file = tmp_path / name / ("cat", "dog")[place % 2] / f"{place:02d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Pillow.fromarray(photo(Draw(number), [])).save(file)
        return Folder(tmp_path / name)

    return make


def task(name: str, train: Reader, val: Reader, test: Reader, license_name: str = "MIT") -> TaskData:
    return open_task(name, Source(train, val, test, license=license_name), 0)


def checks(*tasks: TaskData) -> dict[str, list[tuple[str, str]]]:
    """Return the checks and the files of the findings of each task."""
    found = findings(tasks)
    return {name: [(each.check, Path(each.problem.where).name) for each in own] for name, own in found.items()}


def test_copies_within_and_across_splits_and_tasks(photos: Photos) -> None:
    one = task("one", photos("a", [0, 1, 2, 2]), photos("b", [3, 1]), photos("c", [4, 5]))
    two = task("two", photos("d", [4, 7]), photos("e", [5, 8]), photos("f", [0, 10]))
    assert checks(one) == {"one": [("copies", "03.png"), ("split-copies", "01.png")]}
    assert checks(one, two) == {
        "one": [("copies", "03.png"), ("split-copies", "01.png"), ("task-copies", "00.png")],
        "two": [("task-copies", "00.png")],
    }


def test_a_copy_with_other_bytes_is_a_near_copy(photos: Photos) -> None:
    train = photos("a", [0, 1])
    pixels = np.asarray(Pillow.open(train.entry(0).path))
    val = photos("b", [2, 3])
    Pillow.fromarray(255 - (255 - pixels) // 2).save(val.entry(0).path)  # paler
    assert checks(task("one", train, val, photos("c", [4, 5]))) == {"one": [("near-split-copies", "00.png")]}


def test_rare_and_absent_classes(photos: Photos) -> None:
    train, val, test = photos("a", range(48)), photos("b", [50, 51]), photos("c", [52, 53])
    cats = [index for index in range(48) if train.entry(index).id.startswith("cat")]
    (rare,) = findings([task("t", Subset(train, [*cats, 47]), val, test)])["t"]
    assert str(rare) == (
        "imbalance: data.t: the class 'dog' has 1 images in train, the median class has 12.5; add images of it, or set "
        "data.t.repeat_factor=auto and data.t.class_weights=balanced"
    )
    (absent,) = findings([task("t", Subset(train, cats), val, test)])["t"]
    assert absent.what == "no training image shows 'dog'"


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("CC BY-NC-SA 4.0", True),
        ("Attribution-NonCommercial License", True),
        ("ImageNet's photos, for research and education that is not commercial", True),
        ("for academic use only", True),
        ("no license stated", True),
        ("CC BY 4.0", False),
        ("Apache-2.0 (drawn by Polyhead)", False),
        ("MIT", False),
    ],
)
def test_licenses_with_reservations(text: str, closed: bool) -> None:
    assert bool(CLOSED.search(text)) == closed


def test_findings_are_shortened_to_a_line_for_each_check(photos: Photos) -> None:
    data = task("one", photos("a", [0, 0, 0, 1]), photos("b", [2, 3]), photos("c", [4, 5]), "")
    lines = dict(shortened(findings([data])["one"]))
    assert list(lines) == ["copies", "license"]
    assert lines["copies"].endswith("remove one of them (and 1 more)")
    assert lines["license"].startswith("data.one: the data states no license; state it with data.one.license=NAME")
