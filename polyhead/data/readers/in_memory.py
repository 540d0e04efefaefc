"""Readers that know all their pictures and boxes once they are built.

What they find is kept in a few flat arrays, so that a reader of a hundred thousand pictures goes to a worker process
quickly, and its memory is shared where processes fork.
"""

from itertools import accumulate
from math import isfinite
from pathlib import Path

import numpy as np
import torch

from polyhead.data.readers.image_file import ImageFileReader
from polyhead.errors import PolyheadError, Problem
from polyhead.types import Annotation, Size

Box = tuple[float, float, float, float]

MARGIN = 1.0  # pixels by which a box may leave its picture: rounding, and tools that count from 0 or from 1
THIN = 0.01  # pixels; a box with a thinner side has no area, and none left in float32


class Scene:
    """One picture with its objects, while a reader collects them; ``size`` is (height, width), boxes are xyxy.

    ``mask`` is the file of its mask, or empty.
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
        """Add an object; its box is cut at the picture's border."""
        height, width = self.size
        x1, y1, x2, y2 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], width), min(box[3], height)
        self.boxes.append((x1, y1, x2, y2))
        self.labels.append(label)
        self.ignore.append(ignore)
        self.areas.append((x2 - x1) * (y2 - y1) if area is None else area)


class Faults:
    """Faults found while a data set is read, each with what it spoils: a picture's id, or None for the whole set."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.units: list[str | None] = []

    def add(self, unit: str | None, problem: Problem) -> None:
        """Blame a picture, or an annotation that belongs to none."""
        self.units.append(unit)
        self.problems.append(problem)


class Listed(ImageFileReader):
    """A reader that was told all its scenes.

    Args:
        where: the file or folder that describes the set, for messages.
        names: class names.
        categories: the data's own ids of the classes.
        scenes: every picture that exists and has a size, with its sound objects.
        faults: everything else.
        on_bad: ``"stop"`` keeps faults in ``problems``; ``"skip"`` leaves out every picture with a fault, and keeps the
            faults in ``skipped``, as long as no more than ``cap`` of all pictures are concerned.
        cap: see ``on_bad``; 0..1.
    """

    def __init__(
        self,
        where: Path,
        names: list[str],
        categories: list[int | str],
        scenes: list[Scene],
        faults: Faults,
        on_bad: str,
        cap: float,
    ) -> None:
        if on_bad not in ("stop", "skip"):
            raise PolyheadError(f"on_bad={on_bad!r}: expected 'stop' or 'skip'")
        if not 0 <= cap <= 1:
            raise PolyheadError(f"cap={cap}: expected a share of the pictures, 0 to 1")
        self.names, self.categories = names, categories
        self.on_bad, self.cap = on_bad, cap
        self.problems, self.skipped = faults.problems, []
        spoiled = set(faults.units)
        if on_bad == "skip" and spoiled and None not in spoiled:
            total = len(spoiled | {scene.id for scene in scenes})
            if len(spoiled) <= cap * total:
                self.problems, self.skipped, self.left_out = [], faults.problems, len(spoiled)
                scenes = [scene for scene in scenes if scene.id not in spoiled]
            else:
                what = f"{len(spoiled)} of {total} pictures are faulty, more than cap={cap:g} lets skip"
                self.problems = [Problem(str(where), what, "repair the data, or raise cap"), *faults.problems]
        if not scenes and not self.problems:
            what = "there is no picture in the data set"
            self.problems = [Problem(str(where), what, "check root, split and classes")]
        self._pack(scenes)

    def _pack(self, scenes: list[Scene]) -> None:
        self.ids = [scene.id for scene in scenes]
        self._paths = [scene.path for scene in scenes]
        self._sizes = [scene.size for scene in scenes]
        self._values = [scene.value for scene in scenes]
        self._masks = [scene.mask for scene in scenes]
        self._starts = [0, *accumulate(len(scene.labels) for scene in scenes)]
        boxes = [box for scene in scenes for box in scene.boxes]
        self._boxes = np.array(boxes, np.float32).reshape(-1, 4)
        self._labels = np.array([label for scene in scenes for label in scene.labels], np.int64)
        self._ignore = np.array([ignored for scene in scenes for ignored in scene.ignore], np.bool_)
        self._areas = np.array([area for scene in scenes for area in scene.areas], np.float32)

    def __len__(self) -> int:
        return len(self.ids)

    def annotation(self, index: int) -> Annotation:
        """The truth of one picture; its tensors are the caller's own."""
        index = range(len(self))[index]
        value = self._values[index]
        span = slice(self._starts[index], self._starts[index + 1])
        return Annotation(
            id=self.ids[index],
            path=self._paths[index],
            size=self._sizes[index],
            boxes=torch.tensor(self._boxes[span]),
            labels=torch.tensor(self._labels[span]),
            ignore=torch.tensor(self._ignore[span]),
            areas=torch.tensor(self._areas[span]),
            annotated=torch.ones(len(self.names), dtype=torch.bool),
            value=None if value is None else torch.tensor(value),
            mask=self._masks[index],
        )


def box_fault(box: Box, size: Size) -> tuple[str, str] | None:
    """What is wrong with an xyxy box in a picture of ``size`` (height, width), and what to do; None for a sound one."""
    x1, y1, x2, y2 = box
    height, width = size
    told = f"the box from ({x1:g}, {y1:g}) to ({x2:g}, {y2:g})"
    if not all(isfinite(number) for number in box):
        return f"{told} holds a number that is not finite", "correct the number, or delete the box"
    if x2 - x1 < THIN or y2 - y1 < THIN:
        negative = "negative" if x2 < x1 or y2 < y1 else "no"
        return f"{told} has {negative} width or height, so no area", "draw the box anew, or delete it"
    beyond = min(x1, y1) < -MARGIN or x2 > width + MARGIN or y2 > height + MARGIN
    if beyond or min(x2, width) - max(x1, 0) < THIN or min(y2, height) - max(y1, 0) < THIN:
        return f"{told} lies outside the picture of {width} x {height} pixels", "cut it at the border, or delete it"
    return None
