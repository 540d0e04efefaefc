"""The base class of readers that hold all annotations in memory.

The annotations are stored in a few flat arrays. A reader of 100,000 images is therefore sent to a worker process
quickly, and forked processes share its memory.
"""

from itertools import accumulate
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyhead.data.io.images import ImageFile
from polyhead.data.readers.image_file import ImageFileReader
from polyhead.errors import PolyheadError, Problem
from polyhead.types import Boxes, Entry, Size

Box = tuple[float, float, float, float]

MARGIN = 1.0
"""Pixels by which a box may leave its image: rounding, and tools that count from 0 or from 1."""
MIN_SIDE = 0.01
"""Pixels; a box with a shorter side has no area (in float32 it may have none left)."""


class Record:
    """One image with its objects, while a reader collects them.

    Attributes:
        id: unique name of the image.
        path: the image file.
        size: height and width of the upright image.
        value: its class, for classification.
        mask: the mask file, or an empty string.
        boxes: one xyxy box in pixels for each object.
        labels: the class of each object.
        ignore: whether the object is ignored in matching and scoring.
        areas: the area of each object in pixels.
    """

    def __init__(self, name: str, path: Path, size: Size, value: int | None = None) -> None:
        self.id = name
        self.path = str(path)
        self.size = size
        self.value = value
        self.mask = ""
        self.boxes: list[Box] = []
        self.labels: list[int] = []
        self.ignore: list[bool] = []
        self.areas: list[float] = []

    def add(self, box: Box, label: int, ignore: bool = False, area: float | None = None) -> None:
        """Add an object; clip its box to the image. The area defaults to that of the clipped box."""
        height, width = self.size
        x1, y1, x2, y2 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], width), min(box[3], height)
        self.boxes.append((x1, y1, x2, y2))
        self.labels.append(label)
        self.ignore.append(ignore)
        self.areas.append((x2 - x1) * (y2 - y1) if area is None else area)


class Issues:
    """The problems found while a data set is read.

    Attributes:
        problems: every problem.
        image_ids: the image that each problem affects; None where it affects the whole data set.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.image_ids: list[str | None] = []

    def add(self, image_id: str | None, problem: Problem) -> None:
        """Add a problem.

        Args:
            image_id: the affected image, or the place of an annotation that belongs to no image; None if the problem
                affects the whole data set.
            problem: the problem.
        """
        self.image_ids.append(image_id)
        self.problems.append(problem)


class InMemoryReader(ImageFileReader):
    """A reader that is built from a list of records.

    Args:
        where: the file or folder that describes the data set, for messages.
        names: class names.
        categories: the data set's own ids of the classes.
        records: every image that exists and has a size, with its valid objects.
        issues: everything that is invalid.
        on_bad: ``"stop"`` stores the problems in ``problems``; ``"skip"`` leaves out every image with a problem and
            stores the problems in ``skipped``, provided that at most the fraction ``cap`` of all images is affected.
        cap: the largest fraction of images that may be skipped, 0 to 1.

    Raises:
        PolyheadError: if ``on_bad`` or ``cap`` has an invalid value.
    """

    def __init__(
        self,
        where: Path,
        names: list[str],
        categories: list[int | str],
        records: list[Record],
        issues: Issues,
        on_bad: str,
        cap: float,
    ) -> None:
        if on_bad not in ("stop", "skip"):
            raise PolyheadError(f"on_bad={on_bad!r}: expected 'stop' or 'skip'")
        if not 0 <= cap <= 1:
            raise PolyheadError(f"cap={cap}: expected a fraction of the images, 0 to 1")
        self.names, self.categories = names, categories
        self.on_bad, self.cap = on_bad, cap
        self.problems, self.skipped = issues.problems, []
        invalid = set(issues.image_ids)
        if on_bad == "skip" and invalid and None not in invalid:
            total = len(invalid | {record.id for record in records})
            if len(invalid) <= cap * total:
                self.problems, self.skipped, self.left_out = [], issues.problems, len(invalid)
                records = [record for record in records if record.id not in invalid]
            else:
                what = f"{len(invalid)} of {total} images are invalid, more than cap={cap:g} allows to skip"
                self.problems = [Problem(str(where), what, "repair the data, or raise cap"), *issues.problems]
        if not records and not self.problems:
            what = "the data set has no images"
            self.problems = [Problem(str(where), what, "check root, split and classes")]
        self._pack(records)

    def _pack(self, records: list[Record]) -> None:
        """Store the records in flat arrays; the objects of image ``i`` are ``starts[i]:starts[i + 1]``."""
        self.ids = [record.id for record in records]
        self._paths = [record.path for record in records]
        self._sizes = [record.size for record in records]
        self._values = [record.value for record in records]
        self._masks = [record.mask for record in records]
        self._starts = [0, *accumulate(len(record.labels) for record in records)]
        boxes = [box for record in records for box in record.boxes]
        self._boxes = np.array(boxes, np.float32).reshape(-1, 4)  # [objects, 4]; reshape for a set without objects
        self._labels = np.array([label for record in records for label in record.labels], np.int64)
        self._ignore = np.array([ignored for record in records for ignored in record.ignore], np.bool_)
        self._areas = np.array([area for record in records for area in record.areas], np.float32)

    def __len__(self) -> int:
        return len(self.ids)

    def entry(self, index: int) -> Entry:
        """Return the id of one image, its file, and that of its mask if it has one."""
        index = range(len(self))[index]
        return Entry(self.ids[index], tuple(file for file in (self._paths[index], self._masks[index]) if file))

    def raw(self, index: int) -> ImageFile:
        """Return the file of one image, and its size."""
        return ImageFile(self._paths[index], self._sizes[index])

    def target(self, index: int) -> Any:
        """Return the objects of one image; the tensors are copies."""
        index = range(len(self))[index]
        span = slice(self._starts[index], self._starts[index + 1])
        return Boxes(
            boxes=torch.tensor(self._boxes[span]),
            labels=torch.tensor(self._labels[span]),
            ignore=torch.tensor(self._ignore[span]),
            areas=torch.tensor(self._areas[span]),
            annotated=torch.ones(len(self.names), dtype=torch.bool),
            size=self._sizes[index],
        )


def check_box(box: Box, size: Size) -> tuple[str, str] | None:
    """Check a box of an image.

    Args:
        box: xyxy, in pixels.
        size: height and width of the image.

    Returns:
        What is wrong and what to do; None for a valid box.
    """
    x1, y1, x2, y2 = box
    height, width = size
    name = f"the box from ({x1:g}, {y1:g}) to ({x2:g}, {y2:g})"
    if not all(isfinite(number) for number in box):
        return f"{name} has a number that is not finite", "correct the number, or delete the box"
    if x2 - x1 < MIN_SIDE or y2 - y1 < MIN_SIDE:
        negative = "negative" if x2 < x1 or y2 < y1 else "no"
        return f"{name} has {negative} width or height and therefore no area", "draw the box again, or delete it"
    beyond = min(x1, y1) < -MARGIN or x2 > width + MARGIN or y2 > height + MARGIN
    if beyond or min(x2, width) - max(x1, 0) < MIN_SIDE or min(y2, height) - max(y1, 0) < MIN_SIDE:
        what = f"{name} is outside the image of {width} x {height} pixels"
        return what, "clip the box to the image, or delete it"
    return None
