"""Every reader fulfills the contract; new readers are found and tested automatically."""

import pickle
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.cifar10_files import write_cifar10
from builders.subclasses import concrete_subclasses
from torch import Tensor

from polyhead import data
from polyhead.contracts.reader import Reader, Subset
from polyhead.data.loading.cache import Cached
from polyhead.data.readers.cifar10 import Cifar10
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.exemplars import ExemplarReader, save_exemplars
from polyhead.data.readers.in_memory import InMemoryReader
from polyhead.data.readers.mask_files import MaskReader
from polyhead.data.readers.merge import Merge
from polyhead.data.readers.recognize import READERS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.types import IGNORED, Annotation

Tiny = Callable[[str], Path]
FORMATS = {reader: kind for kind, reader in READERS.items()}
SHARED: list[type[Reader]] = [InMemoryReader, MaskReader]
"""Base classes that are not a reader of their own."""


def cached(tiny: Tiny) -> Reader:
    reader = Coco(tiny("coco"))
    return Cached(reader, [reader.annotation(index).path for index in range(len(reader))], 2**20)


def exemplars(tiny: Tiny) -> Reader:
    root = tiny("coco_masks")
    save_exemplars(READERS["coco_masks"](root), [2, 0], root / "stored")
    return ExemplarReader(root / "stored")


MADE: dict[type[Reader], Callable[[Tiny], Reader]] = {
    Cached: cached,
    Cifar10: lambda tiny: Cifar10(write_cifar10(tiny("folder"))),
    ExemplarReader: exemplars,
    Merge: lambda tiny: Merge({"pets": Coco(tiny("coco")), "drawn": Scenes(2, size=48)}),
    Scenes: lambda _: Scenes(3, size=48),
    Subset: lambda tiny: Subset(Coco(tiny("coco")), [2, 0]),
}
"""How readers are built that are not a data format."""

FOUND = [reader for reader in concrete_subclasses(Reader, data) if reader not in SHARED]  # type: ignore[type-abstract]  # its subclasses are searched


def check_reader(reader: Reader) -> None:
    """Check what every reader of valid data guarantees."""
    assert reader.problems == []
    assert len(reader.names) == len(set(reader.names)) == len(reader.categories) > 0
    targets = [reader.annotation(index) for index in range(len(reader))]
    assert len({target.id for target in targets}) == len(targets) > 0, "ids are not unique"
    copy: Reader = pickle.loads(bytes(ForkingPickler.dumps(reader)))  # as spawned workers receive it
    assert same(reader.annotation(-1).boxes, targets[-1].boxes)
    with pytest.raises(IndexError):
        reader.annotation(len(reader))
    for index, target in enumerate(targets):
        check_target(target, len(reader.names))
        sample, mask = reader[index], reader.mask(index)
        assert sample.id == target.id
        assert sample.size == target.size == tuple(sample.input.shape[1:])
        assert sample.input.dtype == torch.uint8
        assert sample.frame.tolist() == [[0, 0], [target.size[1], 0], [0, target.size[0]]]
        assert same(sample.boxes.as_subclass(Tensor), target.boxes), "a sample is not its annotation"
        assert same(sample.labels, target.labels)
        assert (mask is not None) >= reader.has_masks, "a reader of masks has no mask"
        if mask is not None:
            classes = set(mask.unique().tolist()) - {IGNORED}
            assert mask.shape == target.size
            assert mask.dtype == torch.uint8
            assert max(classes, default=0) <= len(reader.names), "a class of the mask has no name"
        for other in (reader[index], copy[index]):
            assert all(same(one, two) for one, two in zip(sample, other, strict=True)), (
                "a second read gives another sample"
            )


def check_target(target: Annotation, classes: int) -> None:
    """Check that boxes are inside the image, labels have names, and all fields have one row per object."""
    count, (height, width) = target.boxes.shape[0], target.size
    assert target.boxes.shape == (count, 4)
    assert target.labels.shape == target.ignore.shape == target.areas.shape == (count,)
    assert target.annotated.shape == (classes,)
    assert ((target.labels >= 0) & (target.labels < classes)).all(), "a label has no name"
    assert target.annotated[target.labels].all(), "an object has a class that was not annotated"
    assert (target.boxes[:, :2] >= 0).all()
    assert (target.boxes[:, 2:] > target.boxes[:, :2]).all(), "a box without area"
    assert (target.boxes[:, 2:] <= torch.tensor([width, height])).all(), "a box leaves its image"


def same(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if isinstance(one, Tensor) else one == other


def test_every_reader_is_found() -> None:
    assert {*READERS.values(), *MADE} <= set(FOUND)


@pytest.mark.parametrize("reader", FOUND)
def test_reader(reader: type[Reader], tiny: Tiny) -> None:
    check_reader(MADE[reader](tiny) if reader in MADE else READERS[FORMATS[reader]](tiny(FORMATS[reader])))


class UnknownLabels(Subset):
    """A broken reader: its labels have no names."""

    def annotation(self, index: int) -> Annotation:
        target = super().annotation(index)
        return target._replace(labels=target.labels + len(self.names))


class EqualIds(Subset):
    """A broken reader: all its images have the same id."""

    def annotation(self, index: int) -> Annotation:
        return super().annotation(index)._replace(id="again")


class NotAnnotated(Subset):
    """A broken reader: its objects have classes that were not annotated."""

    def annotation(self, index: int) -> Annotation:
        target = super().annotation(index)
        return target._replace(annotated=torch.zeros_like(target.annotated))


class LargeBoxes(Subset):
    """A broken reader: its boxes are larger than its images."""

    def annotation(self, index: int) -> Annotation:
        target = super().annotation(index)
        return target._replace(boxes=target.boxes * 5)


class OtherSamples(Subset):
    """A broken reader: its annotations differ from its samples."""

    def annotation(self, index: int) -> Annotation:
        target = super().annotation(index)
        return target._replace(boxes=target.boxes / 2)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (UnknownLabels, "a label has no name"),
        (EqualIds, "ids are not unique"),
        (NotAnnotated, "an object has a class that was not annotated"),
        (LargeBoxes, "a box leaves its image"),
        (OtherSamples, "a sample is not its annotation"),
    ],
)
def test_a_broken_reader_is_found(broken: Callable[[Reader, list[int]], Reader], message: str, tiny: Tiny) -> None:
    with pytest.raises(AssertionError, match=message):
        check_reader(broken(Coco(tiny("coco")), [0, 1, 2]))
