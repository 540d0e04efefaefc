"""Read the outlines of YOLO's label files as one mask of classes per image."""

from hashlib import blake2b
from pathlib import Path

import numpy as np

from polyhead.data.readers.in_memory import Issues, Record, check_box
from polyhead.data.readers.mask_files import is_background, with_background
from polyhead.data.readers.outlines import paint
from polyhead.data.readers.yolo import Yolo, YoloObject
from polyhead.errors import Problem
from polyhead.types import Mask


class YoloMasks(Yolo):
    """A data set in YOLO's layout for segmentation: each line is a class and the points of an outline.

    Small objects are on top of large ones. Pixels without an object are background. A line with a box is an error: the
    pixels of its object are not known.

    Args:
        root: the folder of the data set; this and the other arguments are as in
            :class:`polyhead.data.readers.yolo.Yolo`.
        split: ``train``, ``val`` or ``test``.
        on_bad: ``"stop"`` or ``"skip"``.
        cap: the largest fraction of images that may be skipped.
    """

    kind = "segmentation"
    background = True

    def __init__(self, root: str | Path, split: str = "train", *, on_bad: str = "stop", cap: float = 0.1) -> None:
        self._outlines: dict[str, list[tuple[int, np.ndarray]]] = {}
        super().__init__(root, split, on_bad=on_bad, cap=cap)
        self.categories = [*self.names]
        digest = blake2b(digest_size=16)
        for image_id, outlines in sorted(self._outlines.items()):
            for label, points in outlines:
                digest.update(repr((image_id, label)).encode() + points.tobytes())
        self.digest = digest.hexdigest()

    def _classes(self, names: list[str]) -> tuple[list[str], list[int]]:
        """Return the class names with the background first, whether it is a class of its own or not."""
        found = with_background(names)
        return found, [0 if is_background(name) else found.index(name) for name in names]

    def _form_notes(self, split: str) -> list[str]:
        """Return nothing: outlines are read, and objects without one are problems."""
        return []

    def _add(self, record: Record, found: YoloObject, where: str, issues: Issues) -> None:
        """Store the outline of an object."""
        if not found.outline:
            remedy = "add its outline, leave its image out with on_bad: skip, or use the reader yolo for boxes"
            error: tuple[str, str] | None = "the object has a box and no outline", remedy
        else:
            error = check_box(found.box, record.size)
        if error:
            issues.add(record.id, Problem(where, *error))
        else:
            outline = self._numbers[found.number], np.array(found.outline)
            self._outlines.setdefault(record.id, []).append(outline)

    def content(self, index: int) -> str:  # the digest has all outlines
        """Return an empty text."""
        return ""

    def target(self, index: int) -> Mask:
        """Return the class of each pixel."""
        from faster_coco_eval.core import mask

        size = self._sizes[index]
        outlines = self._outlines.get(self.ids[index], [])
        shapes = [(label, mask.frPyObjects([points.tolist()], *size)[0]) for label, points in outlines]
        return Mask(paint(shapes, size))
