from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.data.readers.image_file import ImageFileReader
from polyhead.data.splits.make import Cut
from polyhead.data.splits.stratify import read_list, split, split_by_picture, subset
from polyhead.errors import PolyheadError
from polyhead.types import Annotation


class Listed(ImageFileReader):
    """A reader of nothing but the classes present in each picture."""

    def __init__(self, classes: list[set[int]]) -> None:
        self.names = [str(label) for label in range(10)]
        self.categories = [*range(10)]
        self.problems, self.skipped = [], []
        self.classes = classes

    def __len__(self) -> int:
        return len(self.classes)

    def annotation(self, index: int) -> Annotation:
        labels = torch.tensor(sorted(self.classes[index]), dtype=torch.int64)
        zeros = torch.zeros(len(labels))
        known = torch.ones(10, dtype=torch.bool)
        return Annotation(f"p{index}", "", (9, 9), zeros[:, None].expand(-1, 4), labels, zeros.bool(), zeros, known)


PARTS = {"train": 0.7, "val": 0.15, "test": 0.15}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sets(st.integers(0, 9), max_size=4), min_size=10, max_size=60), st.integers(0, 2**40))
def test_parts_are_disjoint_complete_sized_and_repeatable(classes: list[set[int]], seed: int) -> None:
    reader = Listed(classes)
    parts = split(reader, PARTS, seed)
    members = [ident for ids in parts.values() for ident in ids]
    assert sorted(members) == sorted(f"p{index}" for index in range(len(classes)))
    assert all(abs(len(parts[part]) - share * len(classes)) <= 1 for part, share in PARTS.items())
    assert split(reader, PARTS, seed) == parts


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 99), min_size=60), st.sets(st.integers(0, 99), min_size=60), st.integers(0, 2**40))
def test_a_cut_by_picture_is_the_same_whatever_else_is_there(one: set[int], two: set[int], seed: int) -> None:
    parts: dict[str, str] = {}
    for members in (one, two):
        reader = subset(Listed([{0}] * 100), [f"p{index}" for index in sorted(members)])
        cut = split_by_picture(reader, PARTS, seed)
        assert sorted(ident for ids in cut.values() for ident in ids) == sorted(f"p{index}" for index in members)
        for part, ids in cut.items():
            for ident in ids:
                assert parts.setdefault(ident, part) == part


def test_a_cut_by_picture_has_about_its_shares_and_follows_the_seed() -> None:
    reader = Listed([{0}] * 2000)
    cut = split_by_picture(reader, PARTS, 0)
    for part, share in PARTS.items():
        assert abs(len(cut[part]) / 2000 - share) < 0.04  # four standard deviations
    assert split_by_picture(reader, PARTS, 1) != cut
    rest = subset(reader, [*cut["train"], *cut["val"]])
    assert len(split_by_picture(rest, {"train": 0.8, "val": 0.2}, 0)["val"]) > 200  # cut anew, not by the same numbers


def test_classes_are_spread_by_share() -> None:
    rare = [{0, 9}] * 4 + [{label % 9, (label * 7) % 9} for label in range(270)] + [set()] * 46
    reader = Listed(rare)
    for seed in range(2):
        parts = split(reader, {"train": 0.5, "val": 0.25, "test": 0.25}, seed)
        counts = {
            part: Counter(label for ident in ids for label in rare[int(ident[1:])]) for part, ids in parts.items()
        }
        assert [counts[part][9] for part in ("train", "val", "test")] == [2, 1, 1]
        for label in range(9):
            total = sum(counts[part][label] for part in counts)
            assert abs(counts["train"][label] / total - 0.5) < 0.05
            assert abs(counts["val"][label] / total - 0.25) < 0.05


def test_the_seed_alone_decides() -> None:
    classes = [{index % 3} for index in range(50)]
    reader = Listed(classes)
    assert split(reader, PARTS, 1) != split(reader, PARTS, 2)
    backwards = subset(reader, [f"p{index}" for index in reversed(range(50))])
    again = split(backwards, PARTS, 1)
    assert {part: sorted(ids) for part, ids in again.items()} == {
        part: sorted(ids) for part, ids in split(reader, PARTS, 1).items()
    }


def test_image_classes_are_stratified_too(data_root: Path) -> None:
    from polyhead.data.readers.folder import Folder

    parts = split(Folder(data_root / "imagenette" / "train"), {"train": 0.75, "val": 0.25}, 0)
    assert set(Counter(ident.split("/")[0] for ident in parts["val"]).values()) == {6}


@pytest.mark.parametrize("cut", [split, split_by_picture])
@pytest.mark.parametrize("shares", [{"train": 0.5, "val": 0.4}, {"train": 1.2, "val": -0.2}, {}])
def test_wrong_shares(shares: dict[str, float], cut: Cut) -> None:
    with pytest.raises(PolyheadError, match="above 0 and together 1"):
        cut(Listed([{0}] * 9), shares, 0)


@pytest.mark.parametrize("cut", [split, split_by_picture])
def test_an_empty_part_is_refused(cut: Cut) -> None:
    with pytest.raises(PolyheadError, match=r"share of 0\.001 of 3 pictures leaves 'val' empty"):
        cut(Listed([{0}] * 3), {"train": 0.999, "val": 0.001}, 0)


def test_lists(tmp_path: Path) -> None:
    path = tmp_path / "val.txt"
    path.write_text("b\n\n a \n")
    assert read_list(path) == ["b", "a"]
    path.write_text("a\nb\na\n")
    with pytest.raises(PolyheadError, match=r"val.txt: line 3: the id 'a' is also in line 1; delete one"):
        read_list(path)
    path.write_text("\n")
    with pytest.raises(PolyheadError, match="the list is empty"):
        read_list(path)
    with pytest.raises(PolyheadError, match=r"none.txt: cannot be read"):
        read_list(tmp_path / "none.txt")


def test_subsets_by_id(tiny: Callable[[str], Path]) -> None:
    from polyhead.data.readers.yolo import Yolo

    reader = Yolo(tiny("yolo"))
    part = subset(reader, ["images/train/2", "images/train/0"])
    assert [part.annotation(index).id for index in range(2)] == ["images/train/2", "images/train/0"]
    with pytest.raises(PolyheadError, match="no picture with the id 'images/train/7'; the nearest is 'images/train/"):
        subset(reader, ["images/train/7"])
