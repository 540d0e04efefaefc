"""Invalid splits, and merged data sets that share images."""

import re
from pathlib import Path

import pytest
from builders.toy_parts import Squares
from PIL import Image

from polyhead.contracts.reader import Reader, Subset
from polyhead.data.loading.source import Source
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.merge import Merge
from polyhead.data.splits.make import SPLITS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError, SettingError
from polyhead.workflows.tasks import open_tasks


@pytest.mark.parametrize(
    ("val", "message"),
    [
        (["cat", "dog"], "horse in one of them only"),
        (["dog", "cat", "horse"], "another order"),
    ],
)
def test_splits_with_other_classes_raise(tmp_path: Path, val: list[str], message: str) -> None:
    """Their labels would mean other classes, and no score would reveal it."""
    for split in SPLITS:
        for name in ("cat", "dog", "horse"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (8, 8), (len(split), len(name), ord(name[0]))).save(tmp_path / split / name / "a.png")
    classes = ["cat", "dog", "horse"]
    readers = {split: Folder(tmp_path / split, classes=val if split == "val" else classes) for split in SPLITS}
    with pytest.raises(PolyheadError) as caught:
        open_tasks({"pets": Source(readers["train"], readers["val"], readers["test"])}, (32, 32), 0)
    expected = "data.pets: val and train do not have the same 3 classes in the same order"
    assert str(caught.value).startswith(f"{expected} ({message}). Give every reader the same 'classes'")
    assert str(caught.value).endswith("or remove the reader of val (data.pets.val=null) to split it off from train.")


def test_copies_of_an_image_in_two_splits_raise(tmp_path: Path) -> None:
    """Two archives of the same collection have each image twice, in different folders."""
    for name in ("appliance", "food"):
        write_coco(Scenes(40, "signs", size=48), tmp_path / name)
    readers: dict[str, Reader] = {name: Coco(tmp_path / name) for name in ("appliance", "food")}
    few = Subset(readers["food"], range(33))  # of another size, so it is split differently
    merged = Merge({"appliance": readers["appliance"], "food": few})
    with pytest.raises(PolyheadError, match=r"data.both: copies of \d+ image\(s\) are in both \w+ and \w+, .*Split"):
        open_tasks({"both": Source(merged)}, (32, 32), 0)
    task = open_tasks({"both": Source(merged, split={"by": "image"})}, (32, 32), 0)["both"]
    assert sum(len(task.readers[split]) for split in SPLITS) == 73


@pytest.mark.parametrize("split", [{}, {"folds": 3, "fold": 0}, {"folds": 3, "fold": 2}])
def test_data_sets_that_share_images_can_be_merged_if_split_by_image(
    overlapping: dict[str, Reader], split: dict[str, int | float | str]
) -> None:
    with pytest.raises(PolyheadError, match=r"is in both \w+ and \w+, .* \(split: \{by: image\} if"):
        open_tasks({"all": Source(Merge(overlapping), split=split)}, (64, 64), 0)
    merged = open_tasks({"all": Source(Merge(overlapping), split={**split, "by": "image"})}, (64, 64), 0)
    single = {name: Source(reader, split={**split, "by": "image"}) for name, reader in overlapping.items()}
    tasks = open_tasks(single, (64, 64), 0)
    for each in SPLITS:
        own = {f"{name}/{image_id}" for name, task in tasks.items() for image_id in task.ids(each)}
        assert set(merged["all"].ids(each)) == own


@pytest.mark.parametrize("split", [{"val": 0.3}, {"test": 0.2}, {"val": "val.txt", "train": "train.txt"}])
def test_settings_for_a_split_with_its_own_reader_raise(split: dict[str, int | float | str]) -> None:
    source = Source(Squares(9), Squares(3, 1), Squares(3, 2), split=split)
    with pytest.raises(
        PolyheadError, match=r"data\.s: split: (val|test) has a reader of its own.*\(data\.s\.\1=null\)"
    ):
        open_tasks({"s": source}, (64, 64), 0)


@pytest.mark.parametrize("by", [{}, {"by": "image"}])
@pytest.mark.parametrize("split", [{}, {"val": 0.3, "test": 0.2}, {"folds": 3, "fold": 1}])
def test_seeds_share_the_test_split_but_not_the_val_split(split: dict[str, float], by: dict[str, str]) -> None:
    """Scores of several seeds can be compared, and a seed changes more than the initial weights."""
    source = Source(Squares(200), split={**split, **by})
    one, other = (open_tasks({"s": source}, (64, 64), seed)["s"] for seed in (0, 1))
    assert one.ids("test") == other.ids("test")
    assert one.ids("val") != other.ids("val")
    if not by and "folds" not in split:
        counts = {each: round(200 * split.get(each, 0.15)) for each in ("val", "test")}
        assert {each: len(one.ids(each)) for each in counts} == counts


def test_fractions_that_leave_nothing_raise() -> None:
    with pytest.raises(PolyheadError, match=r"the fractions must be above 0 and sum to 1, got \{.train.: -0\.1"):
        open_tasks({"s": Source(Squares(20), split={"val": 0.6, "test": 0.6})}, (64, 64), 0)


def test_folds_with_a_reader_of_test_raise() -> None:
    source = Source(Squares(9), Squares(3, 1), Squares(3, 2), split={"folds": 3, "fold": 0})
    with pytest.raises(PolyheadError, match=r"data\.s: split: with folds, each fold is .* \(data\.s\.test=null\)"):
        open_tasks({"s": source}, (64, 64), 0)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"by": "patient"}, "by must be 'image', or be omitted for a stratified split; got 'patient'"),
        ({"vall": 0.5}, "unknown key 'vall'; did you mean 'val'?"),
        (
            {"train": 0.2},
            "train is what val and test leave, so it has no fraction of its own, got 0.2. "
            + "To train on fewer images, increase the fractions of val and test.",
        ),
        ({"fold": 1}, "fold selects the fold to test on, but folds is missing. Set folds to their number."),
        ({"folds": 3.5}, "folds must be an integer of 2 or more, got 3.5"),
        ({"folds": 1}, "folds must be an integer of 2 or more, got 1"),
        ({"folds": 3, "fold": 3}, "fold must be an integer from 0 to 2, got 3"),
        ({"folds": 3, "fold": 0.5}, "fold must be an integer from 0 to 2, got 0.5"),
        ({"folds": 3, "test": 0.2}, "with folds, one fold is the test split, so test has no fraction, got 0.2"),
        ({"val": "val.txt", "test": 0.2}, "val is a file of ids, but test=0.2 is not. Give a file for every split"),
        ({"train": "a.txt", "val": "b.txt", "folds": 3}, "train is a file of ids, but folds=3 is not"),
    ],
)
def test_contradictory_split_settings_raise(split: dict[str, int | float | str], message: str) -> None:
    with pytest.raises(SettingError, match=f"^split: {re.escape(message)}"):
        Source(Squares(9), split=split)


def test_a_split_that_the_earlier_run_does_not_list_is_named() -> None:
    source = Source(Squares(8), Squares(4, 1), Squares(4, 2))
    with pytest.raises(PolyheadError, match=r"^data\.a: the run's manifest\.json does not list the images of the"):
        open_tasks({"a": source}, (32, 32), 0, {"a": {"val": [], "test": []}})
