"""COCO's outlines as masks: polygons and run lengths, painted into one picture of classes."""

from hashlib import blake2b
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torchvision import tv_tensors as tv

from polyhead.data.readers.coco import Coco
from polyhead.data.readers.in_memory import Faults, Scene
from polyhead.data.readers.mask_files import is_background, with_background
from polyhead.errors import FileFault, Problem
from polyhead.types import IGNORED, Annotation, Size

ANEW = "draw the outline anew, or delete the annotation"


class Outline(NamedTuple):
    """An object's outline: the annotation's id, its class in the mask, and polygons or run lengths as COCO has them."""

    id: str
    label: int
    shape: list[list[float]] | dict[str, Any]


class CocoMasks(Coco):
    """A data set in COCO's layout, of whose objects the outlines count, not the boxes.

    Objects are painted from the largest to the smallest, so that small ones lie on top of large ones; crowds are
    ignored (255), and lie below all objects. What no object covers is background.

    Args:
        root: as all others, see :class:`polyhead.data.readers.coco.Coco`.
        annotations: the JSON file.
        images: the folder of the pictures.
        classes: the names to keep, in this order; pixels of objects of other classes are background.
        on_bad: ``"stop"`` or ``"skip"``.
        cap: the share of pictures that may be skipped.
    """

    masked = True

    def __init__(
        self,
        root: str | Path,
        annotations: str | None = None,
        images: str | None = None,
        *,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        self._outlines: dict[str, list[Outline]] = {}
        super().__init__(root, annotations, images, classes=classes, on_bad=on_bad, cap=cap)
        self.digest = blake2b(repr(sorted(self._outlines.items())).encode(), digest_size=16).hexdigest()

    def _classes(
        self, entries: list[Any], wanted: list[str] | None, faults: Faults
    ) -> tuple[list[str], dict[int | str, int | None]]:
        """The background first, whether it is a category of its own or not."""
        names, labels = super()._classes(entries, wanted, faults)
        moved = with_background(names)
        numbers = [0 if is_background(name) else moved.index(name) for name in names]
        return moved, {category: None if label is None else numbers[label] for category, label in labels.items()}

    def annotation(self, index: int) -> Annotation:
        """Id, file and size of one picture; its truth is the mask."""
        none = torch.zeros(0)
        return (
            super()
            .annotation(index)
            ._replace(boxes=none.reshape(0, 4), labels=none.long(), ignore=none.bool(), areas=none)
        )

    def mask(self, index: int) -> tv.Mask:
        """The class of each pixel."""
        from faster_coco_eval.core import mask

        size = self._sizes[index]
        classes = np.zeros(size, dtype=np.uint8)
        outlines = self._outlines.get(self.ids[index], [])
        shapes = [(outline.label, self._run_lengths(outline, size)) for outline in outlines]
        for label, shape in sorted(shapes, key=lambda shape: (shape[0] != IGNORED, -int(mask.area(shape[1])))):
            inside: np.ndarray = mask.decode(shape)  # one at a time: each is as large as the picture
            classes[inside > 0] = label
        return tv.Mask(torch.from_numpy(classes))

    def _run_lengths(self, outline: Outline, size: Size) -> dict[str, Any]:
        """The pixels of an object, as COCO's own code finds them, in its run lengths."""
        from faster_coco_eval.core import mask

        shape = outline.shape
        if isinstance(shape, dict) and isinstance(shape["counts"], str):
            shape = {"size": shape["size"], "counts": run_lengths(shape["counts"])}
            if sum(shape["counts"]) != size[0] * size[1] or min(shape["counts"]) < 0:
                where = f"{self.file}: annotation {outline.id}"
                raise FileFault(where, "the compressed run lengths do not fill the picture", "export the file again")
        lengths = mask.frPyObjects(shape, *size)
        whole: dict[str, Any] = mask.merge(lengths) if isinstance(lengths, list) else lengths
        return whole

    def _objects(
        self, entries: list[Any], scenes: dict[str, Scene | None], labels: dict[int | str, int | None], faults: Faults
    ) -> None:
        """Check every object as for boxes, and keep the outlines."""
        super()._objects(entries, scenes, labels, faults)
        for entry in entries:
            unit = str(entry.get("image_id")) if isinstance(entry, dict) else ""
            scene = scenes.get(unit)
            label = labels.get(entry.get("category_id")) if scene and _is_hashable(entry.get("category_id")) else None
            if scene is None or label is None:
                continue
            fault = outline_fault(entry.get("segmentation"), scene.size)
            if fault:
                faults.add(unit, Problem(f"{self.file}: annotation {entry.get('id')}", *fault))
            else:
                code = IGNORED if entry.get("iscrowd") else label
                self._outlines.setdefault(unit, []).append(Outline(str(entry.get("id")), code, entry["segmentation"]))


def outline_fault(shape: Any, size: Size) -> tuple[str, str] | None:
    """What is wrong with a ``segmentation`` in a picture of ``size``, and what to do; None for a sound one."""
    if not shape:
        return "there is no outline (segmentation is missing or empty)", "add it; for boxes alone, use the reader coco"
    if isinstance(shape, list):
        return _polygon_fault(shape, size)
    if isinstance(shape, dict) and isinstance(shape.get("counts"), list | str) and "size" in shape:
        return _lengths_fault(shape["size"], shape["counts"], size)
    return f"expected polygons, or run lengths {{size, counts}}, found {shape!r:.80}", ANEW


def _polygon_fault(shape: list[Any], size: Size) -> tuple[str, str] | None:
    for part in shape:
        if not isinstance(part, list) or len(part) < 6 or len(part) % 2 or not all(map(_is_number, part)):
            return "expected polygons [x1, y1, x2, y2, x3, y3, ...] of finite numbers", ANEW
        far = max(map(abs, part))
        if far > 2 * max(size):
            return f"a polygon reaches to {far:g}, far outside the picture of {size[1]} x {size[0]} pixels", ANEW
    return None


def _lengths_fault(told: Any, counts: list[Any] | str, size: Size) -> tuple[str, str] | None:
    """Compressed run lengths are looked at when they are painted."""
    if told != list(size):
        what = f"the run lengths are of the size (height, width) {told}, the picture is of {list(size)}"
        return what, "export the file again"
    if isinstance(counts, str):
        return None
    whole = all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts)
    if not whole or sum(counts) != size[0] * size[1]:
        return "the run lengths do not fill the picture", "export the file again"
    return None


def run_lengths(text: str) -> list[int]:
    """COCO's compressed run lengths: five bits a letter, lowest first; from the fourth on, less the last but one.

    Done here, for what the library makes of a broken text is not defined.
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    return lengths or [0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_hashable(value: Any) -> bool:
    return isinstance(value, int | str)
