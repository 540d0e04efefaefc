"""Endless, seeded streams of samples that can be entered at any step, so that a resumed run is exact.

The order is a function of ``(seed, cycle)``, and a sample is a function of ``(seed, cycle, index)``. The position comes
from one counter, which the trainer stores. The cycle, and whether images may still be mixed, are part of the index, so
they reach persistent workers too.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from polyhead.contracts.reader import Reader
from polyhead.data.augment.transforms import Eval, Train
from polyhead.rng import derive_seed, fork_rng
from polyhead.types import Annotation, Batch, Sample

Index = tuple[int, int, bool]
"""Cycle (number of completed passes over the set), index within the set, and whether other samples may be mixed in."""


class Steps(Sampler[list[Index]]):
    """A batch sampler over an endless stream of indices.

    Every index comes once per cycle. Batches are always full; a batch may contain the end of one cycle and the
    beginning of the next.

    Args:
        length: samples in the set.
        batch: samples per step.
        steps: steps per epoch.
        seed: seed of the order.
        mix_until: the step, counted from the beginning of the stage, from which samples are no longer mixed.
    """

    def __init__(self, length: int, batch: int, steps: int, seed: int, mix_until: int = 0) -> None:
        self.length, self.batch, self.steps, self.seed, self.mix_until = length, batch, steps, seed, mix_until
        self.start = 0
        self._order = lru_cache(maxsize=2)(self._permutation)  # most batches touch one or two cycles

    def __len__(self) -> int:
        return self.steps

    def at(self, step: int) -> list[Index]:
        """Return the indices of one step, counted from the beginning of the stage."""
        positions = range(step * self.batch, (step + 1) * self.batch)
        cycles = (divmod(position, self.length) for position in positions)
        return [(cycle, self._order(cycle)[offset], step < self.mix_until) for cycle, offset in cycles]

    def _permutation(self, cycle: int) -> list[int]:
        """Return the order of the samples in a cycle."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, cycle))
        order: list[int] = torch.randperm(self.length, generator=generator).tolist()
        return order

    def __iter__(self) -> Iterator[list[Index]]:
        for step in range(self.start, (self.start // self.steps + 1) * self.steps):
            yield self.at(step)


class TrainSet(Dataset[Sample]):
    """The training samples after augmentation.

    All random choices, including those in mixed-in samples, are a function of ``(seed, cycle, index)``.

    Args:
        reader: reader of the training samples.
        transform: the training transform.
        seed: seed of all random choices.
        peers: for each sample, the indices of those that may be mixed into it (:func:`peers`); all if None.
    """

    def __init__(
        self, reader: Reader, transform: Train, seed: int, peers: Sequence[Sequence[int]] | None = None
    ) -> None:
        self.reader, self.transform, self.seed, self.peers = reader, transform, seed, peers

    def __getitem__(self, index: Index) -> Sample:
        cycle, number, mixing = index
        with fork_rng(self.seed, cycle, number):
            return self.transform(self.reader[number], partial(self._partner, number) if mixing else None)

    def _partner(self, number: int) -> Sample:
        """Draw one of a sample's peers other than itself; the sample itself if it has no other peer."""
        peers = range(len(self.reader)) if self.peers is None else self.peers[number]
        # Drawn from all but the last peer; the last one takes the position of the sample itself.
        drawn = peers[int(torch.randint(max(1, len(peers) - 1), ()))]
        return self.reader[peers[-1] if drawn == number else drawn]


def peers(targets: Sequence[Annotation]) -> list[list[int]]:
    """Return, for each sample, the indices of the samples with the same annotated classes.

    A mixed image has negatives only for classes that are annotated in all of its images. Mixing across merged data
    sets would leave most classes without negatives.
    """
    keys = [target.annotated.numpy().tobytes() for target in targets]
    groups: dict[bytes, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return [groups[key] for key in keys]


class EvalSet(Dataset[Sample]):
    """The samples of val, test and predict; bitwise the same at every call."""

    def __init__(self, reader: Reader, transform: Eval) -> None:
        self.reader, self.transform = reader, transform

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> Sample:
        return self.transform(self.reader[index])


class StreamLoader(DataLoader[Sample]):
    """A loader whose epochs start at ``position()``, in steps from the beginning of the stage.

    The iterator is a generator, so the position is read at the first ``next()``: Lightning asks for the iterator of a
    resumed epoch before it has restored its counters.
    """

    position: Callable[[], int]

    def __init__(self, data: Dataset[Sample], **settings: Any) -> None:
        # Without its own generator, a loader draws a number from the global one each time it is iterated.
        super().__init__(data, generator=torch.Generator(), **settings)

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # DataLoader promises its private iterator class
        sampler = self.batch_sampler
        assert isinstance(sampler, Steps)
        sampler.start = self.position()
        yield from super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: the trainer's counter is all. Lightning warns of loaders without this method."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: there is no state to restore."""


def collate(samples: list[Sample]) -> Batch:
    """Stack samples of the same size into a batch.

    Boxes are padded to the longest list, and to at least one row; padded rows have label -1.
    """
    rows = max(1, *(sample.boxes.shape[0] for sample in samples))
    boxes = torch.zeros(len(samples), rows, 4)
    labels = torch.full((len(samples), rows), -1, dtype=torch.int64)
    ignore = torch.zeros(len(samples), rows, dtype=torch.bool)
    for row, sample in enumerate(samples):
        count = sample.boxes.shape[0]
        boxes[row, :count] = sample.boxes.as_subclass(torch.Tensor)
        labels[row, :count] = sample.labels
        ignore[row, :count] = sample.ignore
    masks = [sample.mask for sample in samples if sample.mask is not None]
    values = [sample.value for sample in samples if sample.value is not None]
    return Batch(
        inputs=_stack([sample.input.as_subclass(torch.Tensor) for sample in samples]),  # [b, 3, h, w]
        boxes=boxes,  # [b, n, 4]
        labels=labels,  # [b, n]
        ignore=ignore,  # [b, n]
        annotated=torch.stack([sample.annotated for sample in samples]),  # [b, c]
        frames=torch.stack([sample.frame.as_subclass(torch.Tensor) for sample in samples]),  # [b, 3, 2]
        sizes=torch.tensor([sample.size for sample in samples]),  # [b, 2]
        ids=[sample.id for sample in samples],
        masks=torch.stack([mask.as_subclass(torch.Tensor) for mask in masks]) if masks else None,  # [b, h, w]
        values=torch.stack(values) if values else None,
    )


def _stack(images: list[torch.Tensor]) -> torch.Tensor:
    """Stack images ``[3, h, w]`` into ``[b, 3, h, w]`` with channels last in memory.

    Decoded images have this memory layout; reordering them takes four times as long.
    """
    return torch.stack([image.permute(1, 2, 0) for image in images]).permute(0, 3, 1, 2)
