"""Splits that are refused, and merged data sets that share pictures."""

from pathlib import Path

import pytest
from PIL import Image
from toys import Squares

from polyhead.data.base import Reader, Subset
from polyhead.data.cutting import SPLITS
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.merge import Merge
from polyhead.data.source import Source, TaskData, open_tasks
from polyhead.data.synthetic import Scenes
from polyhead.data.writers import write_coco
from polyhead.errors import PolyheadError


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
        write_coco(Scenes(20, "signs", size=48), tmp_path / name)
    readers: dict[str, Reader] = {name: Coco(tmp_path / name) for name in ("appliance", "food")}
    few = Merge({"appliance": readers["appliance"], "food": Subset(readers["food"], range(13))})  # cut otherwise
    with pytest.raises(
        PolyheadError, match=r"data.both: copies of \d+ picture\(s\) are in both \w+ and \w+; .* cut by"
    ):
        open_tasks({"both": Source(few)}, (32, 32), 0)
    cut = open_tasks({"both": Source(few, split={"by": "picture"})}, (32, 32), 0)["both"]
    assert sum(len(cut.readers[part]) for part in SPLITS) == 33


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


def test_folds_with_readers_of_all_splits_are_refused() -> None:
    source = Source(Squares(9), Squares(3, 1), Squares(3, 2), split={"folds": 3, "fold": 0})
    with pytest.raises(PolyheadError, match=r"fold must be 0 to 2, and test may have no reader .* and a test reader"):
        open_tasks({"s": source}, (64, 64), 0)


def test_another_way_to_cut_is_refused() -> None:
    with pytest.raises(PolyheadError, match=r"data\.s: split: by must be 'picture', or be left out .*; got 'patient'"):
        open_tasks({"s": Source(Squares(9), split={"by": "patient"})}, (64, 64), 0)
