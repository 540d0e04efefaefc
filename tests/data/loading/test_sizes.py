"""Steps of several image sizes: the size travels in the index, and changes nothing else of a sample."""

import pytest
import torch
from builders.fitted_images import image_modality
from builders.toy_parts import Squares, Tints

from polyhead.contracts.sizes import side_at
from polyhead.data.augment.transforms import PRESETS
from polyhead.data.geometry.plane import ImageMeta
from polyhead.data.loading import source as sources
from polyhead.data.loading.source import Source
from polyhead.data.loading.streams import Collate, Decoded, Index, Steps, StreamLoader, TrainSet
from polyhead.data.loading.workers import Room
from polyhead.kinds.detection import Detection
from polyhead.rng import fork_rng
from polyhead.types import Batch, Sample
from polyhead.workflows.tasks import open_tasks

SIDES = [24, 32, 48]
SEED = 3


def train_set(preset: str) -> TrainSet:
    modality = image_modality((32, 32), preset)
    return TrainSet(Decoded(Squares(10), modality), 10, modality.train, SEED)


def same(one: Sample, other: Sample) -> bool:
    """Return whether two samples are equal, bit for bit."""
    fields = zip(one.target, other.target, strict=True)
    equal = all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in fields)
    return equal and torch.equal(one.input, other.input) and vars(one.meta) == vars(other.meta)


@pytest.mark.parametrize("preset", PRESETS)
def test_without_sizes_a_sample_is_what_the_transform_makes_with_the_seed_of_its_cycle_and_index(preset: str) -> None:
    data = train_set(preset)
    for cycle in range(3):
        with fork_rng(SEED, cycle, 4):
            expected = data.transform(data.read(4))
        assert same(data[Index(cycle, 4, mixing=False)], expected)
        for mixing in (False, True):
            plain, sized = data[Index(cycle, 4, mixing)], data[Index(cycle, 4, mixing, side=32)]
            assert same(plain, sized), "the model's size as the size of a step"


@pytest.mark.parametrize("preset", PRESETS)
def test_the_random_choices_of_a_sample_are_the_same_at_every_size(preset: str) -> None:
    """What the image shows, and where, is the same in relation to the canvas."""
    data = train_set(preset)
    for cycle in range(6):
        frames = []
        for side in SIDES:
            sample = data[Index(cycle, 1, mixing=False, side=side)]
            assert sample.input.shape == (3, side, side)
            assert isinstance(sample.meta, ImageMeta)
            frames.append(torch.tensor(sample.meta.frame) / side)  # corners of the image, as fractions of the canvas
        assert all(torch.allclose(frame, frames[0], atol=0.05) for frame in frames)


def batches(workers: int, start: int) -> list[torch.Tensor]:
    """Return the images of an epoch's steps, whose sizes differ."""
    loader = StreamLoader(
        train_set("yolov4"),
        batch_sampler=Steps(10, 4, 6, SEED, mix_until=4, side=side_at(SIDES, 0, 0)),
        num_workers=workers,
        collate_fn=Collate(Detection(), image_modality()),
    )
    loader.position = lambda: start
    return [pixels(batch) for batch in loader]


def pixels(batch: Batch) -> torch.Tensor:
    """Return the images of a batch."""
    assert isinstance(batch.inputs, torch.Tensor)
    return batch.inputs


def test_workers_and_resuming_change_no_bit_of_steps_of_several_sizes() -> None:
    full = batches(0, 0)
    side = side_at(SIDES, 0, 0)
    assert side is not None
    assert [each.shape[-1] for each in full] == [side(step) for step in range(6)]
    assert len({each.shape for each in full}) > 1
    assert all(torch.equal(a, b) for a, b in zip(full[2:], batches(2, 2), strict=True))


def test_tasks_have_the_same_sizes_whatever_their_own_seeds_and_batches() -> None:
    readers = {"squares": (Squares(28), 4), "tints": (Tints(9), 2)}
    given = {name: Source(reader, batch=batch, workers=0) for name, (reader, batch) in readers.items()}
    shapes = [
        [pixels(batch).shape[-2:] for batch in task.train(7, lambda: 0, 1, 0, side_at(SIDES, 0, 1))]
        for task in open_tasks(given, (32, 32), 0).values()
    ]
    assert shapes[0] == shapes[1]
    assert len(set(shapes[0])) > 1


def test_loader_processes_need_room_for_the_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two prepare 4 batches of 2 images, and 2 more; one image of 64 pixels takes 3 pages of 4 KiB, of 96 pixels 7."""
    monkeypatch.setattr(sources, "room", lambda: Room(600_000, 1000))
    given = {"a": Source(Squares(8), Squares(8, 1), Squares(8, 2), batch=2, val_batch=2, workers=2)}
    for largest, expected in ((None, 2), (16, 2), (64, 2), (96, 1)):
        task = open_tasks(given, (32, 32), 0, largest=largest)["a"]
        assert (task.workers, task.val_workers) == (expected, 2), largest
