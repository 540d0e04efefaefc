"""Endless streams: every sample comes once per cycle, from any step on, with any number of workers."""

from collections import Counter
from statistics import mean

import pytest
import torch
from builders.fitted_images import decoded, image_modality
from builders.toy_parts import SIDE, Squares, Tints
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.contracts.kind import Targets
from polyhead.contracts.modality import Partner, TrainTransform
from polyhead.contracts.reader import Reader
from polyhead.data.loading.source import Source
from polyhead.data.loading.streams import BUCKET, Collate, Decoded, EvalSet, Index, Steps, StreamLoader, TrainSet
from polyhead.data.synthetic.scenes import Scenes
from polyhead.kinds.classification import Classification
from polyhead.kinds.detection import Detection
from polyhead.types import Batch, Boxes, Sample
from polyhead.workflows.tasks import open_tasks


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
    first, second = ([index.number for index in sampler.at(step)] for step in range(2))
    assert first != second
    assert first != [index.number for index in Steps(20, 20, 1, 1).at(0)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 12), st.integers(0, 12))
def test_images_are_mixed_until_the_given_step(length: int, batch: int, mix_until: int, step: int) -> None:
    sampler = Steps(length, batch, 12, 0, mix_until)
    assert [index.mixing for index in sampler.at(step)] == [step < mix_until] * batch
    assert [index[:2] for index in sampler.at(step)] == [index[:2] for index in Steps(length, batch, 12, 0).at(step)]


FACTORS = st.lists(st.floats(1, 6), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(FACTORS, st.integers(1, 9), st.integers(0, 5), st.booleans())
def test_samples_come_as_often_as_their_factor_rounded(factors: list[float], batch: int, seed: int, long: bool) -> None:
    lengths = [5 * number + 1 for number in range(len(factors))] if long else None
    sampler = Steps(len(factors), batch, 1, seed, lengths=lengths, repeats=factors)
    assert sampler.length == round(sum(factors))
    stream = [index for step in range(2 * sampler.length) for index in sampler.at(step)]
    scale = sampler.length / sum(factors)  # a cycle has a whole number of samples
    for cycle in range(2):
        own = [index for index in stream if index.cycle == cycle]
        assert len(own) == sampler.length
        for number, factor in enumerate(factors):
            copies = sorted(index.copy for index in own if index.number == number)
            assert copies == list(range(len(copies)))
            assert scale * factor - 1 < len(copies) < scale * factor + 1


def test_fractions_of_factors_are_met_on_average() -> None:
    sampler = Steps(4, 1, 1, 0, repeats=[1.0, 1.0, 1.25, 2.75])
    counts = Counter(index.number for step in range(6 * 400) for index in sampler.at(step))
    assert counts[0] == counts[1] == 400
    assert counts[2] == pytest.approx(500, rel=0.06)
    assert counts[3] == pytest.approx(1100, rel=0.03)


class Noise(TrainTransform):
    """Adds a random number."""

    def __call__(self, sample: Sample, partner: Partner | None = None) -> Sample:
        return sample._replace(input=sample.input + torch.rand(()))


def test_copies_of_a_sample_are_transformed_differently() -> None:
    data = TrainSet(Squares(3).__getitem__, 3, Noise(), seed=0)
    first, second = data[Index(0, 1, False)], data[Index(0, 1, False, None, 1)]
    assert (first.meta.id, second.meta.id) == ("Squares0-1", "Squares0-1")
    assert not torch.equal(first.input, second.input)
    assert torch.equal(second.input, data[Index(0, 1, False, None, 1)].input)


LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=60)


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 5))
def test_with_lengths_every_index_comes_once_per_cycle(lengths: list[int], batch: int, seed: int) -> None:
    count = len(lengths)
    sampler = Steps(count, batch, 1, seed, lengths=lengths)
    stream = [index[:2] for step in range(3 * count) for index in sampler.at(step)]
    for cycle in range(3):
        members = stream[cycle * count : (cycle + 1) * count]
        assert {number for number, _ in members} == {cycle}
        assert sorted(index for _, index in members) == list(range(count))


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 5), st.integers(0, 100))
def test_with_lengths_the_order_is_a_function_of_seed_and_cycle(
    lengths: list[int], batch: int, seed: int, start: int
) -> None:
    """A stream that is entered anywhere, also in the middle of a cycle, goes on as if it had run from the beginning."""
    count = len(lengths)
    full = Steps(count, batch, 5, seed, lengths=lengths)
    expected = [full.at(step) for step in range(start + 5)]
    entered = Steps(count, batch, 5, seed, lengths=lengths)
    entered.start = start
    steps = list(entered)
    assert steps == expected[start : start + len(steps)]
    assert [full.at(step) for step in reversed(range(start + 5))] == expected[::-1]


