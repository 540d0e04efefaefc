"""Every modality fulfills its contract; new ones are found and must be given inputs here."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.subclasses import concrete_subclasses
from PIL import Image as Pillow
from torch import Tensor

from polyhead import modalities
from polyhead.contracts.modality import EvalTransform, Modality, Source
from polyhead.errors import PolyheadError
from polyhead.modalities import MODALITIES, modality_of
from polyhead.modalities.image import Image
from polyhead.modalities.tensor import Tensors
from polyhead.types import ClassLabel, InputSpec, Sample, Size

ALL = concrete_subclasses(Modality, modalities)  # type: ignore[type-abstract]  # its subclasses are listed


def raws_of(modality: Modality) -> list[Any]:
    """Return a few raw inputs, one of them twice."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(modality, Image):
        return [torch.randint(0, 256, (3, 20, 30 + side), dtype=torch.uint8, generator=generator) for side in range(4)]
    return [torch.randn(2, 5, generator=generator) for _ in range(4)]


def fitted(modality: Modality) -> Modality:
    """Return the modality after it was fitted on its raw inputs."""
    modality.fit(raws_of(modality), (24, 24), "plain")
    return modality


def same(one: Any, other: Any) -> bool:
    """Return whether two inputs, tensors or dictionaries of tensors, are equal."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)


def sample_of(modality: Modality, raw: Any) -> Sample:
    decoded = modality.decode(raw)
    return Sample(decoded, ClassLabel(torch.tensor(1)), modality.meta("a", decoded))


def check_state(make: Callable[[], Modality]) -> None:
    """Check that the state is plain, is the same after every fit, and that another instance predicts with it."""
    modality, other = fitted(make()), make()
    state = modality.state()
    assert fitted(make()).state() == state, "fit is not deterministic"
    other.restore(json.loads(json.dumps(state)))
    assert other.state() == state, "the state is not restored"
    assert other.spec() == modality.spec(), "the restored spec differs"
    assert modality.spec().key == modality.key
    for raw in raws_of(modality):
        one, again = (each.eval(sample_of(each, raw)).input for each in (modality, other))
        assert same(one, again), "the restored modality transforms in another way"


def check_transforms(make: Callable[[], Modality]) -> None:
    """Check that evaluation is never random, and that training depends on torch's seeded generator alone."""
    modality = fitted(make())
    for raw in raws_of(modality):
        before = raw.clone()
        inputs = []
        for seed in (1, 2, 1):
            torch.manual_seed(seed)
            evaluated = modality.eval(sample_of(modality, raw))
            random = torch.rand(())
            trained = modality.train(sample_of(modality, raw))
            inputs.append((evaluated.input, random, trained.input))
            assert evaluated.meta.id == trained.meta.id == "a", "a sample lost its id"
        assert same(inputs[0][0], inputs[1][0]), "evaluation is random"
        torch.manual_seed(2)
        assert torch.equal(torch.rand(()), inputs[1][1]), "evaluation draws random numbers"
        assert same(inputs[0][2], inputs[2][2]), "training does not follow the seed"
        assert same(raw, before), "the raw input was modified"


def check_sizes(make: Callable[[], Modality]) -> None:
    """Check that training inputs of a canvas have the size of their step, with the same random choices."""
    modality = fitted(make())
    size = modality.spec().size
    for raw in raws_of(modality):
        sample = sample_of(modality, raw)
        states = []
        for side in (None, 16, 40):
            torch.manual_seed(1)
            transformed = (modality.train if side is None else modality.train.at(side))(sample)
            states.append(torch.get_rng_state())
            expected = size if side is None else (side, side)
            if size is not None:
                assert tuple(transformed.input.shape[-2:]) == expected, "the size of the step is ignored"
        assert all(torch.equal(state, states[0]) for state in states), "other random numbers are drawn"


def check_batches(make: Callable[[], Modality]) -> None:
    """Check that a batch has a row for each input, which is the input alone."""
    modality = fitted(make())
    inputs = [modality.eval(sample_of(modality, raw)).input for raw in raws_of(modality)]
    batch = modality.collate(inputs)
    for each in batch.values() if isinstance(batch, dict) else [batch]:
        assert each.shape[0] == len(inputs), "the batch has another number of rows"
    for index, one in enumerate(inputs):
        row, alone = (batch, modality.collate([one]))
        if isinstance(row, Tensor) and isinstance(alone, Tensor):
            assert same(row[index], alone[0]), "a row is not the input"
    lengths = modality.lengths(iter(raws_of(modality)))
    assert lengths is None or len(lengths) == len(inputs), "an input has no length"
    for raw in raws_of(modality):
        size = modality.cached_bytes(modality.decode(raw))
        assert size is None or size > 0, "the bytes of an input are not above 0"


def check_storage(make: Callable[[], Modality], folder: Path) -> None:
    """Check that raw inputs are stored in files that are named, and come back."""
    modality = fitted(make())
    for number, raw in enumerate(raws_of(modality)):
        entry = json.loads(json.dumps(modality.save(raw, folder, f"{number:02d}")))
        written = {path.name for path in folder.glob("*") if path.name.startswith(f"{number:02d}")}
        assert written == set(entry["files"]), "the files are not those of the entry"
        assert same(modality.decode(modality.load(entry, folder)), modality.decode(raw)), "another input came back"


