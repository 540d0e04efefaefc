"""Error analysis of a detector: six kinds of errors, after TIDE (Bolya et al., ECCV 2020, section 2.2).

Errors are counted at one score threshold and IoU .5, whereas TIDE weighs every detection by its cost in AP. A detection
that is wrong in several ways counts as the first that fits of: duplicate, classification, localization, both,
background. So a cup that is detected as a bottle counts as a wrong class even where a real bottle touches it.

Shapes: ``d`` detections of an image, ``n`` objects of an image (without ignored ones).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from polyhead.boxes.overlap import fraction_inside, pairwise_iou
from polyhead.errors import PolyheadError
from polyhead.types import Boxes, Detections

KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, float("inf"))}
"""Areas in square pixels: from (inclusive), and to (exclusive); COCO's limits."""
CONFIDENT = 0.25
"""Detections with at least this score are drawn, and count as errors when they are wrong."""

LOWER = 0.1
"""A lower score, at which objects and detections are counted to tell whether it would be the better one."""


class Errors(NamedTuple):
    """The errors of a detector on a split.

    Attributes:
        objects: number of objects; ignored ones do not count.
        detections: boxes above the threshold, without those on ignored regions and of classes that are not annotated.
        found: detections that are correct, which is also the number of objects that are found.
        counts: errors of each kind: ``classification`` (IoU of at least .5 with an object of another class),
            ``localisation`` (correct class, IoU .1 to .5), ``both`` (another class, IoU .1 to .5), ``duplicate`` (the
            object is already found), ``background`` (IoU below .1 with every object), ``missed`` (objects that are
            neither found nor explained by a classification or localization error).
        sizes: number of objects that are found and in all, for small, medium and large ones.
        confusions: how often class ``[0]`` was detected as class ``[1]``.
    """

    objects: int
    detections: int
    found: int
    counts: dict[str, int]
    sizes: dict[str, tuple[int, int]]
    confusions: dict[tuple[int, int], int]

    @property
    def fractions(self) -> dict[str, float]:
        """The fraction of each kind in all errors, 0..1; all zero when there are none."""
        total = sum(self.counts.values())
        return {kind: count / total if total else 0.0 for kind, count in self.counts.items()}

    @property
    def totals(self) -> dict[str, int]:
        """The numbers of objects, of detections and of those that are correct."""
        return {"objects": self.objects, "detections": self.detections, "found": self.found}

    def summary(self, names: Sequence[str]) -> dict[str, Any]:
        """Return plain types for ``results.json``; confusions are by class name, most frequent first."""
        ranked = sorted(self.confusions.items(), key=lambda item: (-item[1], item[0]))
        return {
            **self.totals,
            "counts": self.counts,
            "shares": self.fractions,
            "sizes": {size: {"found": found, "objects": total} for size, (found, total) in self.sizes.items()},
            "confusions": [[names[target], names[predicted], count] for (target, predicted), count in ranked[:10]],
        }


def count_errors(
    targets: Mapping[str, Boxes],
    predictions: Mapping[str, Detections],
    score: float = CONFIDENT,
    near: float = 0.1,
    match: float = 0.5,
) -> Errors:
    """Count the errors of each kind.

    Args:
        targets: all images of the split.
        predictions: detections by image id, in pixels of the original image, best first.
        score: detections below it are left out.
        near: IoU from which a box counts as being near an object.
        match: IoU from which a box matches an object.

    Raises:
        PolyheadError: when an image has no entry in ``predictions``.
    """
    counts: Counter[str] = Counter()
    confusions: Counter[tuple[int, int]] = Counter()
    found_areas, areas = [torch.zeros(0)], [torch.zeros(0)]
    detections = 0
    for image_id, target in targets.items():
        if image_id not in predictions:
            raise PolyheadError(f"image {image_id!r} has no prediction. Evaluate the run again.")
        predicted = predictions[image_id]
        image = image_errors(target, predicted, score, near, match)
        detections += image.kinds.shape[0]
        counts.update(KINDS[kind] for kind in image.kinds.tolist() if kind >= 0)
        counts["missed"] += int(image.missed.sum())
        swapped = image.kinds == KINDS.index("classification")
        labels = target.labels[~target.ignore][image.objects[swapped]]
        confusions.update(zip(labels.tolist(), predicted.labels[image.detections[swapped]].tolist(), strict=True))
        object_areas = target.areas[~target.ignore]
        areas.append(object_areas)
        found_areas.append(object_areas[image.found])
    all_areas, hit_areas = torch.cat(areas), torch.cat(found_areas)
    return Errors(
        objects=all_areas.shape[0],
        detections=detections,
        found=hit_areas.shape[0],
        counts={kind: counts[kind] for kind in KINDS},
        sizes={size: (_within(hit_areas, limits), _within(all_areas, limits)) for size, limits in SIZES.items()},
        confusions=dict(confusions),
    )