def spreads(sampler: Steps, lengths: list[int], steps: range) -> list[int]:
    """Return the difference of the largest and the smallest length of each batch."""
    found = [[lengths[index.number] for index in sampler.at(step)] for step in steps]
    return [max(each) - min(each) for each in found]


def padding(sampler: Steps, lengths: list[int], steps: range) -> int:
    """Return how many places are padded, if each batch is as long as its longest sample."""
    found = [[lengths[index.number] for index in sampler.at(step)] for step in steps]
    return sum(max(each) * len(each) - sum(each) for each in found)


@pytest.mark.parametrize("count", [1024, 1003, 1999])  # cycles begin with a batch, or within one
@pytest.mark.parametrize("seed", range(3))
def test_batches_have_similar_lengths_and_less_padding(count: int, seed: int) -> None:
    batch = 8
    lengths = torch.randint(1, 501, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
    sorted_steps, plain = Steps(count, batch, 1, seed, lengths=lengths), Steps(count, batch, 1, seed)
    steps = range(3 * count // batch)
    found = spreads(sorted_steps, lengths, steps)
    assert mean(found) < 3 * 500 / BUCKET
    assert sum(each > 100 for each in found) <= 3, "more than the batch that two cycles share"
    assert padding(sorted_steps, lengths, steps) < 0.2 * padding(plain, lengths, steps)


def test_with_lengths_batches_change_from_cycle_to_cycle_and_with_the_seed() -> None:
    lengths = [1 + index % 50 for index in range(400)]

    def order(seed: int, cycle: int) -> list[list[int]]:
        sampler = Steps(400, 8, 50, seed, lengths=lengths)
        return [[index.number for index in sampler.at(step)] for step in range(50 * cycle, 50 * (cycle + 1))]

    first = order(0, 0)
    for other in (order(0, 1), order(1, 0)):
        assert not {frozenset(each) for each in first} & {frozenset(each) for each in other}
    longest = [max(lengths[index] for index in each) for each in first]
    assert longest != sorted(longest), "short batches would always come first"


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 5))
def test_equal_lengths_change_the_order_of_batches_only(count: int, batch: int, seed: int) -> None:
    def members(lengths: list[int] | None) -> list[frozenset[int]]:
        sampler = Steps(count, batch, 1, seed, lengths=lengths)
        return [frozenset(index.number for index in sampler.at(step)) for step in range(count // batch)]

    assert sorted(members([7] * count), key=sorted) == sorted(members(None), key=sorted)


def train_set(reader: Reader, preset: str, seed: int = 3) -> TrainSet:
    """Return the training samples of a reader of images."""
    modality = image_modality((SIDE, SIDE), preset)
    return TrainSet(Decoded(reader, modality), len(reader), modality.train, seed)


def batches(workers: int, start: int, preset: str = "ssd") -> list[torch.Tensor]:
    """Return the inputs and boxes of an epoch's batches, as one row per sample."""
    loader = StreamLoader(
        train_set(Squares(10), preset),
        batch_sampler=Steps(10, 4, 5, 3, mix_until=4),
        num_workers=workers,
        collate_fn=Collate(Detection(), image_modality()),
    )
    loader.position = lambda: start
    return [torch.cat([pixels(batch).flatten(1).float(), batch.target.boxes.flatten(1)], 1) for batch in loader]


def pixels(batch: Batch) -> torch.Tensor:
    """Return the images of a batch."""
    assert isinstance(batch.inputs, torch.Tensor)
    return batch.inputs


@pytest.mark.parametrize("preset", ["ssd", "yolov4"])
def test_workers_and_resuming_change_no_bit(preset: str) -> None:
    full = batches(0, 0, preset)
    assert len(full) == 5
    assert all(torch.equal(a, b) for a, b in zip(full, batches(2, 0, preset), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(full[3:], batches(2, 3, preset), strict=True))


def test_unmixed_samples_show_one_image() -> None:
    data = train_set(Squares(10), "yolov4")
    mixed, unmixed = ([data[Index(cycle, 4, mixing)] for cycle in range(30)] for mixing in (True, False))
    assert max(len(sample.target.labels) for sample in mixed) > 3
    assert max(len(sample.target.labels) for sample in unmixed) == 1
    assert {sample.meta.id for sample in mixed + unmixed} == {"Squares0-4"}


class PartnerOnly(TrainTransform):
    """Returns the partner instead of the sample."""

    def __call__(self, sample: Sample, partner: Partner | None = None) -> Sample:
        return sample if partner is None else partner()


def test_partners_are_all_other_samples_or_the_sample_itself_if_alone() -> None:
    data = TrainSet(Squares(5).__getitem__, 5, PartnerOnly(), seed=0)
    assert {data[Index(cycle, 2, True)].meta.id for cycle in range(60)} == {
        f"Squares0-{index}" for index in (0, 1, 3, 4)
    }
    assert {data[Index(cycle, 2, False)].meta.id for cycle in range(5)} == {"Squares0-2"}
    assert TrainSet(Squares(1).__getitem__, 1, PartnerOnly(), seed=0)[Index(0, 0, True)].meta.id == "Squares0-0"


class HalfAnnotated(Squares):
    """Every second image is annotated for the first class only."""

    def target(self, index: int) -> Boxes:
        target = super().target(index)
        return target._replace(annotated=torch.tensor([True, False])) if index % 2 else target


def test_partners_have_the_same_annotated_classes() -> None:
    reader = HalfAnnotated(6)
    peers = Detection().peers(Targets.of(Detection(), reader))
    assert peers == [[0, 2, 4], [1, 3, 5]] * 3
    data = TrainSet(reader.__getitem__, 6, PartnerOnly(), 0, peers)
    assert {data[Index(cycle, 1, True)].meta.id for cycle in range(40)} == {"HalfAnnotated0-3", "HalfAnnotated0-5"}


def test_the_global_generator_is_not_used() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    batches(0, 0)
    assert torch.equal(torch.rand(3), expected)


def test_evaluation_is_bitwise_the_same_at_every_call() -> None:
    modality = image_modality((SIDE, SIDE))
    data = EvalSet(Decoded(Squares(4), modality), 4, modality.eval)
    collate = Collate(Detection(), modality)
    first, second = (collate([data[index] for index in range(len(data))]) for _ in range(2))
    assert torch.equal(pixels(first), pixels(second))
    assert torch.equal(first.target.boxes, second.target.boxes)


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_is_bitwise_the_same_in_every_epoch_and_worker(workers: int) -> None:
    """The images are resized from 40 to 32 pixels."""
    modality, held_out = image_modality((SIDE, SIDE)), Scenes(9, size=40)
    samples = [modality.eval(decoded(held_out, index)) for index in range(9)]
    expected = Collate(Detection(), modality)(samples)
    train, test = (Scenes(2, size=40, seed=seed) for seed in (1, 2))
    source = Source(train, held_out, test, batch=2, val_batch=4, workers=workers)
    loader = open_tasks({"shapes": source}, (SIDE, SIDE), 0)["shapes"].evaluation("val")
    for _ in range(2):
        found: list[Batch] = list(loader)
        assert [len(batch.ids) for batch in found] == [4, 4, 1]
        assert torch.equal(torch.cat([pixels(batch) for batch in found]), pixels(expected))
        assert [vars(each) for batch in found for each in batch.meta] == [vars(each) for each in expected.meta]
        boxes = [box for batch in found for box in batch.target.boxes[batch.target.labels >= 0]]
        assert torch.equal(torch.stack(boxes), expected.target.boxes[expected.target.labels >= 0])


def test_a_batch_without_any_box_has_one_padded_row() -> None:
    reader = Squares(3)
    empty = [decoded(reader, index) for index in range(3)]
    empty = [
        each._replace(target=each.target._replace(boxes=torch.zeros(0, 4), labels=torch.zeros(0))) for each in empty
    ]
    target = Collate(Detection(), image_modality())(empty).target
    assert target.boxes.shape == (3, 1, 4)
    assert target.labels.tolist() == [[-1]] * 3
    assert target.ignore.tolist() == [[False]] * 3


def test_boxes_are_padded_to_the_longest() -> None:
    one = decoded(Squares(1), 0)
    boxes = torch.cat([one.target.boxes, one.target.boxes])
    more = one.target._replace(boxes=boxes, labels=torch.tensor([0, 1]), ignore=torch.tensor([False, True]))
    target = Collate(Detection(), image_modality())([one, one._replace(target=more)]).target
    assert target.labels.tolist() == [[int(one.target.labels[0]), -1], [0, 1]]
    assert target.ignore.tolist() == [[False, False], [False, True]]
    assert target.boxes[0, 1].tolist() == [0, 0, 0, 0]


def test_a_batch_has_its_ids_and_has_targets_only_with_a_kind() -> None:
    samples = [decoded(Tints(3), index) for index in range(3)]
    batch = Collate(Classification(), image_modality())(samples)
    assert batch.ids == [f"Tints0-{index}" for index in range(3)]
    assert batch.target.labels.tolist() == [int(each.target.label) for each in samples]
    assert Collate(None, image_modality())(samples).target is None
