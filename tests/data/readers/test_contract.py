"""Every reader fulfills the contract; new readers are found and tested automatically."""

import pickle
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.colored_images import same
from builders.fitted_images import image_modality
from builders.subclasses import concrete_subclasses

from polyhead import data
from polyhead.contracts.reader import Reader, Subset
from polyhead.data.formats.recognize import FORMATS
from polyhead.data.geometry.plane import ImageMeta
from polyhead.data.loading.streams import Decoded
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.dataset import DatasetReader
from polyhead.data.readers.exemplars import ExemplarReader, save_exemplars
from polyhead.data.readers.in_memory import InMemoryReader
from polyhead.data.readers.mask_files import MaskReader
from polyhead.data.readers.matched import Matched
from polyhead.data.readers.merge import Merge
from polyhead.data.synthetic.scenes import Scenes
from polyhead.kinds import kind_of
from polyhead.kinds.classification import Classification
from polyhead.kinds.segmentation import Segmentation
from polyhead.modalities import modality_of
from polyhead.types import IGNORED, Boxes, ClassLabel, Entry, Mask, Sample, Size

Tiny = Callable[[str], Path]
NAMES = {each.reader: name for name, each in FORMATS.items()}
SHARED: list[type[Reader]] = [InMemoryReader, MaskReader]
"""Base classes that are not a reader of their own."""


def exemplars(tiny: Tiny) -> Reader:
    root = tiny("coco_masks")
    kind, modality = Segmentation(), image_modality()
    save_exemplars(FORMATS["coco_masks"].reader(root), [2, 0], root / "stored", kind, modality)
    stored = ExemplarReader(root / "stored")
    stored.bind(kind, modality)
    return stored