class ImageErrors(NamedTuple):
    """The errors of one image.

    Attributes:
        detections: index, in the prediction, of each detection that counts; ``[d]``.
        kinds: index into :data:`KINDS` of each of them, or -1 for a correct one; ``[d]``.
        objects: the object that makes it correct, or an error of this kind, counted without ignored ones; -1 for
            ``background``; ``[d]``.
        found: whether each object is found; ``[n]``.
        missed: whether each object is missed; ``[n]``.
    """

    detections: Int[Tensor, " d"]
    kinds: Int[Tensor, " d"]
    objects: Int[Tensor, " d"]
    found: Bool[Tensor, " n"]
    missed: Bool[Tensor, " n"]


def image_errors(
    target: Boxes, predicted: Detections, score: float | Tensor = CONFIDENT, near: float = 0.1, match: float = 0.5
) -> ImageErrors:
    """Find the kind of error of each detection of an image, and the missed objects.

    The arguments are those of :func:`count_errors`; ``score`` may have one number for each detection, ``[n]``.
    Detections of classes that are not annotated in the image do not count.
    """
    detections = ((predicted.scores >= score) & target.annotated[predicted.labels]).nonzero()[:, 0]  # [d]
    predicted = predicted.take(detections)
    real = ~target.ignore
    labels = target.labels[real]  # [n]
    iou = pairwise_iou(predicted.boxes, target.boxes[real])  # [d, n]
    same_class = predicted.labels[:, None] == labels[None]  # [d, n]
    matched = _match(torch.where(same_class, iou, -1.0), match)  # [d]
    # Detections on ignored regions count only where they match an object.
    counted = (matched >= 0) | ~_on_ignored(target, predicted)
    iou, same_class, matched, detections = iou[counted], same_class[counted], matched[counted], detections[counted]

    # A column of zeros, so that an image without objects has a maximum too; zero is below `near` and never chosen.
    zeros = iou.new_zeros(iou.shape[0], 1)
    same_iou, same_object = torch.cat([torch.where(same_class, iou, 0.0), zeros], 1).max(1)  # best of the same class
    other_iou, other_object = torch.cat([torch.where(same_class, 0.0, iou), zeros], 1).max(1)  # best of other classes
    kinds = torch.full_like(matched, KINDS.index("background"))
    objects = torch.full_like(matched, -1)
    # Later assignments overwrite earlier ones: the order is the reverse of the order of precedence.
    for kind, fits, nearest in (
        ("both", other_iou >= near, other_object),
        ("localisation", same_iou >= near, same_object),
        ("classification", other_iou >= match, other_object),
        ("duplicate", same_iou >= match, same_object),
    ):
        kinds[fits], objects[fits] = KINDS.index(kind), nearest[fits]
    correct = matched >= 0
    kinds[correct], objects[correct] = -1, matched[correct]

    found = torch.zeros(labels.shape[0], dtype=torch.bool)
    found[objects[correct]] = True
    missed = ~found
    missed[objects[(kinds == KINDS.index("classification")) | (kinds == KINDS.index("localisation"))]] = False
    return ImageErrors(detections, kinds, objects, found, missed)


def _match(iou: Tensor, match: float) -> Tensor:
    """Return the object of each detection (rows of ``[d, n]``, best first): the nearest free one, or -1."""
    matched = torch.full((iou.shape[0],), -1)
    if iou.shape[1] == 0:
        return matched
    free = iou.clone()
    for index in torch.nonzero(iou.amax(1) >= match).flatten().tolist():
        value, target = free[index].max(0)
        if value >= match:
            matched[index] = target
            free[:, target] = -1.0  # the object is taken
    return matched


def _on_ignored(target: Boxes, predicted: Detections) -> Tensor:
    """Return which detections have at least half of their area in an ignored box of their class; ``[d]``."""
    boxes, labels = target.boxes[target.ignore], target.labels[target.ignore]  # [g, 4], [g]
    if boxes.shape[0] == 0:
        return torch.zeros(predicted.boxes.shape[0], dtype=torch.bool)
    same_class = labels[:, None] == predicted.labels  # [g, d]
    return ((fraction_inside(boxes, predicted.boxes) >= 0.5) & same_class).any(0)


def _within(areas: Tensor, limits: tuple[float, float]) -> int:
    return int(((areas >= limits[0]) & (areas < limits[1])).sum())
