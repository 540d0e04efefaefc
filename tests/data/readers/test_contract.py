"""Every reader keeps the contract; a new one is tested by existing."""

import pickle
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.cifar10_files import write_cifar10
from builders.subclasses import finished
from torch import Tensor

from polyhead import data
from polyhead.contracts.reader import Reader, Subset
from polyhead.data.loading.cache import Cached
from polyhead.data.readers.cifar10 import Cifar10
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.exemplars import Kept, keep
from polyhead.data.readers.in_memory import Listed
from polyhead.data.readers.mask_files import Masked
from polyhead.data.readers.merge import Merge
from polyhead.data.readers.recognize import READERS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.types import IGNORED, Annotation

Tiny = Callable[[str], Path]
FORMATS = {reader: kind for kind, reader in READERS.items()}
SHARED: list[type[Reader]] = [Listed, Masked]
"""What formats have in common; a reader is one of their subclasses."""


def cached(tiny: Tiny) -> Reader:
    reader = Coco(tiny("coco"))
    return Cached(reader, [reader.annotation(index).path for index in range(len(reader))], 2**20)


def kept(tiny: Tiny) -> Reader:
    root = tiny("coco_masks")
    keep(READERS["coco_masks"](root), [2, 0], root / "kept")
    return Kept(root / "kept")


MADE: dict[type[Reader], Callable[[Tiny], Reader]] = {
    Cached: cached,
    Cifar10: lambda tiny: Cifar10(write_cifar10(tiny("folder"))),
    Kept: kept,
    Merge: lambda tiny: Merge({"pets": Coco(tiny("coco")), "drawn": Scenes(2, size=48)}),
    Scenes: lambda _: Scenes(3, size=48),
    Subset: lambda tiny: Subset(Coco(tiny("coco")), [2, 0]),
}
"""How readers are built that are no format of their own."""

FOUND = [reader for reader in finished(Reader, data) if reader not in SHARED]  # type: ignore[type-abstract]  # subclasses are asked for


def check_reader(reader: Reader) -> None:
    """What every reader of sound data promises."""
    assert reader.problems == []
    assert len(reader.names) == len(set(reader.names)) == len(reader.categories) > 0
    truths = [reader.annotation(index) for index in range(len(reader))]
    assert len({truth.id for truth in truths}) == len(truths) > 0, "ids are not unique"
    twin: Reader = pickle.loads(bytes(ForkingPickler.dumps(reader)))  # as spawned workers get it
    assert same(reader.annotation(-1).boxes, truths[-1].boxes)
    with pytest.raises(IndexError):
        reader.annotation(len(reader))
    for index, truth in enumerate(truths):
        check_truth(truth, len(reader.names))
        sample, mask = reader[index], reader.mask(index)
        assert sample.id == truth.id
        assert sample.size == truth.size == tuple(sample.input.shape[1:])
        assert sample.input.dtype == torch.uint8
        assert sample.frame.tolist() == [[0, 0], [truth.size[1], 0], [0, truth.size[0]]]
        assert same(sample.boxes.as_subclass(Tensor), truth.boxes), "a sample is not its annotation"
        assert same(sample.labels, truth.labels)
        assert (mask is not None) >= reader.masked, "no mask, where the truth is one"
        if mask is not None:
            classes = set(mask.unique().tolist()) - {IGNORED}
            assert mask.shape == truth.size
            assert mask.dtype == torch.uint8
            assert max(classes, default=0) <= len(reader.names), "a class of the mask has no name"
        for other in (reader[index], twin[index]):
            assert all(same(one, two) for one, two in zip(sample, other, strict=True)), "read twice, it differs"


def check_truth(truth: Annotation, classes: int) -> None:
    """Boxes inside the picture, classes that have names, one row of everything for each object."""
    count, (height, width) = truth.boxes.shape[0], truth.size
    assert truth.boxes.shape == (count, 4)
    assert truth.labels.shape == truth.ignore.shape == truth.areas.shape == (count,)
    assert truth.annotated.shape == (classes,)
    assert ((truth.labels >= 0) & (truth.labels < classes)).all(), "a label has no name"
    assert truth.annotated[truth.labels].all(), "an object of a class that was not looked for"
    assert (truth.boxes[:, :2] >= 0).all()
    assert (truth.boxes[:, 2:] > truth.boxes[:, :2]).all(), "a box without area"
    assert (truth.boxes[:, 2:] <= torch.tensor([width, height])).all(), "a box leaves its picture"


def same(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if isinstance(one, Tensor) else one == other


def test_no_reader_is_overlooked() -> None:
    assert {*READERS.values(), *MADE} <= set(FOUND)


@pytest.mark.parametrize("reader", FOUND)
def test_reader(reader: type[Reader], tiny: Tiny) -> None:
    check_reader(MADE[reader](tiny) if reader in MADE else READERS[FORMATS[reader]](tiny(FORMATS[reader])))


class Nameless(Subset):
    """Its labels go beyond its names."""

    def annotation(self, index: int) -> Annotation:
        truth = super().annotation(index)
        return truth._replace(labels=truth.labels + len(self.names))


class Twice(Subset):
    """All its pictures have one name."""

    def annotation(self, index: int) -> Annotation:
        return super().annotation(index)._replace(id="again")


class Doubtful(Subset):
    """Its objects are of classes that nobody looked for."""

    def annotation(self, index: int) -> Annotation:
        truth = super().annotation(index)
        return truth._replace(annotated=torch.zeros_like(truth.annotated))


class Wide(Subset):
    """Its boxes are larger than its pictures."""

    def annotation(self, index: int) -> Annotation:
        truth = super().annotation(index)
        return truth._replace(boxes=truth.boxes * 5)


class Apart(Subset):
    """What it shows is not what it tells."""

    def annotation(self, index: int) -> Annotation:
        truth = super().annotation(index)
        return truth._replace(boxes=truth.boxes / 2)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Nameless, "a label has no name"),
        (Twice, "ids are not unique"),
        (Doubtful, "an object of a class that was not looked for"),
        (Wide, "a box leaves its picture"),
        (Apart, "a sample is not its annotation"),
    ],
)
def test_a_broken_reader_is_found(broken: Callable[[Reader, list[int]], Reader], message: str, tiny: Tiny) -> None:
    with pytest.raises(AssertionError, match=message):
        check_reader(broken(Coco(tiny("coco")), [0, 1, 2]))
