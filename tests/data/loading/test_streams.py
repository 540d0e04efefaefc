"""Endless streams: every sample comes once per cycle, from any step on, with any number of workers."""

import pytest
import torch
from builders.toy_parts import SIDE, Squares, Tints
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.data.augment.base import Augmentation, Partner
from polyhead.data.augment.transforms import Eval, Train, train_transform
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.loading.streams import EvalSet, Steps, StreamLoader, TrainSet, collate, peers
from polyhead.data.synthetic.scenes import Scenes
from polyhead.types import Sample, Size


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 12), st.integers(0, 5))
def test_every_index_comes_once_per_cycle(length: int, batch: int, steps: int, seed: int) -> None:
    sampler = Steps(length, batch, steps, seed)
    stream = [index[:2] for step in range(2 * length) for index in sampler.at(step)]
    for cycle in range(2):
        assert sorted(index for number, index in stream if number == cycle) == list(range(length))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 12), st.integers(0, 30))
def test_a_stream_runs_from_any_step_to_the_end_of_the_epoch(length: int, batch: int, steps: int, start: int) -> None:
    sampler = Steps(length, batch, steps, 0)
    sampler.start = start
    steps_left = list(sampler)
    assert steps_left == [sampler.at(step) for step in range(start, (start // steps + 1) * steps)]
    assert all(len(indices) == batch for indices in steps_left)
    assert len(sampler) == steps


def test_cycles_differ_and_seeds_differ() -> None:
    sampler = Steps(20, 20, 1, 0)
    first, second = ([index for _, index, _ in sampler.at(step)] for step in range(2))
    assert first != second
    assert first != [index for _, index, _ in Steps(20, 20, 1, 1).at(0)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 12), st.integers(0, 12))
def test_images_are_mixed_until_the_given_step(length: int, batch: int, mix_until: int, step: int) -> None:
    sampler = Steps(length, batch, 12, 0, mix_until)
    assert [mixing for _, _, mixing in sampler.at(step)] == [step < mix_until] * batch
    assert [index[:2] for index in sampler.at(step)] == [index[:2] for index in Steps(length, batch, 12, 0).at(step)]


def batches(workers: int, start: int, preset: str = "ssd") -> list[torch.Tensor]:
    """Return the inputs and boxes of an epoch's batches, as one row per sample."""
    data = TrainSet(Squares(10), train_transform(preset, (SIDE, SIDE)), seed=3)
    loader = StreamLoader(data, batch_sampler=Steps(10, 4, 5, 3, mix_until=4), num_workers=workers, collate_fn=collate)
    loader.position = lambda: start
    return [torch.cat([batch.inputs.flatten(1).float(), batch.boxes.flatten(1)], 1) for batch in loader]


@pytest.mark.parametrize("preset", ["ssd", "yolov4"])
def test_workers_and_resuming_change_no_bit(preset: str) -> None:
    full = batches(0, 0, preset)
    assert len(full) == 5
    assert all(torch.equal(a, b) for a, b in zip(full, batches(2, 0, preset), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(full[3:], batches(2, 3, preset), strict=True))


def test_unmixed_samples_show_one_image() -> None:
    data = TrainSet(Squares(10), train_transform("yolov4", (SIDE, SIDE)), seed=3)
    mixed, unmixed = ([data[cycle, 4, mixing] for cycle in range(30)] for mixing in (True, False))
    assert max(len(sample.labels) for sample in mixed) > 3
    assert max(len(sample.labels) for sample in unmixed) == 1
    assert {sample.id for sample in mixed + unmixed} == {"Squares0-4"}


class PartnerOnly(Augmentation):
    """Returns the partner instead of the sample."""

    def __call__(self, sample: Sample, size: Size, partner: Partner | None) -> Sample:
        assert size
        return sample if partner is None else partner()


def test_partners_are_all_other_samples_or_the_sample_itself_if_alone() -> None:
    data = TrainSet(Squares(5), Train((SIDE, SIDE), PartnerOnly()), seed=0)
    assert {data[cycle, 2, True].id for cycle in range(60)} == {f"Squares0-{index}" for index in (0, 1, 3, 4)}
    assert {data[cycle, 2, False].id for cycle in range(5)} == {"Squares0-2"}
    assert TrainSet(Squares(1), Train((SIDE, SIDE), PartnerOnly()), seed=0)[0, 0, True].id == "Squares0-0"


def test_partners_have_the_same_annotated_classes() -> None:
    reader = Squares(6)
    targets = [reader.annotation(index) for index in range(6)]
    half = torch.tensor([True, False])
    targets = [target._replace(annotated=half) if number % 2 else target for number, target in enumerate(targets)]
    assert peers(targets) == [[0, 2, 4], [1, 3, 5]] * 3
    data = TrainSet(reader, Train((SIDE, SIDE), PartnerOnly()), 0, peers(targets))
    assert {data[cycle, 1, True].id for cycle in range(40)} == {"Squares0-3", "Squares0-5"}


def test_the_global_generator_is_not_used() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    batches(0, 0)
    assert torch.equal(torch.rand(3), expected)


def test_evaluation_is_bitwise_the_same_at_every_call() -> None:
    data = EvalSet(Squares(4), Eval((SIDE, SIDE)))
    first, second = (collate([data[index] for index in range(len(data))]) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.boxes, second.boxes)


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_is_bitwise_the_same_in_every_epoch_and_worker(workers: int) -> None:
    """The images are resized from 40 to 32 pixels."""
    expected = collate([Eval((SIDE, SIDE))(sample) for sample in map(Scenes(9, size=40).__getitem__, range(9))])
    held_out = Scenes(9, size=40)
    train, test = (Scenes(2, size=40, seed=seed) for seed in (1, 2))
    source = Source(train, held_out, test, batch=2, val_batch=4, workers=workers)
    loader = TaskData("shapes", source, (SIDE, SIDE), 0).evaluation("val")
    for _ in range(2):
        batches = list(loader)
        assert [len(batch.ids) for batch in batches] == [4, 4, 1]
        assert torch.equal(torch.cat([batch.inputs for batch in batches]), expected.inputs)
        assert torch.equal(torch.cat([batch.frames for batch in batches]), expected.frames)
        boxes = [box for batch in batches for box in batch.boxes[batch.labels >= 0]]
        assert torch.equal(torch.stack(boxes), expected.boxes[expected.labels >= 0])


def test_a_batch_without_any_box_has_one_padded_row() -> None:
    reader = Tints(3)
    batch = collate([reader[index] for index in range(3)])
    assert batch.boxes.shape == (3, 1, 4)
    assert batch.labels.tolist() == [[-1]] * 3
    assert batch.values is not None
    assert batch.values.shape == (3,)


def test_boxes_are_padded_to_the_longest() -> None:
    one = Squares(1)[0]
    two = one._replace(
        boxes=torch.cat([one.boxes, one.boxes]), labels=torch.tensor([0, 1]), ignore=torch.tensor([False, True])
    )
    batch = collate([one, two])
    assert batch.labels.tolist() == [[int(one.labels[0]), -1], [0, 1]]
    assert batch.ignore.tolist() == [[False, False], [False, True]]
