"""What each type of error costs a detector in AP: TIDE (Bolya et al., ECCV 2020, sections 2.2 and 2.3).

Every wrong detection and every object that is not found has one type. The gain of a type is how much higher AP would be
if its errors were fixed and all others stayed. Gains do not add up to 1 - AP: fixing one error can hide another.

Up to rounding, gains equal those of the library tidecv (tested), with three differences. Classes without objects are
not part of the mean, as in COCO's AP (issue 28 of dbolya/tide). Of detections with equal scores, all keep their order
when errors are fixed, whereas tidecv puts the wrong ones first. Recall is compared with COCO's 101 points, whose floats
are not the nearest ones to all hundredths.

Shapes: ``n`` detections, ``m`` objects, ``k`` pairs of both in one image, ``p`` images, ``c`` classes, ``b`` resamples.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from polyhead.contracts.analyzed import Gains
from polyhead.metrics.boxes import BoxPairs, PredictedBoxes, TargetBoxes, gather_boxes, pair_boxes
from polyhead.metrics.matching import Matches, assign, average_precision
from polyhead.types import Boxes, Detections

TYPES = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
"""Wrong class; inexact box; both; second box of an object that is found; no object; object that is not found."""
NEAR, MATCH = 0.1, 0.5
"""IoU from which a box counts as being near an object, and from which it matches it."""
MOST = 100
"""The highest-scoring detections of an image that count, of all classes together."""
_CORRECT = -1


class Outcomes(NamedTuple):
    """What became of the detections and objects of a split.

    Attributes:
        targets: the objects.
        predicted: the detections, image by image, best first.
        types: index into :data:`TYPES` of each detection, -1 for a correct one; no detection is ``Miss``.
        ignored: whether a detection matches only an ignored object, and counts as neither correct nor wrong.
        repaired: whether a detection would be correct with the class and the box of the object that it is near. Of
            several that are near one object, the one with the highest score.
        labels: the class of that object; the detection's own class where it is near none.
        found: whether each object is found.
        missed: whether each object is neither found nor would be by a repaired detection.
    """

    targets: TargetBoxes
    predicted: PredictedBoxes
    types: Int[np.ndarray, " n"]
    ignored: Bool[np.ndarray, " n"]
    repaired: Bool[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]
    found: Bool[np.ndarray, " m"]
    missed: Bool[np.ndarray, " m"]


def tide(
    targets: Mapping[str, Boxes],
    predictions: Mapping[str, Detections],
    names: Sequence[str],
    weights: Int[np.ndarray, "b p"] | None = None,
) -> Gains:
    """Compute AP50, and its gain if all errors of one type were fixed.

    ``FalsePos`` fixes all wrong detections at once, ``FalseNeg`` removes all objects that are not found.

    Args:
        targets: all images of the split.
        predictions: detections by image id, in pixels of the original image, best first.
        names: class names.
        weights: how often each image counts, a row for each resample; None counts every image once.

    Raises:
        PolyheadError: see :func:`polyhead.metrics.boxes.gather_boxes`.
    """
    out = outcomes(targets, predictions, names)
    if weights is None:
        weights = np.ones((1, len(targets)), dtype=np.int64)
    score = _Score(out, names, weights)
    counted, correct, own = ~out.ignored, out.types == _CORRECT, out.predicted.labels
    base = score(counted, correct, own)
    fixed = {}
    for number, name in enumerate(TYPES[:-1]):
        of_type = out.types == number
        repaired = of_type & out.repaired
        fixed[name] = score(counted & ~of_type | repaired, correct | repaired, np.where(repaired, out.labels, own))
    fixed["Miss"] = score(counted, correct, own, out.missed)
    fixed["FalsePos"] = score(correct, correct, own)
    fixed["FalseNeg"] = score(counted, correct, own, ~out.found & ~out.targets.ignore)
    wrong = np.bincount(out.types[counted & ~correct], minlength=len(TYPES))
    counts = dict(zip(TYPES, [*wrong[:-1].tolist(), int(out.missed.sum())], strict=True))
    return Gains("AP50", base, {name: value - base for name, value in fixed.items()}, counts)


class _Score:
    """Computes AP50 of some of the detections on each resample."""

    def __init__(self, out: Outcomes, names: Sequence[str], weights: Int[np.ndarray, "b p"]) -> None:
        self.out, self.names, self.weights = out, list(names), weights
        self.objects = out.targets.count_per_image(weights.shape[1], len(names))  # [p, c]
        self.present = weights @ self.objects > 0  # [b, c]

    def __call__(
        self,
        taken: Bool[np.ndarray, " n"],
        hit: Bool[np.ndarray, " n"],
        labels: Int[np.ndarray, " n"],
        removed: Bool[np.ndarray, " m"] | None = None,
    ) -> Float[np.ndarray, " b"]:
        """Return the mean AP50 over the classes with objects, of the detections that are taken.

        A class all of whose objects are removed has an AP of 0 if it has detections, and is left out if it has none.
        Where all are left out, the mean is 0.
        """
        objects = self.objects
        if removed is not None:
            gone = self.out.targets._replace(ignore=~removed)
            objects = objects - gone.count_per_image(*objects.shape)
        matches = self._matches(np.flatnonzero(taken), hit, labels, objects)
        values = average_precision(matches, self.weights)[:, 0]  # [b, c]
        detected = np.bincount(matches.labels, minlength=len(self.names)) > 0  # [c]
        counted = self.present & (~np.isnan(values) | detected)
        sums = np.where(counted & ~np.isnan(values), values, 0.0).sum(axis=1)
        return np.where(self.present.any(axis=1), sums / np.maximum(counted.sum(axis=1), 1), np.nan)

    def _matches(
        self,
        taken: Int[np.ndarray, " k"],
        hit: Bool[np.ndarray, " n"],
        labels: Int[np.ndarray, " n"],
        objects: Int[np.ndarray, "p c"],
    ) -> Matches:
        """Return the outcome of some detections in the order that :class:`Matches` needs."""
        image_idx, _, _, scores = self.out.predicted
        order = taken[np.lexsort((-scores[taken], labels[taken]))]
        hits = hit[order][None]  # [1, n]
        columns = (image_idx[order], labels[order], scores[order])
        return Matches(self.names, np.array([MATCH]), *columns, hits, np.zeros_like(hits), objects)


_ORDER = ("Loc", "Cls", "Dupe", "Bkg")
"""Types of incorrect detections in the order in which they are looked for."""


def outcomes(targets: Mapping[str, Boxes], predictions: Mapping[str, Detections], names: Sequence[str]) -> Outcomes:
    """Find the type of each detection, and the objects that are missed."""
    objects, predicted = gather_boxes(targets, predictions, names)
    predicted = predicted.take(np.lexsort((-predicted.scores, predicted.image_idx)))  # by image, best first
    # The place of each detection in its image, from its place among all and that of the first one of the image.
    places = np.arange(len(predicted.labels)) - np.searchsorted(predicted.image_idx, predicted.image_idx)  # [n]
    predicted = predicted.take(places < MOST)

    matched = assign(objects, predicted, np.array([MATCH]))[0]  # [n]
    ignored = (matched >= 0) & np.append(objects.ignore, False)[matched]
    correct = (matched >= 0) & ~ignored
    found = np.zeros(len(objects.labels), dtype=np.bool_)
    found[matched[correct]] = True

    same_iou, same_object, other_iou, other_object = _nearest(objects, predicted)
    inexact, swapped = (same_iou >= NEAR) & (same_iou <= MATCH), other_iou >= MATCH
    # The first that fits; the rest is both, wrong class and inexact box.
    conditions = [correct, inexact, swapped, same_iou >= MATCH, np.maximum(same_iou, other_iou) <= NEAR]
    types = np.select(conditions, [_CORRECT, *map(TYPES.index, _ORDER)], default=TYPES.index("Both"))

    near = np.where(inexact, same_object, other_object)  # [n]
    candidates = np.flatnonzero(~correct & (inexact | swapped) & ~found[near])
    nearest, best = np.unique(near[candidates], return_index=True)  # the first of an object has the highest score
    repaired = np.zeros(len(matched), dtype=np.bool_)
    repaired[candidates[best]] = True
    labels = predicted.labels.copy()
    labels[repaired] = objects.labels[near[repaired]]
    missed = ~found & ~objects.ignore
    missed[nearest] = False
    return Outcomes(objects, predicted, types, ignored, repaired, labels, found, missed)


def _nearest(objects: TargetBoxes, predicted: PredictedBoxes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return of each detection the IoU with and index of the nearest object of its class, and of another class.

    Ignored objects do not count. Where there is none, the IoU is 0 and the index is that of any object.
    """
    # With all labels 0, pairs of any classes are found.
    any_class = [each._replace(labels=np.zeros_like(each.labels)) for each in (objects, predicted)]
    pairs = pair_boxes(*any_class, crowds=False)  # type: ignore[arg-type]  # a list forgets which is which
    real = ~objects.ignore[pairs.target_idx]
    same = predicted.labels[pairs.predicted_idx] == objects.labels[pairs.target_idx]
    size = len(predicted.labels)
    return (*_first(pairs, real & same, size), *_first(pairs, real & ~same, size))


def _first(pairs: BoxPairs, chosen: Bool[np.ndarray, " k"], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the IoU and the object of the nearest chosen pair of each detection; of equally near ones, the first."""
    detection, target, iou = (column[chosen] for column in pairs)
    order = np.lexsort((target, -iou, detection))
    nearest, first = np.unique(detection[order], return_index=True)
    ious, indices = np.zeros(size), np.zeros(size, dtype=np.int64)
    ious[nearest], indices[nearest] = iou[order][first], target[order][first]
    return ious, indices
