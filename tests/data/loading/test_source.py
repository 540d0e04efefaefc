"""Settings of a source that no loader can have, and tasks that share pictures."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.toy_parts import Squares, Tints
from PIL import Image

from polyhead.contracts.reader import Reader, Subset
from polyhead.data.augment.base import Look
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.data.loading.source import Source, crossing, open_tasks
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.exemplars import Kept, keep
from polyhead.data.readers.folder import Folder
from polyhead.data.splits.make import SPLITS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError, SettingError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 0}, "batch must be 1 or more, got 0"),
        ({"val_batch": 0}, "val_batch must be 1 or more, got 0"),
        ({"workers": -1}, "workers must be 0 or more, got -1"),
        ({"cache": -0.5}, "cache must be 0 or more, got -0.5"),
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Source(Squares(3), **settings)  # type: ignore[arg-type]  # of one type as far as mypy sees
    assert str(caught.value) == message


def test_the_smallest_values_are_taken() -> None:
    source = Source(Squares(3), batch=1, val_batch=1, workers=0, cache=0.0)
    assert (source.batch, source.val_batch, source.workers, source.cache) == (1, 1, 0, 0.0)


def test_a_licence_is_that_of_the_data_unless_it_is_told() -> None:
    sources = {"own": Source(Scenes(9)), "told": Source(Scenes(9), licence="CC BY 4.0")}
    tasks = open_tasks(sources, (32, 32), 0)
    assert (tasks["own"].licence, tasks["told"].licence) == (Scenes.licence, "CC BY 4.0")


def test_pictures_that_cannot_be_decoded_are_named_where_they_are_skipped(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.fromarray(noise).save(tmp_path / name / f"{number}.jpg")
    broken = tmp_path / "dog" / "3.jpg"
    broken.write_bytes(broken.read_bytes()[:700])  # the header is whole
    task = open_tasks({"pets": Source(Folder(tmp_path, on_bad="skip", cap=0.2))}, (32, 32), 0)["pets"]
    (problem,) = task.skipped
    assert str(broken) in problem.where
    assert sum(len(task.readers[part]) for part in SPLITS) == 11


def test_tasks_that_train_on_what_another_is_tested_on_are_named(overlapping: dict[str, Reader]) -> None:
    sources = {name: Source(reader) for name, reader in overlapping.items()}
    tasks = open_tasks(sources, (64, 64), 0)
    trained = {truth.path for truth in tasks["food"].truths("train")}
    count = sum(truth.path in trained for truth in tasks["appliance"].truths("test"))
    assert count > 0
    assert crossing(tasks)[0] == (
        f"appliance: {count} of {len(tasks['appliance'].truths('test'))} test pictures are training pictures of food; "
        "data.*.split.by=picture keeps a picture in one split of all data sets that are cut"
    )
    apart = {name: Source(reader, split={"by": "picture"}) for name, reader in overlapping.items()}
    assert not crossing(open_tasks(apart, (64, 64), 0))


def test_copies_of_pictures_that_another_task_trains_on_are_found(tmp_path: Path) -> None:
    """What a run has kept of its test pictures lies in files of its own."""
    write_coco(Scenes(8, size=48), tmp_path / "data")
    write_coco(Scenes(4, size=48, seed=1), tmp_path / "other")
    whole, other = Coco(tmp_path / "data"), Coco(tmp_path / "other")
    for name, places in (("train", [0, 1]), ("val", [2]), ("test", [3, 4, 5])):
        keep(whole, places, tmp_path / name)
    old = Source(*(Kept(tmp_path / name) for name in SPLITS))  # type: ignore[arg-type]  # its first three
    new = Source(Subset(whole, [4, 5, 6]), Subset(whole, [7]), Subset(whole, [0]))
    lines = crossing(open_tasks({"old": old, "new": new}, (32, 32), 0))
    assert [line.split(";")[0] for line in lines] == [
        "old: 2 of 3 test pictures are training pictures of new",
        "new: 1 of 1 test pictures are training pictures of old",
    ]
    assert all(line.endswith("; take them out of the data of new") for line in lines), "no cut keeps them apart"
    strange = Source(Subset(other, [0, 1]), Subset(other, [2]), Subset(other, [3]))
    assert not crossing(open_tasks({"old": old, "new": strange}, (32, 32), 0))


def test_copies_in_two_data_sets_are_found_wherever_they_lie(tmp_path: Path) -> None:
    """As two archives of one collection have them: each photo twice, in folders of their own."""
    for name in ("appliance", "food"):
        write_coco(Scenes(20, "signs", size=48), tmp_path / name)
    readers: dict[str, Reader] = {name: Coco(tmp_path / name) for name in ("appliance", "food")}
    orders = {"appliance": [*range(20)], "food": [*range(19, -1, -1)]}
    cuts: dict[str, Source] = {}
    for name, order in orders.items():
        train, val, test = (Subset(readers[name], order[start:end]) for start, end in ((0, 12), (12, 15), (15, 20)))
        cuts[name] = Source(train, val, test)
    lines = crossing(open_tasks(cuts, (32, 32), 0))
    assert [line.split(";")[0] for line in lines] == [
        "appliance: 5 of 5 test pictures are training pictures of food",
        "food: 5 of 5 test pictures are training pictures of appliance",
    ]


def test_copies_of_its_own_training_pictures_are_named(tmp_path: Path) -> None:
    """As a folder has them that was filled twice: other names, the same bytes."""
    write_coco(Scenes(6, size=48), tmp_path / "data")
    whole = Coco(tmp_path / "data")
    for name, places in (("val", [2]), ("test", [3, 4])):
        keep(whole, places, tmp_path / name)
    sources = {"own": Source(Subset(whole, [0, 1, 2, 3]), Kept(tmp_path / "val"), Kept(tmp_path / "test"))}
    said = "pictures are copies of its own training pictures: a score on them says little; take them out of one split"
    assert crossing(open_tasks(sources, (32, 32), 0)) == [f"own: 1 of 2 test {said}", f"own: 1 of 1 val {said}"]
    apart = {"own": sources["own"], "other": Source(Subset(whole, [0, 1]), Subset(whole, [3]), Subset(whole, [5]))}
    assert len(crossing(open_tasks(apart, (32, 32), 0))) == 2, "what another validates on is not told"


@pytest.mark.parametrize("given", ["yolov4", Yolov4(mosaic=0.0, mixup=0.1)])
def test_a_picture_of_one_class_is_not_mixed_with_others(given: str | Look) -> None:
    with pytest.raises(PolyheadError, match=r"data\.tints: each picture is of one class, .* take transforms: class"):
        open_tasks({"tints": Source(Tints(9), transforms=given)}, (32, 32), 0)
    open_tasks({"tints": Source(Tints(9), transforms=Yolov4(mosaic=0.0, mixup=0.0, cutmix=0.0))}, (32, 32), 0)


ORPHAN = """
import multiprocessing, os, time
from polyhead.data.loading.source import begin_worker

def work():
    while os.getppid() == training:
        time.sleep(0.01)
    begin_worker(0)
    print("lives on")

training = os.getpid()
multiprocessing.get_context("fork").Process(target=work).start()
os._exit(0)  # a training that is killed before its worker began
"""


def test_a_worker_whose_training_was_killed_before_it_began_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=True, timeout=250)
    assert (ended.stdout, ended.stderr) == ("", "")
