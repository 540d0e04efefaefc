"""Endless, seeded streams of samples that can be entered at any step, so that a resumed run is exact.

The order is a function of ``(seed, cycle)``, and a sample is a function of ``(seed, cycle, index)``. The position comes
from one counter, which the trainer stores. The cycle, whether images may still be mixed, and the size of the step's
images are part of the index, so they reach persistent workers too.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch.utils.data import Sampler

from polyhead.contracts.kind import Kind
from polyhead.contracts.modality import EvalTransform, Modality, TrainTransform
from polyhead.contracts.reader import Reader
from polyhead.contracts.sizes import SideAt
from polyhead.data.loading.workers import Loader, Samples
from polyhead.rng import derive_seed, fork_rng
from polyhead.types import Batch, Sample

BUCKET = 32
"""Batches whose samples are sorted by length together."""


class Index(NamedTuple):
    """What a training sample is made from, besides the seed.

    Attributes:
        cycle: number of completed passes over the set.
        number: index within the set.
        mixing: whether other samples may be mixed in.
        side: side of the step's images; None for the model's size.
        copy: how often the sample came earlier in this cycle; each copy is transformed in its own way.
    """

    cycle: int
    number: int
    mixing: bool
    side: int | None = None
    copy: int = 0


class Steps(Sampler[list[Index]]):
    """A batch sampler over an endless stream of indices.

    Every index comes once per cycle, or as often as its repeat factor says, rounded up or down. Batches are always
    full; a batch may contain the end of one cycle and the beginning of the next. Where the samples have different
    lengths, those of a batch have similar ones, so that less has to be padded; which samples share a batch still
    changes from cycle to cycle.

    Args:
        length: samples in the set.
        batch: samples per step.
        steps: steps per epoch.
        seed: seed of the order.
        mix_until: the step, counted from the beginning of the stage, from which samples are no longer mixed.
        lengths: the length of each sample; None where all are equal.
        side: returns the side of the images at a step; None if all steps have the model's size.
        repeats: how often each sample comes in a cycle on average, 1 or more; None if each comes once.
    """

    def __init__(
        self,
        length: int,
        batch: int,
        steps: int,
        seed: int,
        mix_until: int = 0,
        lengths: Sequence[int] | None = None,
        side: SideAt | None = None,
        repeats: Sequence[float] | None = None,
    ) -> None:
        self.samples = length
        self.length = length if repeats is None else round(sum(repeats))  # of a cycle
        self.batch, self.steps, self.seed, self.mix_until = batch, steps, seed, mix_until
        self.lengths, self.side, self.repeats = lengths, side, repeats
        self.start = 0
        self._order = lru_cache(maxsize=2)(self._permutation)  # most batches touch one or two cycles

    def __len__(self) -> int:
        return self.steps

    def at(self, step: int) -> list[Index]:
        """Return the indices of one step, counted from the beginning of the stage."""
        positions = range(step * self.batch, (step + 1) * self.batch)
        cycles = (divmod(position, self.length) for position in positions)
        side = None if self.side is None else self.side(step)
        numbers = ((cycle, *self._order(cycle)[offset]) for cycle, offset in cycles)
        return [Index(cycle, number, step < self.mix_until, side, copy) for cycle, number, copy in numbers]

    def _permutation(self, cycle: int) -> list[tuple[int, int]]:
        """Return the order of the samples in a cycle, each with the number of its copy."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, cycle))
        copies = self._copies(generator)
        order: list[int] = torch.randperm(self.length, generator=generator).tolist()
        if self.lengths is not None:
            lengths = [self.lengths[number] for number, _ in copies]
            order = self._by_length(order, cycle, lengths, generator)
        return [copies[index] for index in order]

    def _copies(self, generator: torch.Generator) -> list[tuple[int, int]]:
        """Return what a cycle is made of: samples, each with the number of its copy.

        A factor of 2.3 gives two copies, and three in 30 % of the cycles. By systematic sampling, all cycles have the
        same length: the factors are laid end to end, and each whole number, after a random shift, is a copy.
        """
        if self.repeats is None:
            return [(number, 0) for number in range(self.samples)]
        ends = torch.tensor(self.repeats, dtype=torch.float64).cumsum(0)  # [n]
        ends = ends * self.length / ends[-1].clone()
        shift = torch.rand((), generator=generator, dtype=torch.float64)
        whole = (ends + shift).floor().long()  # [n]
        whole[-1] = self.length  # exactly, whatever the rounding of the sum
        counts = whole.diff(prepend=whole.new_zeros(1))  # [n]
        return [(number, copy) for number, count in enumerate(counts.tolist()) for copy in range(count)]

    def _by_length(self, order: list[int], cycle: int, lengths: Sequence[int], generator: torch.Generator) -> list[int]:
        """Sort the samples of :data:`BUCKET` batches at a time by length, and shuffle the batches."""
        window = BUCKET * self.batch
        first = -cycle * self.length % self.batch  # samples that complete the last batch of the cycle before
        starts = range(first, len(order), window)
        rest = [index for start in starts for index in sorted(order[start : start + window], key=lengths.__getitem__)]
        batches = [rest[start : start + self.batch] for start in range(0, len(rest), self.batch)]
        full = [each for each in batches if len(each) == self.batch]
        shuffled = [full[index] for index in torch.randperm(len(full), generator=generator).tolist()]
        return [*order[:first], *(index for each in [*shuffled, *batches[len(full) :]] for index in each)]

    def __iter__(self) -> Iterator[list[Index]]:
        for step in range(self.start, (self.start // self.steps + 1) * self.steps):
            yield self.at(step)


class Decoded:
    """The decoded samples of a reader, before any transform."""

    def __init__(self, reader: Reader, modality: Modality) -> None:
        self.reader, self.modality = reader, modality

    def __call__(self, index: int) -> Sample:
        """Return the decoded sample with an index."""
        raw, target, meta = self.reader[index]
        decoded = self.modality.decode(raw)
        return Sample(decoded, target, self.modality.meta(meta.id, decoded))


class TrainSet(Samples):
    """The training samples after augmentation.

    All random choices, including those in mixed-in samples, are a function of ``(seed, cycle, number, copy)``, also
    where the size of the images changes from step to step.

    Args:
        read: returns the decoded sample with an index.
        length: number of samples.
        transform: the training transform.
        seed: seed of all random choices.
        peers: for each sample, the indices of those that may be mixed into it; all if None.
    """

    def __init__(
        self,
        read: Callable[[int], Sample],
        length: int,
        transform: TrainTransform,
        seed: int,
        peers: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.read, self.length, self.transform, self.seed, self.peers = read, length, transform, seed, peers

    def __getitem__(self, index: Index) -> Sample:
        cycle, number, mixing, side, copy = index
        transform = self.transform if side is None else self.transform.at(side)
        with fork_rng(self.seed, cycle, number, *([copy] if copy else [])):
            return transform(self.read(number), partial(self._partner, number) if mixing else None)

    def _partner(self, number: int) -> Sample:
        """Draw one of a sample's peers other than itself; the sample itself if it has no other peer."""
        peers = range(self.length) if self.peers is None else self.peers[number]
        # Drawn from all but the last peer; the last one takes the position of the sample itself.
        drawn = peers[int(torch.randint(max(1, len(peers) - 1), ()))]
        return self.read(peers[-1] if drawn == number else drawn)


class EvalSet(Samples):
    """The samples of val, test and predict; bitwise the same at every call."""

    def __init__(self, read: Callable[[int], Sample], length: int, transform: EvalTransform) -> None:
        self.read, self.length, self.transform = read, length, transform

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        return self.transform(self.read(index))


class StreamLoader(Loader):
    """A loader whose epochs start at ``position()``, in steps from the beginning of the stage.

    The iterator is a generator, so the position is read at the first ``next()``: Lightning asks for the iterator of a
    resumed epoch before it has restored its counters.
    """

    position: Callable[[], int]

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # as that of Loader
        sampler = self.batch_sampler
        assert isinstance(sampler, Steps)
        sampler.start = self.position()
        yield from super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: the trainer's counter is all. Lightning warns of loaders without this method."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: there is no state to restore."""


class Collate:
    """Makes batches of the samples of a task."""

    def __init__(self, kind: Kind | None, modality: Modality) -> None:
        self.kind, self.modality = kind, modality

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        """Return a batch of transformed samples; without a kind, it has no targets."""
        inputs, targets, meta = zip(*samples, strict=True)
        target = None if self.kind is None else self.kind.collate(targets)
        return Batch(self.modality.collate(inputs), target, list(meta))