def check_sources(make: Callable[[], Modality]) -> None:
    """Check that predict takes single inputs and lists, and that drawings are images."""
    modality = fitted(make())
    raws = raws_of(modality)
    found = list(modality.sources(raws))
    assert len(found) == len(raws), "an input was lost"
    assert len({source.name for source in found}) == len(raws), "two inputs have the same name"
    for raw, source in zip(raws, found, strict=True):
        assert same(modality.decode(source.raw), modality.decode(raw)), "another input is predicted"
        (single,) = modality.sources(raw)
        assert same(modality.decode(single.raw), modality.decode(raw)), "another input is predicted"
        drawn = modality.draw(modality.decode(raw))
        assert drawn is None or isinstance(drawn, Pillow.Image), "a drawing is no image"
    with pytest.raises(PolyheadError):
        list(modality.sources({"no": "input"}))


def check(make: Callable[[], Modality], folder: Path) -> None:
    """Check everything that holds for every modality."""
    check_state(make)
    check_transforms(make)
    check_sizes(make)
    check_batches(make)
    check_storage(make, folder)
    check_sources(make)


def test_every_modality_has_a_short_name() -> None:
    assert sorted((type(modality_of(name)) for name in MODALITIES), key=lambda part: part.__name__) == ALL


@pytest.mark.parametrize("part", ALL)
def test_every_modality_meets_the_contract(part: type[Modality], tmp_path: Path) -> None:
    check(part, tmp_path)


class RandomEval(EvalTransform):
    def __call__(self, sample: Sample) -> Sample:
        return sample._replace(input=sample.input + torch.rand(()))


class Shifts(EvalTransform):
    """Adds what the last fit has seen."""

    def __init__(self, shift: float) -> None:
        self.shift = shift

    def __call__(self, sample: Sample) -> Sample:
        return sample._replace(input=sample.input + self.shift)


class Random(Tensors):
    """Evaluates at random."""

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.eval = RandomEval()


class Unseeded(Tensors):
    """Has another state after each fit."""

    fits = 0

    def state(self) -> dict[str, Any]:
        return {**super().state(), "fits": self.fits}

    def fit(
        self, inputs: Iterable[Any], size: Size | None, transforms: Any, earlier: Mapping[str, Any] | None = None
    ) -> None:
        super().fit(inputs, size, transforms, earlier)
        Unseeded.fits += 1


class Forgetful(Tensors):
    """Fits a transform that is not in its state."""

    def fit(
        self, inputs: Iterable[Any], size: Size | None, transforms: Any, earlier: Mapping[str, Any] | None = None
    ) -> None:
        super().fit(inputs, size, transforms, earlier)
        self.eval = Shifts(1.0)


class OtherSpec(Tensors):
    """Tells a backbone the key of another modality."""

    def spec(self) -> InputSpec:
        return InputSpec("image", info=self.state())


class OneSize(Tensors):
    """Has inputs of a size, which no step can change."""

    def spec(self) -> InputSpec:
        return InputSpec("tensor", size=(2, 5))


class InPlace(Tensors):
    """Changes the raw input."""

    def decode(self, raw: Any) -> Tensor:
        return super().decode(raw).mul_(2)


class Anonymous(Tensors):
    """Loses the id of a sample."""

    def meta(self, sample_id: str, decoded: Any) -> Any:
        return super().meta("", decoded)


class Mixed(Tensors):
    """Gives every row of a batch the mean of the batch."""

    def collate(self, inputs: Sequence[Tensor]) -> Tensor:
        batch = super().collate(inputs)
        return batch - batch.mean(dim=0)


class Shorter(Tensors):
    """Drops an input of a batch."""

    def collate(self, inputs: Sequence[Tensor]) -> Tensor:
        return super().collate(inputs)[: max(1, len(inputs) - 1)]


class FirstLength(Tensors):
    """Returns the length of the first input alone."""

    def lengths(self, inputs: Iterable[Any]) -> Sequence[int] | None:
        return [len(next(iter(inputs)))]


class Unnamed(Tensors):
    """Does not name the file that it writes."""

    def save(self, raw: Any, folder: Path, name: str) -> dict[str, Any]:
        return {**super().save(raw, folder, name), "files": []}


class Lossy(Tensors):
    """Stores rounded numbers."""

    def save(self, raw: Any, folder: Path, name: str) -> dict[str, Any]:
        return super().save(torch.round(raw), folder, name)


class First(Tensors):
    """Predicts only the first of several inputs."""

    def sources(self, source: Any) -> Iterator[Source]:
        yield from list(super().sources(source))[:1]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Unseeded, "fit is not deterministic"),
        (Forgetful, "transforms in another way"),
        (OneSize, "the size of the step is ignored"),
        (OtherSpec, "assert 'image' == 'tensor'"),
        (Random, "transforms in another way"),
        (InPlace, "the raw input was modified"),
        (Anonymous, "a sample lost its id"),
        (Mixed, "a row is not the input"),
        (Shorter, "the batch has another number of rows"),
        (FirstLength, "an input has no length"),
        (Unnamed, "the files are not those of the entry"),
        (Lossy, "another input came back"),
        (First, "an input was lost"),
    ],
)
def test_a_broken_modality_is_found(broken: type[Modality], message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        check(broken, tmp_path)
