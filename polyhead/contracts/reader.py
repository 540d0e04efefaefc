"""The Reader contract: a data format on disk becomes samples.

A reader checks every annotation when it is built and keeps all faults in ``problems``;
:func:`polyhead.data.doctor.check` adds what only opening the pictures can tell. User data is never modified.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.errors import Problem
from polyhead.types import Annotation, Sample


class Reader(ABC):
    """A list of annotated pictures.

    Attributes:
        names: class names; the index is the label.
        categories: the data's own id of each class (COCO's category ids, a folder's name), to write back.
        problems: every fault found in the annotations. A reader with problems must not be trained on.
        skipped: problems that ``on_bad="skip"`` left out; counted and named in the run.
        left_out: number of pictures (and annotations of no picture) that ``skipped`` speaks of.
        on_bad: ``"stop"`` at a fault, or ``"skip"`` the picture.
        cap: the share of pictures that may be skipped.
        licence: what the data says of its licence, or an empty string.
        masked: whether the truth is a mask: ``names`` are the classes of its pixels, and the first is the background.
        digest: of whatever else the truth depends on that neither annotations nor files tell.
    """

    names: list[str]
    categories: list[int | str]
    problems: list[Problem]
    skipped: list[Problem]
    left_out: int = 0
    on_bad: str = "stop"
    cap: float = 0.1
    licence: str = ""
    masked: bool = False
    digest: str = ""

    @abstractmethod
    def __len__(self) -> int:
        """Number of pictures."""

    @abstractmethod
    def annotation(self, index: int) -> Annotation:
        """The truth of one picture in its own pixels, without decoding it."""

    # pylint: disable-next=unused-argument  # readers of masks use it
    def mask(self, index: int) -> tv.Mask | None:
        """The class of each pixel, uint8 ``[h, w]``, 255 = ignored; None where the data has none.

        Raises:
            FileFault: when the mask cannot be read, or is not of the picture's size.
        """
        return None

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """The decoded picture with its truth."""


class Wrapped(Reader, ABC):
    """A reader around another one, whose classes and faults it has."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.names, self.categories, self.licence = reader.names, reader.categories, reader.licence
        self.problems, self.skipped, self.left_out = reader.problems, reader.skipped, reader.left_out
        self.on_bad, self.cap = reader.on_bad, reader.cap
        self.masked, self.digest = reader.masked, reader.digest


class Subset(Wrapped):
    """Some pictures of a reader, in the order of ``indices``; all else is the reader's own."""

    def __init__(self, reader: Reader, indices: Sequence[int]) -> None:
        super().__init__(reader)
        self.indices = list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def annotation(self, index: int) -> Annotation:
        """The truth of one picture of the subset."""
        return self.reader.annotation(self.indices[index])

    def mask(self, index: int) -> tv.Mask | None:
        """The mask of one picture of the subset."""
        return self.reader.mask(self.indices[index])

    def __getitem__(self, index: int) -> Sample:
        """The decoded picture, as the reader itself gives it."""
        return self.reader[self.indices[index]]


def sample(annotation: Annotation, picture: Tensor, mask: tv.Mask | None = None) -> Sample:
    """A picture (uint8 ``[3, h, w]``) and its annotation as one sample."""
    height, width = annotation.size
    canvas = (height, width)
    return Sample(
        input=tv.Image(picture),
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
