"""The contract of a reader: it turns a data format on disk into samples.

A reader checks all annotations when it is built and collects every fault in ``problems``.
:func:`polyhead.data.doctor.check` adds the faults that are only found by opening the images. Readers never modify the
user's data.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.errors import Problem
from polyhead.types import Annotation, Sample


class Reader(ABC):
    """A sequence of annotated images.

    Attributes:
        names: class names; the index of a name is the label.
        categories: the data's own id of each class (COCO's category ids, names of folders), for writing results back.
        problems: all faults found in the annotations. A reader with problems must not be used for training.
        skipped: problems whose images ``on_bad="skip"`` left out; they are counted and listed in the run.
        left_out: number of images (and of annotations without an image) that ``skipped`` refers to.
        on_bad: ``"stop"`` at a fault, or ``"skip"`` the image.
        cap: maximum fraction of the images that may be skipped.
        license: the license as stated by the data, or an empty string.
        has_masks: whether the target is a mask. Then ``names`` are the classes of its pixels, background first.
        digest: a digest of everything that affects the targets and is visible neither in the annotations nor in files.
    """

    names: list[str]
    categories: list[int | str]
    problems: list[Problem]
    skipped: list[Problem]
    left_out: int = 0
    on_bad: str = "stop"
    cap: float = 0.1
    license: str = ""
    has_masks: bool = False
    digest: str = ""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def annotation(self, index: int) -> Annotation:
        """Return the annotation of an image in pixels of the original image, without decoding the image."""

    # pylint: disable-next=unused-argument  # readers of masks use it
    def mask(self, index: int) -> tv.Mask | None:
        """Return the class of each pixel, uint8 ``[h, w]``, 255 = ignored; None for data without masks.

        Raises:
            InvalidFileError: if the mask cannot be read or its size differs from the image's.
        """
        return None

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Return the decoded image with its annotation."""


class Wrapped(Reader, ABC):
    """A base class for readers that wrap another reader and take over its classes and problems."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.names, self.categories, self.license = reader.names, reader.categories, reader.license
        self.problems, self.skipped, self.left_out = reader.problems, reader.skipped, reader.left_out
        self.on_bad, self.cap = reader.on_bad, reader.cap
        self.has_masks, self.digest = reader.has_masks, reader.digest


class Subset(Wrapped):
    """A reader for some images of another reader, in the order of ``indices``."""

    def __init__(self, reader: Reader, indices: Sequence[int]) -> None:
        super().__init__(reader)
        self.indices = list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def annotation(self, index: int) -> Annotation:
        """Return the annotation of an image of the subset."""
        return self.reader.annotation(self.indices[index])

    def mask(self, index: int) -> tv.Mask | None:
        """Return the mask of an image of the subset."""
        return self.reader.mask(self.indices[index])

    def __getitem__(self, index: int) -> Sample:
        """Return the decoded image as the wrapped reader returns it."""
        return self.reader[self.indices[index]]


def sample(annotation: Annotation, image: Tensor, mask: tv.Mask | None = None) -> Sample:
    """Build a sample from an image (uint8 ``[3, h, w]``), its annotation and, if there is one, its mask."""
    height, width = annotation.size
    canvas = (height, width)
    return Sample(
        input=tv.Image(image),
        boxes=tv.BoundingBoxes(annotation.boxes, format="XYXY", canvas_size=canvas),
        labels=annotation.labels,
        ignore=annotation.ignore,
        annotated=annotation.annotated,
        frame=tv.KeyPoints(torch.tensor([[0.0, 0.0], [width, 0.0], [0.0, height]]), canvas_size=canvas),
        id=annotation.id,
        size=canvas,
        mask=mask,
        value=annotation.value,
    )
