"""Invalid settings of a source, and tasks that share images."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from builders.fitted_images import image_modality
from builders.toy_parts import Squares, Tints
from PIL import Image
from torch import Tensor

from polyhead.contracts.reader import Reader, Subset
from polyhead.data.augment.base import Augmentation
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.data.loading.balance import class_weights
from polyhead.data.loading.overlap import overlapping_splits
from polyhead.data.loading.source import Source
from polyhead.data.loading.streams import Steps
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.exemplars import ExemplarReader, save_exemplars
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.png_masks import PngMasks
from polyhead.data.splits.make import SPLITS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError, SettingError
from polyhead.kinds.detection import Detection
from polyhead.modalities.image import Image as ImageModality
from polyhead.workflows.tasks import open_tasks


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 0}, "batch must be 1 or more, got 0"),
        ({"val_batch": 0}, "val_batch must be 1 or more, got 0"),
        ({"workers": -1}, "workers must be 0 or more, got -1"),
        ({"cache": -0.5}, "cache must be 0 or more, got -0.5"),
        ({"repeat_factor": 1.5}, "repeat_factor must be at most 1, got 1.5"),
    ],
)
def test_numbers_out_of_range_raise(settings: dict[str, int], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Source(Squares(3), **settings)  # type: ignore[arg-type]  # of one type as far as mypy sees
    assert str(caught.value) == message


def test_the_smallest_values_are_valid() -> None:
    source = Source(Squares(3), batch=1, val_batch=1, workers=0, cache=0.0)
    assert (source.batch, source.val_batch, source.workers, source.cache) == (1, 1, 0, 0.0)


def test_class_weights_reach_the_head_and_repeats_the_stream() -> None:
    source = Source(Scenes(150, size=32, rare="circle"), class_weights="balanced", repeat_factor="auto", workers=0)
    task = open_tasks({"own": source}, (32, 32), 0)["own"]
    info = task.info
    assert info.weights == class_weights(info.counts, "balanced")
    assert info.weights["circle"] == max(info.weights.values())
    sampler = task.train(3, lambda: 0, 0, 0).batch_sampler
    assert isinstance(sampler, Steps)
    rare = [number for number, shown in enumerate(task.shown_classes("train")) if ("object", 0) in shown]
    assert sampler.repeats is not None
    assert min(sampler.repeats[number] for number in rare) == max(sampler.repeats) > 1.2
    plain = open_tasks({"own": Source(Scenes(60), workers=0)}, (32, 32), 0)["own"]
    assert plain.info.weights == {}
    assert plain.train(3, lambda: 0, 0, 0).batch_sampler.repeats is None  # type: ignore[union-attr]  # it is Steps


def test_the_license_is_that_of_the_data_unless_it_is_set() -> None:
    sources = {"own": Source(Scenes(9)), "changed": Source(Scenes(9), license="CC BY 4.0")}
    tasks = open_tasks(sources, (32, 32), 0)
    assert (tasks["own"].license, tasks["changed"].license) == (Scenes.license, "CC BY 4.0")


def test_the_stored_size_is_that_of_the_files_of_image_and_mask_or_of_the_pixels(tmp_path: Path) -> None:
    scenes = Scenes(8, size=48, target="masks")
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for index in range(8):
        image, target, _ = scenes[index]
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / "images" / f"{index}.png")
        Image.fromarray(target.classes.numpy()).save(tmp_path / "masks" / f"{index}.png")
    (tmp_path / "classes.txt").write_text("\n".join(scenes.names), encoding="utf-8")
    split: dict[str, int | float | str] = {"val": 0.25, "test": 0.25}
    sources = {"files": Source(PngMasks(tmp_path), split=split), "drawn": Source(scenes, split=split)}
    files, drawn = open_tasks(sources, (32, 32), 0).values()
    for index in range(len(files)):
        image_file = Path(files.readers["train"].entry(index).path)
        mask_file = tmp_path / "masks" / image_file.name
        assert files.stored_bytes(index) == image_file.stat().st_size + mask_file.stat().st_size
        assert drawn.stored_bytes(index) == 3 * 48 * 48


def test_skipped_images_that_cannot_be_decoded_are_reported(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.fromarray(noise).save(tmp_path / name / f"{number}.jpg")
    broken = tmp_path / "dog" / "3.jpg"
    broken.write_bytes(broken.read_bytes()[:700])  # the header is complete
    task = open_tasks({"pets": Source(Folder(tmp_path, on_bad="skip", cap=0.2))}, (32, 32), 0)["pets"]
    (problem,) = task.skipped
    assert str(broken) in problem.where
    assert sum(len(task.readers[split]) for split in SPLITS) == 11


def test_tasks_that_train_on_test_images_of_another_task_are_reported(overlapping: dict[str, Reader]) -> None:
    sources = {name: Source(reader) for name, reader in overlapping.items()}
    tasks = open_tasks(sources, (64, 64), 0)
    trained, tested = tasks["food"].readers["train"], tasks["appliance"].readers["test"]
    files = {trained.entry(index).path for index in range(len(trained))}
    count = sum(tested.entry(index).path in files for index in range(len(tested)))
    assert count > 0
    assert overlapping_splits(tasks)[0] == (
        f"appliance: {count} of {len(tested)} test images are training images of food. "
        "Use data.*.split.by=image to put an image in the same split of every data set that is split automatically."
    )
    separate = {name: Source(reader, split={"by": "image"}) for name, reader in overlapping.items()}
    assert not overlapping_splits(open_tasks(separate, (64, 64), 0))


def test_copies_of_images_that_another_task_trains_on_are_found(tmp_path: Path) -> None:
    """Exemplars of test images are in files of their own."""
    write_coco(Scenes(8, size=48), tmp_path / "data")
    write_coco(Scenes(4, size=48, seed=1), tmp_path / "other")
    full, other = Coco(tmp_path / "data"), Coco(tmp_path / "other")
    for name, indices in (("train", [0, 1]), ("val", [2]), ("test", [3, 4, 5])):
        save_exemplars(full, indices, tmp_path / name, Detection(), image_modality())
    old = Source(*(ExemplarReader(tmp_path / name) for name in SPLITS))  # type: ignore[arg-type]  # its first three
    new = Source(Subset(full, [4, 5, 6]), Subset(full, [7]), Subset(full, [0]))
    lines = overlapping_splits(open_tasks({"old": old, "new": new}, (32, 32), 0))
    assert [line.split(". ")[0] for line in lines] == [
        "old: 2 of 3 test images are training images of new",
        "new: 1 of 1 test images are training images of old",
    ]
    assert all(line.endswith(". Remove them from the data of new.") for line in lines), "no split separates them"
    strange = Source(Subset(other, [0, 1]), Subset(other, [2]), Subset(other, [3]))
    assert not overlapping_splits(open_tasks({"old": old, "new": strange}, (32, 32), 0))


def test_copies_in_two_data_sets_are_found_in_any_folder(tmp_path: Path) -> None:
    """Two archives of the same collection have each image twice, in different folders."""
    for name in ("appliance", "food"):
        write_coco(Scenes(20, "signs", size=48), tmp_path / name)
    readers: dict[str, Reader] = {name: Coco(tmp_path / name) for name in ("appliance", "food")}
    orders = {"appliance": [*range(20)], "food": [*range(19, -1, -1)]}
    sources: dict[str, Source] = {}
    for name, order in orders.items():
        train, val, test = (Subset(readers[name], order[start:end]) for start, end in ((0, 12), (12, 15), (15, 20)))
        sources[name] = Source(train, val, test)
    lines = overlapping_splits(open_tasks(sources, (32, 32), 0))
    assert [line.split(". ")[0] for line in lines] == [
        "appliance: 5 of 5 test images are training images of food",
        "food: 5 of 5 test images are training images of appliance",
    ]


def test_copies_of_its_own_training_images_are_reported(tmp_path: Path) -> None:
    """A folder that was filled twice has the same bytes under other names."""
    write_coco(Scenes(6, size=48), tmp_path / "data")
    full = Coco(tmp_path / "data")
    for name, indices in (("val", [2]), ("test", [3, 4])):
        save_exemplars(full, indices, tmp_path / name, Detection(), image_modality())
    sources = {
        "own": Source(Subset(full, [0, 1, 2, 3]), ExemplarReader(tmp_path / "val"), ExemplarReader(tmp_path / "test"))
    }
    expected = (
        "images are copies of its own training images, so scores on them mean little. Remove them from one split."
    )
    lines = overlapping_splits(open_tasks(sources, (32, 32), 0))
    assert lines == [f"own: 1 of 2 test {expected}", f"own: 1 of 1 val {expected}"]
    separate = {"own": sources["own"], "other": Source(Subset(full, [0, 1]), Subset(full, [3]), Subset(full, [5]))}
    lines = overlapping_splits(open_tasks(separate, (32, 32), 0))
    assert len(lines) == 2, "validation images of another task are not reported"


@pytest.mark.parametrize("given", ["yolov4", Yolov4(mosaic=0.0, mixup=0.1)])
def test_mixing_images_with_a_single_class_raises(given: str | Augmentation) -> None:
    message = r"data\.tints: .* each image here has a single class\. Use transforms: classify or light"
    with pytest.raises(PolyheadError, match=message):
        open_tasks({"tints": Source(Tints(9), transforms=given)}, (32, 32), 0)
    open_tasks({"tints": Source(Tints(9), transforms=Yolov4(mosaic=0.0, mixup=0.0, cutmix=0.0))}, (32, 32), 0)


class ByBrightness(ImageModality):
    """Images whose length is their brightest value; the toy images have two."""

    def lengths(self, inputs: Iterable[Tensor]) -> Sequence[int]:
        return [int(image.max()) for image in inputs]


def test_samples_are_put_into_batches_by_their_length() -> None:
    def lengths(modality: ImageModality | None) -> Sequence[int] | None:
        task = open_tasks({"squares": Source(Squares(30), modality=modality, workers=0)}, (32, 32), 0)["squares"]
        sampler = task.train(1, lambda: 0, 0, 0).batch_sampler
        assert isinstance(sampler, Steps)
        return sampler.lengths

    assert lengths(None) is None, "all images have the same length"
    found = lengths(ByBrightness())
    assert found is not None
    assert set(found) == {110, 240}
