"""An endless, seeded stream of samples that can be entered at any step: the reason why a resumed run is exact.

The order is a function of ``(seed, cycle)``, a sample of ``(seed, cycle, index)``; the position comes from one counter,
which the trainer keeps. Workers learn the cycle from the index itself, so it reaches persistent ones too, and so does
whether pictures are still mixed.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from polyhead.contracts.reader import Reader
from polyhead.data.augment.transforms import Eval, Train
from polyhead.rng import key, seeded
from polyhead.types import Annotation, Batch, Sample

Index = tuple[int, int, bool]
"""Cycle (how often the set was passed before), index within the set, and whether other samples may be mixed in."""


class Steps(Sampler[list[Index]]):
    """An endless stream of indices, cut into steps; every index comes once per cycle, and batches are always full.

    Args:
        length: samples in the set.
        batch: samples per step.
        steps: steps per epoch.
        seed: of the order.
        quiet: the step, counted from the beginning of the stage, from which samples are no longer mixed.
    """

    def __init__(self, length: int, batch: int, steps: int, seed: int, quiet: int = 0) -> None:
        self.length, self.batch, self.steps, self.seed, self.quiet = length, batch, steps, seed, quiet
        self.start = 0
        self._order = lru_cache(maxsize=2)(self._permutation)

    def __len__(self) -> int:
        return self.steps

    def at(self, step: int) -> list[Index]:
        """The indices of one step, counted from the beginning of the stage."""
        places = (divmod(spot, self.length) for spot in range(step * self.batch, (step + 1) * self.batch))
        return [(cycle, self._order(cycle)[place], step < self.quiet) for cycle, place in places]

    def _permutation(self, cycle: int) -> list[int]:
        generator = torch.Generator().manual_seed(key(self.seed, cycle))
        order: list[int] = torch.randperm(self.length, generator=generator).tolist()
        return order

    def __iter__(self) -> Iterator[list[Index]]:
        for step in range(self.start, (self.start // self.steps + 1) * self.steps):
            yield self.at(step)


class TrainSet(Dataset[Sample]):
    """Samples as the network trains on them; chance is a function of ``(seed, cycle, index)``, mixed samples included.

    Args:
        reader: of the training samples.
        transform: what is done to each.
        seed: of all choices.
        peers: for each sample, the indices of those that may be mixed into it (:func:`peers`); all when None.
    """

    def __init__(
        self, reader: Reader, transform: Train, seed: int, peers: Sequence[Sequence[int]] | None = None
    ) -> None:
        self.reader, self.transform, self.seed, self.peers = reader, transform, seed, peers

    def __getitem__(self, index: Index) -> Sample:
        cycle, place, mixing = index
        with seeded(self.seed, cycle, place):
            return self.transform(self.reader[place], partial(self._other, place) if mixing else None)

    def _other(self, place: int) -> Sample:
        """Any of a sample's peers but itself, unless it has no other."""
        peers = range(len(self.reader)) if self.peers is None else self.peers[place]
        drawn = peers[int(torch.randint(max(1, len(peers) - 1), ()))]
        return self.reader[peers[-1] if drawn == place else drawn]


def peers(truths: Sequence[Annotation]) -> list[list[int]]:
    """For each sample, the indices of those in which the same classes were looked for.

    In a picture mixed of others a class gives a negative loss only where it was looked for in all of them. Mixed across
    merged data sets, most classes would give none.
    """
    kinds = [truth.annotated.numpy().tobytes() for truth in truths]
    groups: dict[bytes, list[int]] = {}
    for index, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(index)
    return [groups[kind] for kind in kinds]


class EvalSet(Dataset[Sample]):
    """Samples as val, test and predict see them: bitwise the same at every call."""

    def __init__(self, reader: Reader, transform: Eval) -> None:
        self.reader, self.transform = reader, transform

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> Sample:
        return self.transform(self.reader[index])


class StreamLoader(DataLoader[Sample]):
    """A loader whose every epoch begins where ``position()`` says, in steps from the beginning of the stage.

    It is a generator: the position is read at the first ``next()``, since Lightning asks for the iterator of a resumed
    epoch before its counters are in place.
    """

    position: Callable[[], int]

    def __init__(self, data: Dataset[Sample], **settings: Any) -> None:
        # Without a generator of its own, a loader draws a number from the global one each time that it begins.
        super().__init__(data, generator=torch.Generator(), **settings)

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # DataLoader promises its private iterator class
        sampler = self.batch_sampler
        assert isinstance(sampler, Steps)
        sampler.start = self.position()
        yield from super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the trainer's counter is the whole state. Lightning warns of loaders without this method."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""


def collate(samples: list[Sample]) -> Batch:
    """Samples of one size to a batch; boxes are padded to the longest list, and to at least one row."""
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
        inputs=_stack([sample.input.as_subclass(torch.Tensor) for sample in samples]),
        boxes=boxes,
        labels=labels,
        ignore=ignore,
        annotated=torch.stack([sample.annotated for sample in samples]),
        frames=torch.stack([sample.frame.as_subclass(torch.Tensor) for sample in samples]),
        sizes=torch.tensor([sample.size for sample in samples]),
        ids=[sample.id for sample in samples],
        masks=torch.stack([mask.as_subclass(torch.Tensor) for mask in masks]) if masks else None,
        values=torch.stack(values) if values else None,
    )


def _stack(pictures: list[torch.Tensor]) -> torch.Tensor:
    """Pictures as one tensor, channels last in memory, as decoding leaves them: reordering takes four times as long."""
    return torch.stack([picture.permute(1, 2, 0) for picture in pictures]).permute(0, 3, 1, 2)
