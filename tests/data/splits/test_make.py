"""Splits that are refused, and merged data sets that share pictures."""

import re
from pathlib import Path

import pytest
from builders.toy_parts import Squares
from PIL import Image

from polyhead.contracts.reader import Reader, Subset
from polyhead.data.loading.source import Source, TaskData, open_tasks
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.merge import Merge
from polyhead.data.splits.make import SPLITS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError, SettingError


@pytest.mark.parametrize(
    ("val", "message"),
    [
        (["cat", "dog"], "horse in one of them only"),
        (["dog", "cat", "horse"], "another order"),
    ],
)
def test_splits_with_other_classes_are_refused(tmp_path: Path, val: list[str], message: str) -> None:
    """Their labels would mean other classes, and no score would tell."""
    for part in ("train", "val", "test"):
        for name in ("cat", "dog", "horse"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (8, 8), (len(part), len(name), ord(name[0]))).save(tmp_path / part / name / "a.png")
    classes = ["cat", "dog", "horse"]
    readers = {
        part: Folder(tmp_path / part, classes=val if part == "val" else classes) for part in ("train", "val", "test")
    }
    with pytest.raises(PolyheadError) as caught:
        TaskData("pets", Source(readers["train"], readers["val"], readers["test"]), (32, 32), 0)
    said = "data.pets: val and train do not have the same 3 classes in the same order"
    assert str(caught.value).startswith(f"{said} ({message}); give every reader the same 'classes'")
    assert str(caught.value).endswith("or leave val out (data.pets.val=null) to have it cut from train")


def test_copies_of_pictures_are_not_split(tmp_path: Path) -> None:
    """As two archives of one collection have them: each photo twice, in folders of their own."""
    for name in ("appliance", "food"):
        write_coco(Scenes(40, "signs", size=48), tmp_path / name)
    readers: dict[str, Reader] = {name: Coco(tmp_path / name) for name in ("appliance", "food")}
    few = Merge({"appliance": readers["appliance"], "food": Subset(readers["food"], range(33))})  # cut otherwise
    with pytest.raises(
        PolyheadError, match=r"data.both: copies of \d+ picture\(s\) are in both \w+ and \w+; .* cut by"
    ):
        open_tasks({"both": Source(few)}, (32, 32), 0)
    cut = open_tasks({"both": Source(few, split={"by": "picture"})}, (32, 32), 0)["both"]
    assert sum(len(cut.readers[part]) for part in SPLITS) == 73


@pytest.mark.parametrize("split", [{}, {"folds": 3, "fold": 0}, {"folds": 3, "fold": 2}])
def test_data_sets_that_share_pictures_are_merged_when_cut_by_picture(
    overlapping: dict[str, Reader], split: dict[str, int | float | str]
) -> None:
    with pytest.raises(PolyheadError, match=r"is in both \w+ and \w+; .* \(split: \{by: picture\} if"):
        open_tasks({"all": Source(Merge(overlapping), split=split)}, (64, 64), 0)
    merged = open_tasks({"all": Source(Merge(overlapping), split={**split, "by": "picture"})}, (64, 64), 0)
    alone = {name: Source(reader, split={**split, "by": "picture"}) for name, reader in overlapping.items()}
    for part in SPLITS:
        own = {f"{name}/{ident}" for name, task in open_tasks(alone, (64, 64), 0).items() for ident in task.ids(part)}
        assert set(merged["all"].ids(part)) == own


@pytest.mark.parametrize("split", [{"val": 0.3}, {"test": 0.2}, {"val": "val.txt", "train": "train.txt"}])
def test_nothing_is_cut_for_a_split_that_has_a_reader(split: dict[str, int | float | str]) -> None:
    source = Source(Squares(9), Squares(3, 1), Squares(3, 2), split=split)
    with pytest.raises(
        PolyheadError, match=r"data\.s: split: (val|test) has a reader of its own.*\(data\.s\.\1=null\)"
    ):
        open_tasks({"s": source}, (64, 64), 0)


@pytest.mark.parametrize("by", [{}, {"by": "picture"}])
@pytest.mark.parametrize("split", [{}, {"val": 0.3, "test": 0.2}, {"folds": 3, "fold": 1}])
def test_seeds_have_one_test_and_each_its_val(split: dict[str, float], by: dict[str, str]) -> None:
    """Scores of several seeds can be compared, and a seed is more than another beginning."""
    source = Source(Squares(200), split={**split, **by})
    one, other = (open_tasks({"s": source}, (64, 64), seed)["s"] for seed in (0, 1))
    assert one.ids("test") == other.ids("test")
    assert one.ids("val") != other.ids("val")
    if not by and "folds" not in split:
        counts = {part: round(200 * split.get(part, 0.15)) for part in ("val", "test")}
        assert {part: len(one.ids(part)) for part in counts} == counts


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(PolyheadError, match=r"the shares must be above 0 and together 1, found \{.train.: -0\.1"):
        open_tasks({"s": Source(Squares(20), split={"val": 0.6, "test": 0.6})}, (64, 64), 0)


def test_folds_with_readers_of_all_splits_are_refused() -> None:
    source = Source(Squares(9), Squares(3, 1), Squares(3, 2), split={"folds": 3, "fold": 0})
    with pytest.raises(PolyheadError, match=r"data\.s: split: each fold is .* \(data\.s\.test=null\)"):
        open_tasks({"s": source}, (64, 64), 0)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"by": "patient"}, "by must be 'picture', or be left out to spread classes; got 'patient'"),
        ({"vall": 0.5}, "unknown key 'vall'; did you mean 'val'?"),
        ({"train": 0.2}, "train is what val and test leave, so it has no share of its own, got 0.2; give larger"),
        ({"fold": 1}, "fold says which of the folds is tested; say how many 'folds' there are, too"),
        ({"folds": 3.5}, "folds must be a whole number of 2 or more, got 3.5"),
        ({"folds": 1}, "folds must be a whole number of 2 or more, got 1"),
        ({"folds": 3, "fold": 3}, "fold must be a whole number, 0 to 2, got 3"),
        ({"folds": 3, "fold": 0.5}, "fold must be a whole number, 0 to 2, got 0.5"),
        ({"folds": 3, "test": 0.2}, "each fold is the test once, so test has no share, got 0.2"),
        ({"val": "val.txt", "test": 0.2}, "val is a file of ids, and test=0.2 is none; list every split"),
        ({"train": "a.txt", "val": "b.txt", "folds": 3}, "train is a file of ids, and folds=3 is none"),
    ],
)
def test_a_cut_that_would_not_be_what_it_says_is_refused(split: dict[str, int | float | str], message: str) -> None:
    with pytest.raises(SettingError, match=f"^split: {re.escape(message)}"):
        Source(Squares(9), split=split)