def dataset() -> Reader:
    images = torch.randint(0, 256, (3, 3, 9, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return DatasetReader([*zip(images, [1, 0, 1], strict=True)], ["cat", "dog"], Classification(), modality_of("image"))


MADE: dict[type[Reader], Callable[[Tiny], Reader]] = {
    DatasetReader: lambda _: dataset(),
    ExemplarReader: exemplars,
    Matched: lambda tiny: Matched(Coco(tiny("coco")), ["Dog", "bird"], kind_of("detection")),
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
    entries = [reader.entry(index) for index in range(len(reader))]
    assert len({entry.id for entry in entries}) == len(entries) > 0, "ids are not unique"
    for name, part in reader.parts.items():
        own = {f"{name}/{part.entry(index).id}" for index in range(len(part))}
        assert own <= {entry.id for entry in entries}, "a sample of a part has another id"
    copy: Reader = pickle.loads(bytes(ForkingPickler.dumps(reader)))  # as spawned workers receive it
    for read in (reader.entry, reader.target, reader.raw):
        assert same(read(-1), read(len(reader) - 1))
        with pytest.raises(IndexError):
            read(len(reader))
    kind, read_sample = kind_of(reader.kind), Decoded(reader, modality_of(reader.modality))
    for index, entry in enumerate(entries):
        check_entry(entry)
        assert reader.verify(index) is None
        assert reader.content(index) == copy.content(index)
        target, sample, image = reader.target(index), reader[index], read_sample(index)
        assert isinstance(target, kind.target), "a target is not of the reader's kind"
        assert sample.meta.id == entry.id
        assert same(sample.target, target), "a sample does not have the target of its index"
        assert same(sample.input, reader.raw(index))
        assert isinstance(image.meta, ImageMeta)
        assert image.input.dtype == torch.uint8
        assert image.input.shape == (3, *image.meta.size)
        check_target(target, image.meta.size, len(reader.names), background=reader.background)
        for other in (reader[index], copy[index]):
            assert same(sample, other), "a second read gives another sample"


def check_entry(entry: Entry) -> None:
    """Check that all files exist, and that the size is known where there are none."""
    assert all(Path(file).is_file() for file in entry.files), "a file does not exist"
    assert entry.files or entry.bytes > 0, "the size of a sample without files is not known"


def check_target(target: Any, size: Size, classes: int, *, background: bool) -> None:
    """Check a target of one of our kinds, for an image of ``size``."""
    assert background == isinstance(target, Mask)
    if isinstance(target, Boxes):
        check_boxes(target, size, classes)
    elif isinstance(target, Mask):
        assert target.classes.shape == size
        assert target.classes.dtype == torch.uint8
        known = set(target.classes.flatten().tolist()) - {IGNORED}
        assert max(known, default=0) < classes, "a class of the mask has no name"
    else:
        assert isinstance(target, ClassLabel)
        assert (target.label.dtype, target.label.shape) == (torch.int64, ())
        assert 0 <= target.label < classes, "a label has no name"


def check_boxes(target: Boxes, size: Size, classes: int) -> None:
    """Check that boxes are inside the image, labels have names, and all fields have one row per object."""
    count, (height, width) = target.boxes.shape[0], size
    assert target.size == size
    assert target.boxes.shape == (count, 4)
    assert target.labels.shape == target.ignore.shape == target.areas.shape == (count,)
    assert target.annotated.shape == (classes,)
    assert ((target.labels >= 0) & (target.labels < classes)).all(), "a label has no name"
    assert target.annotated[target.labels].all(), "an object has a class that was not annotated"
    assert (target.boxes[:, :2] >= 0).all()
    assert (target.boxes[:, 2:] > target.boxes[:, :2]).all(), "a box without area"
    assert (target.boxes[:, 2:] <= torch.tensor([width, height])).all(), "a box leaves its image"


def test_every_reader_is_found() -> None:
    assert {*NAMES, *MADE} <= set(FOUND)


@pytest.mark.parametrize("reader", FOUND)
def test_reader(reader: type[Reader], tiny: Tiny) -> None:
    check_reader(MADE[reader](tiny) if reader in MADE else FORMATS[NAMES[reader]].reader(tiny(NAMES[reader])))


@pytest.mark.parametrize("target", ["masks", "times"])
def test_scenes_with_other_targets(target: Any) -> None:
    check_reader(Scenes(3, size=48, target=target))


@pytest.mark.parametrize("kind", ["folder", "png_masks"])
def test_merged_data_of_other_kinds(kind: str, tiny: Tiny) -> None:
    reader = FORMATS[kind].reader(tiny(kind))
    check_reader(Merge({"one": reader, "other": reader}))


def test_readers_of_exemplars_say_so_and_so_do_those_that_contain_only_them(tiny: Tiny, tmp_path: Path) -> None:
    data_set = FORMATS["coco_masks"].reader(tiny("coco_masks"))
    save_exemplars(data_set, [2, 0], tmp_path / "stored", kind_of("segmentation"), image_modality())
    stored = ExemplarReader(tmp_path / "stored")
    for reader, expected in ((stored, True), (data_set, False)):
        assert reader.stored == Subset(reader, [0]).stored == expected
        assert Merge({"one": reader, "other": stored}).stored == expected


class UnknownLabels(Subset):
    """A broken reader: its labels have no names."""

    def target(self, index: int) -> Boxes:
        target: Boxes = super().target(index)
        return target._replace(labels=target.labels + len(self.names))


class EqualIds(Subset):
    """A broken reader: all its images have the same id."""

    def entry(self, index: int) -> Entry:
        return super().entry(index)._replace(id="again")


class NotAnnotated(Subset):
    """A broken reader: its objects have classes that were not annotated."""

    def target(self, index: int) -> Boxes:
        target: Boxes = super().target(index)
        return target._replace(annotated=torch.zeros_like(target.annotated))


class LargeBoxes(Subset):
    """A broken reader: its boxes are larger than its images."""

    def target(self, index: int) -> Boxes:
        target: Boxes = super().target(index)
        return target._replace(boxes=target.boxes * 5)


class OtherSamples(Subset):
    """A broken reader: its samples do not have its targets."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        return sample._replace(target=sample.target._replace(boxes=sample.target.boxes / 2))


class OtherKind(Subset):
    """A broken reader: its targets are not of its kind."""

    def target(self, index: int) -> ClassLabel:
        return ClassLabel(torch.tensor(len(super().target(index).labels)))


class OtherFiles(Subset):
    """A broken reader: its files do not exist."""

    def entry(self, index: int) -> Entry:
        entry = super().entry(index)
        return entry._replace(files=(f"{entry.path}.bak",))


class OtherParts(Subset):
    """A broken reader: it has parts whose samples it lacks."""

    def __init__(self, reader: Reader, indices: list[int]) -> None:
        super().__init__(reader, indices)
        self.parts = {"drawn": Scenes(2, size=48)}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (UnknownLabels, "a label has no name"),
        (EqualIds, "ids are not unique"),
        (NotAnnotated, "an object has a class that was not annotated"),
        (LargeBoxes, "a box leaves its image"),
        (OtherSamples, "a sample does not have the target of its index"),
        (OtherKind, "a target is not of the reader's kind"),
        (OtherFiles, "a file does not exist"),
        (OtherParts, "a sample of a part has another id"),
    ],
)
def test_a_broken_reader_is_found(broken: Callable[[Reader, list[int]], Reader], message: str, tiny: Tiny) -> None:
    with pytest.raises(AssertionError, match=message):
        check_reader(broken(Coco(tiny("coco")), [0, 1, 2]))
