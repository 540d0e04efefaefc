"""What kind of mistakes a detector makes: six kinds, after TIDE (Bolya et al., ECCV 2020, section 2.2).

Counts at one score threshold and IoU .5, where TIDE weighs every detection by what it costs in AP. A detection that is
wrong in several ways is given the first that fits of: duplicate, classification, localisation, both, background; so a
cup called a bottle stays a wrong class when a real bottle touches its edge.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from polyhead.errors import PolyheadError
from polyhead.types import Annotation, Detections

KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, float("inf"))}
"""Pixels of an object: from, and up to (COCO's bounds)."""
CONFIDENT = 0.25
"""Score from which detections are shown, and counted as mistakes when they are wrong."""


class Errors(NamedTuple):
    """A detector's mistakes on a data set.

    Attributes:
        objects: objects to be found; ignored ones do not count.
        detections: boxes above the threshold, less those on ignored regions and of classes that nobody looked for.
        found: detections that are right, which is also the number of objects found.
        counts: of each kind: ``classification`` (right place, wrong class), ``localisation`` (right class, IoU .1 to
            .5), ``both`` (another class, IoU .1 to .5), ``duplicate`` (found already), ``background`` (IoU below .1
            with everything), ``missed`` (objects that no box comes near to).
        sizes: objects found and objects there, for small, medium and large ones.
        confusions: how often class ``[0]`` was taken for class ``[1]``.
    """

    objects: int
    detections: int
    found: int
    counts: dict[str, int]
    sizes: dict[str, tuple[int, int]]
    confusions: dict[tuple[int, int], int]

    @property
    def shares(self) -> dict[str, float]:
        """Each kind's part of all mistakes, 0..1; all zero when there is none."""
        total = sum(self.counts.values())
        return {kind: count / total if total else 0.0 for kind, count in self.counts.items()}

    def summary(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain types for ``results.json``; confusions by class name, most frequent first."""
        ranked = sorted(self.confusions.items(), key=lambda item: (-item[1], item[0]))
        return {
            "objects": self.objects,
            "detections": self.detections,
            "found": self.found,
            "counts": self.counts,
            "shares": self.shares,
            "sizes": {size: {"found": found, "objects": there} for size, (found, there) in self.sizes.items()},
            "confusions": [[names[truth], names[guess], count] for (truth, guess), count in ranked[:10]],
        }


def split(
    truth: Sequence[Annotation],
    predictions: Mapping[str, Detections],
    score: float = CONFIDENT,
    near: float = 0.1,
    right: float = 0.5,
) -> Errors:
    """Sort every mistake into one of the six kinds.

    Args:
        truth: the pictures.
        predictions: of each picture by its id, in pixels of the original, best first.
        score: detections below it are left out.
        near: IoU from which a box has to do with an object.
        right: IoU from which a box is on an object.

    Raises:
        PolyheadError: when a picture has no entry in ``predictions``.
    """
    counts: Counter[str] = Counter()
    confusions: Counter[tuple[int, int]] = Counter()
    found_areas, areas = [torch.zeros(0)], [torch.zeros(0)]
    detections = 0
    for annotation in truth:
        if annotation.id not in predictions:
            raise PolyheadError(f"there is no prediction for picture {annotation.id!r}; evaluate the run again")
        picture = _picture(annotation, _considered(annotation, predictions[annotation.id], score), near, right)
        detections += picture.kinds.shape[0]
        counts.update(KINDS[kind] for kind in picture.kinds.tolist() if kind >= 0)
        counts["missed"] += picture.missed
        confusions.update(picture.confusions)
        objects = annotation.areas[~annotation.ignore]
        areas.append(objects)
        found_areas.append(objects[picture.found])
    every, hit = torch.cat(areas), torch.cat(found_areas)
    return Errors(
        objects=every.shape[0],
        detections=detections,
        found=hit.shape[0],
        counts={kind: counts[kind] for kind in KINDS},
        sizes={size: (_within(hit, bounds), _within(every, bounds)) for size, bounds in SIZES.items()},
        confusions=dict(confusions),
    )


class _Picture(NamedTuple):
    """Kinds of one picture's detections (-1: right), which objects were found, how many missed, what was confused."""

    kinds: Tensor
    found: Tensor
    missed: int
    confusions: list[tuple[int, int]]


def _considered(annotation: Annotation, predicted: Detections, score: float) -> Detections:
    keep = predicted.scores >= score
    keep &= annotation.annotated[predicted.labels]
    return Detections(*(part[keep] for part in predicted))


def _picture(annotation: Annotation, predicted: Detections, near: float, right: float) -> _Picture:
    real = ~annotation.ignore
    labels = annotation.labels[real]
    overlap = box_iou(predicted.boxes, annotation.boxes[real])
    same = predicted.labels[:, None] == labels[None]
    match = _match(torch.where(same, overlap, -1.0), right)
    counted = (match >= 0) | ~_on_ignored(annotation, predicted)
    overlap, same, match, guesses = overlap[counted], same[counted], match[counted], predicted.labels[counted]

    # A column of zeros, so that a picture without objects has maxima too; zero is below `near` and never chosen.
    blank = overlap.new_zeros(overlap.shape[0], 1)
    mine, my_object = torch.cat([torch.where(same, overlap, 0.0), blank], 1).max(1)
    other, other_object = torch.cat([torch.where(same, 0.0, overlap), blank], 1).max(1)
    kinds = torch.full_like(match, KINDS.index("background"))
    kinds[other >= near] = KINDS.index("both")
    kinds[mine >= near] = KINDS.index("localisation")
    kinds[other >= right] = KINDS.index("classification")
    kinds[mine >= right] = KINDS.index("duplicate")
    kinds[match >= 0] = -1

    found = torch.zeros(labels.shape[0], dtype=torch.bool)
    found[match[match >= 0]] = True
    misnamed, misplaced = kinds == KINDS.index("classification"), kinds == KINDS.index("localisation")
    explained = found.clone()
    explained[other_object[misnamed]] = True
    explained[my_object[misplaced]] = True
    pairs = zip(labels[other_object[misnamed]].tolist(), guesses[misnamed].tolist(), strict=True)
    return _Picture(kinds, found, int((~explained).sum()), list(pairs))


def _match(overlap: Tensor, right: float) -> Tensor:
    """The object of each detection ``[d, n]``, best first: the nearest that is still free, or -1."""
    match = torch.full((overlap.shape[0],), -1)
    if overlap.shape[1] == 0:
        return match
    free = overlap.clone()
    for index in torch.nonzero(overlap.amax(1) >= right).flatten().tolist():
        value, target = free[index].max(0)
        if value >= right:
            match[index] = target
            free[:, target] = -1.0
    return match


def _on_ignored(annotation: Annotation, predicted: Detections) -> Tensor:
    """Detections of which at least half lies in an ignored box of their class; the larger part of a crowd is enough."""
    boxes, labels = annotation.boxes[annotation.ignore], annotation.labels[annotation.ignore]
    if boxes.shape[0] == 0:
        return torch.zeros(predicted.boxes.shape[0], dtype=torch.bool)
    low = torch.maximum(predicted.boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(predicted.boxes[:, None, 2:], boxes[None, :, 2:])
    common = (high - low).clamp(min=0).prod(2)
    area = (predicted.boxes[:, 2:] - predicted.boxes[:, :2]).prod(1)[:, None].clamp(min=1e-9)
    same = predicted.labels[:, None] == labels[None]
    return ((common / area >= 0.5) & same).any(1)


def _within(areas: Tensor, bounds: tuple[float, float]) -> int:
    return int(((areas >= bounds[0]) & (areas < bounds[1])).sum())
