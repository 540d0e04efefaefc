"""Stratified splits, splits by file name, and lists of ids."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.contracts.reader import Reader
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.yolo import Yolo
from polyhead.data.splits.make import SplitFunction
from polyhead.data.splits.stratify import read_list, split, split_by_image, subset
from polyhead.data.synthetic.scenes import Scenes
from polyhead.errors import PolyheadError
from polyhead.kinds.classification import Classification
from polyhead.kinds.detection import Detection
from polyhead.types import Boxes, Entry

KIND = Detection()


class ClassesOnly(Reader):
    """A reader that knows only the classes in each image."""

    def __init__(self, classes: list[set[int]]) -> None:
        self.names = [str(label) for label in range(10)]
        self.categories = [*range(10)]
        self.problems, self.skipped = [], []
        self.classes = classes

    def __len__(self) -> int:
        return len(self.classes)

    def entry(self, index: int) -> Entry:
        return Entry(f"p{index}")

    def raw(self, index: int) -> None:
        raise AssertionError("a split reads no input")

    def target(self, index: int) -> Boxes:
        labels = torch.tensor(sorted(self.classes[index]), dtype=torch.int64)
        zeros = torch.zeros(len(labels))
        known = torch.ones(10, dtype=torch.bool)
        return Boxes(zeros[:, None].expand(-1, 4), labels, zeros.bool(), zeros, known, (9, 9))


FRACTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sets(st.integers(0, 9), max_size=4), min_size=10, max_size=60), st.integers(0, 2**40))
def test_splits_are_disjoint_complete_of_the_right_size_and_repeatable(classes: list[set[int]], seed: int) -> None:
    reader = ClassesOnly(classes)
    splits = split(reader, KIND, FRACTIONS, seed)
    members = [image_id for ids in splits.values() for image_id in ids]
    assert sorted(members) == sorted(f"p{index}" for index in range(len(classes)))
    assert all(abs(len(splits[name]) - value * len(classes)) <= 1 for name, value in FRACTIONS.items())
    assert split(reader, KIND, FRACTIONS, seed) == splits


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 99), min_size=60), st.sets(st.integers(0, 99), min_size=60), st.integers(0, 2**40))
def test_a_split_by_image_does_not_depend_on_the_other_images(one: set[int], two: set[int], seed: int) -> None:
    split_of: dict[str, str] = {}
    for members in (one, two):
        reader = subset(ClassesOnly([{0}] * 100), [f"p{index}" for index in sorted(members)])
        splits = split_by_image(reader, KIND, FRACTIONS, seed)
        found = sorted(image_id for ids in splits.values() for image_id in ids)
        assert found == sorted(f"p{index}" for index in members)
        for name, ids in splits.items():
            for image_id in ids:
                assert split_of.setdefault(image_id, name) == name


def test_a_split_by_image_has_about_its_fractions_and_depends_on_the_seed() -> None:
    reader = ClassesOnly([{0}] * 2000)
    splits = split_by_image(reader, KIND, FRACTIONS, 0)
    for name, fraction in FRACTIONS.items():
        assert abs(len(splits[name]) / 2000 - fraction) < 0.04  # four standard deviations
    assert split_by_image(reader, KIND, FRACTIONS, 1) != splits
    rest = subset(reader, [*splits["train"], *splits["val"]])
    assert (
        len(split_by_image(rest, KIND, {"train": 0.8, "val": 0.2}, 0)["val"]) > 200
    )  # split anew, not by the same numbers


def test_classes_are_stratified() -> None:
    rare = [{0, 9}] * 4 + [{label % 9, (label * 7) % 9} for label in range(270)] + [set()] * 46
    reader = ClassesOnly(rare)
    for seed in range(2):
        splits = split(reader, KIND, {"train": 0.5, "val": 0.25, "test": 0.25}, seed)
        counts = {
            name: Counter(label for image_id in ids for label in rare[int(image_id[1:])])
            for name, ids in splits.items()
        }
        assert [counts[name][9] for name in ("train", "val", "test")] == [2, 1, 1]
        for label in range(9):
            total = sum(counts[name][label] for name in counts)
            assert abs(counts["train"][label] / total - 0.5) < 0.05
            assert abs(counts["val"][label] / total - 0.25) < 0.05


def test_the_split_depends_on_the_seed_but_not_on_the_order() -> None:
    classes = [{index % 3} for index in range(50)]
    reader = ClassesOnly(classes)
    assert split(reader, KIND, FRACTIONS, 1) != split(reader, KIND, FRACTIONS, 2)
    backwards = subset(reader, [f"p{index}" for index in reversed(range(50))])
    again = split(backwards, KIND, FRACTIONS, 1)
    assert {name: sorted(ids) for name, ids in again.items()} == {
        name: sorted(ids) for name, ids in split(reader, KIND, FRACTIONS, 1).items()
    }


def test_image_classes_are_stratified_too(data_root: Path) -> None:
    reader = Folder(data_root / "imagenette" / "train")
    splits = split(reader, Classification(), {"train": 0.75, "val": 0.25}, 0)
    assert set(Counter(image_id.split("/")[0] for image_id in splits["val"]).values()) == {6}


def test_what_samples_show_besides_their_target_is_stratified_too() -> None:
    """Each scene shows a time of day besides its objects."""
    scenes = Scenes(60, size=32)
    times = {scenes.id(index): scenes.scene(index).time for index in range(60)}
    splits = split(scenes, KIND, {"train": 0.5, "val": 0.5}, 0)
    counts = {name: Counter(times[image_id] for image_id in ids) for name, ids in splits.items()}
    assert all(abs(counts["train"][time] - counts["val"][time]) <= 2 for time in set(times.values())), counts


@pytest.mark.parametrize("function", [split, split_by_image])
@pytest.mark.parametrize("fractions", [{"train": 0.5, "val": 0.4}, {"train": 1.2, "val": -0.2}, {}])
def test_invalid_fractions_raise(fractions: dict[str, float], function: SplitFunction) -> None:
    with pytest.raises(PolyheadError, match="above 0 and sum to 1"):
        function(ClassesOnly([{0}] * 9), KIND, fractions, 0)


@pytest.mark.parametrize("function", [split, split_by_image])
def test_an_empty_split_raises(function: SplitFunction) -> None:
    with pytest.raises(PolyheadError, match=r"fraction of 0\.001 of 3 images leaves 'val' empty"):
        function(ClassesOnly([{0}] * 3), KIND, {"train": 0.999, "val": 0.001}, 0)


def test_lists_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "val.txt"
    path.write_text("b\n\n a \n")
    assert read_list(path) == ["b", "a"]
    path.write_text("a\nb\na\n")
    with pytest.raises(PolyheadError, match=r"val.txt: line 3: the id 'a' is already in line 1. Delete one"):
        read_list(path)
    path.write_text("\n")
    with pytest.raises(PolyheadError, match="the list is empty"):
        read_list(path)
    with pytest.raises(PolyheadError, match=r"none.txt' was not found"):
        read_list(tmp_path / "none.txt")


def test_subsets_by_id(tiny: Callable[[str], Path]) -> None:
    reader = Yolo(tiny("yolo"))
    two = subset(reader, ["images/train/2", "images/train/0"])
    assert [two.entry(index).id for index in range(2)] == ["images/train/2", "images/train/0"]
    with pytest.raises(PolyheadError, match="no image with the id 'images/train/7' \\(the nearest is 'images/train/"):
        subset(reader, ["images/train/7"])


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 11), st.sets(st.integers(0, 3))), min_size=60, max_size=120),
    st.integers(0, 2**40),
)
def test_groups_are_never_divided_whatever_the_order(samples: list[tuple[int, set[int]]], seed: int) -> None:
    reader = ClassesOnly([shown for _, shown in samples])
    groups = {f"p{index}": f"g{group}" for index, (group, _) in enumerate(samples)}
    if len(set(groups.values())) < len(FRACTIONS):
        return
    splits = split(reader, KIND, FRACTIONS, seed, groups)
    assert sorted(each for ids in splits.values() for each in ids) == sorted(groups)
    assert all(splits.values())
    of = {name: {groups[each] for each in ids} for name, ids in splits.items()}
    assert sum(map(len, of.values())) == len(set(groups.values()))
    backwards = split(subset(reader, [*reversed(groups)]), KIND, FRACTIONS, seed, groups)
    assert {name: sorted(ids) for name, ids in backwards.items()} == {name: sorted(ids) for name, ids in splits.items()}


def test_groups_are_stratified() -> None:
    """Groups of 1 to 5 samples whose classes differ: the share of each class is that of the split."""
    classes: list[set[int]] = []
    groups: dict[str, str] = {}
    for group in range(120):
        for _ in range(group % 5 + 1):
            groups[f"p{len(classes)}"] = f"g{group}"
            classes.append({group % 3, 3 + group % 7 % 2})
    for seed in range(3):
        splits = split(ClassesOnly(classes), KIND, FRACTIONS, seed, groups)
        for label in range(5):
            total = sum(label in shown for shown in classes)
            for name, fraction in FRACTIONS.items():
                share = sum(label in classes[int(each[1:])] for each in splits[name]) / total
                assert share == pytest.approx(fraction, abs=0.05), (label, name)


def test_each_sample_as_its_own_group_is_no_group() -> None:
    reader = ClassesOnly([{index % 3, index % 5} for index in range(80)])
    alone = {f"p{index}": f"p{index}" for index in range(80)}
    assert split(reader, KIND, FRACTIONS, 3, alone) == split(reader, KIND, FRACTIONS, 3)


def test_too_few_groups_are_refused() -> None:
    groups = {f"p{index}": f"g{index % 2}" for index in range(50)}
    with pytest.raises(
        PolyheadError, match=r"the last 2 groups cannot fill train and val and test, because a group is"
    ):
        split(ClassesOnly([{0}] * 50), KIND, FRACTIONS, 0, groups)
