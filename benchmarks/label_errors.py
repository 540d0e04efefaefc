"""Measure how many planted label errors are among the highest-ranked findings of ``polyhead data check --labels``.

    python -m benchmarks.label_errors boxes [--split val] [--seeds 20] [--model yolox_nano] [--cleanlab]
    python -m benchmarks.label_errors classes WEIGHTS [--seeds 20]

``boxes``: 10 % of the boxes of coco_mini (det10, appliance and food) get an error: a third is removed, a third is moved
and resized (IoU with the box .2 to .5), a third gets another class of its data set. As many findings as there are
planted errors are counted, over the three data sets together. ``classes``: 10 % of the test images of CIFAR-10 get
another class; WEIGHTS is a file of the ResNet-20 of He et al. (2016, section 4.2). A finding counts if it points at a
planted error that no higher finding points at, so what a data set had wrong before counts as a false finding. Brackets
are 90 % intervals over images and plantings. ``--cleanlab`` ranks with the scores of cleanlab instead.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from polyhead.boxes.overlap import pairwise_iou
from polyhead.contracts.label_errors import LabelError
from polyhead.data.loading.source import HeldOut
from polyhead.data.readers.cifar10 import Cifar10
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.matched import Matched
from polyhead.kinds.label_errors import box_label_errors, class_label_errors
from polyhead.metrics.box_label_errors import MATCH, TYPES
from polyhead.metrics.intervals import bootstrap_weights, mean_over_runs, percentile_interval
from polyhead.rng import derive_seed
from polyhead.types import Boxes, ClassLabel, Detections, Labels
from polyhead.workflows.evaluate import predict_split
from polyhead.workflows.predict import load

SETS = ("det10", "appliance", "food")
PLANTED = 0.1
"""Fraction of the labels that get an error."""
MOVED = (0.2, 0.5)
"""IoU of a moved box with the box."""
SHIFT = 0.7
"""Largest shift of a center in sides of the box, and largest logarithm of the factor of a side, that are tried."""


class Planted(NamedTuple):
    """A planted error: its type, the image, the class of the label before, its box before, and its box now."""

    type: str
    image: str
    label: str
    before: Float[Tensor, "4"] | None = None
    now: Float[Tensor, "4"] | None = None


class Ranked(NamedTuple):
    """A finding: its score, its image, and the planted error that it points at; None if at none."""

    score: float
    image: str
    error: Planted | None


def main(argv: Sequence[str]) -> int:
    """Plant, search, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("boxes", "classes"))
    parser.add_argument("weights", metavar="WEIGHTS", nargs="?", help="weights of the classifier")
    parser.add_argument("--split", default="val", choices=("train", "val"), help="of coco_mini (default: val)")
    parser.add_argument("--seeds", type=int, default=20, help="plantings (default: 20)")
    parser.add_argument("--model", default="yolox_nano", help="the detector (default: yolox_nano)")
    parser.add_argument("--cleanlab", action="store_true", help="rank with the scores of cleanlab")
    given = parser.parse_args(argv)
    lines = classes(given.weights, given.seeds) if given.what == "classes" else boxes(given)
    for line in lines:
        print(line)
    return 0


def boxes(given: argparse.Namespace) -> Iterable[str]:
    """Yield the figures of the detector."""
    search = cleanlab_boxes if given.cleanlab else box_label_errors
    data = {name: predicted(given.model, name, given.split) for name in SETS}
    images = sorted({image for targets, _, _ in data.values() for image in targets})
    runs: list[tuple[list[Planted], list[Ranked]]] = []
    for seed in range(given.seeds):
        planted: list[Planted] = []
        ranked: list[Ranked] = []
        for name, (targets, predictions, names) in data.items():
            changed, errors = plant_boxes(targets, names, derive_seed("plant", name, seed))
            planted += errors
            ranked += judged(search(changed, predictions, names), errors)
        runs.append((planted, sorted(ranked, key=lambda each: -each.score)))
    total = sum(int((~target.ignore).sum()) for targets, _, _ in data.values() for target in targets.values())
    yield f"coco_mini {given.split}: {total} boxes of {len(images)} images, {len(runs[0][0])} planted errors"
    yield from figures(runs, images)


def figures(runs: Sequence[tuple[list[Planted], list[Ranked]]], images: Sequence[str]) -> Iterable[str]:
    """Yield precision among as many findings as there are planted errors, and the recall of each type there."""
    weights = bootstrap_weights(len(images))  # [b, p]
    place = {image: index for index, image in enumerate(images)}
    samples = np.stack([precision(planted, ranked, weights, place) for planted, ranked in runs])  # [r, b]
    mean = percentile_interval(mean_over_runs(samples))
    yield f"precision: {mean}; of single plantings {samples[:, 0].min():.3f} to {samples[:, 0].max():.3f}"
    totals = Counter(each.type for planted, _ in runs for each in planted)
    top = [each.error for planted, ranked in runs for each in ranked[: len(planted)]]
    found = Counter(each.type for each in top if each)
    anywhere = Counter(each.error.type for _, ranked in runs for each in ranked if each.error)
    for name, count in totals.items():
        yield f"recall of {name}: {found[name] / count:.3f} among these, {anywhere[name] / count:.3f} in all findings"
    yield f"findings: {sum(len(ranked) for _, ranked in runs) / len(runs):.0f} on average"


def precision(
    planted: Sequence[Planted], ranked: Sequence[Ranked], weights: Float[np.ndarray, "b p"], place: Mapping[str, int]
) -> Float[np.ndarray, " b"]:
    """Return the fraction of planted errors among as many findings as there are, on each resample of images."""
    errors = weights[:, [place[each.image] for each in planted]].sum(axis=1)  # [b]
    counts = weights[:, [place[each.image] for each in ranked]]  # [b, f]
    before = counts.cumsum(axis=1) - counts  # [b, f]
    taken = (errors[:, None] - before).clip(0, counts)  # [b, f]
    hits: Float[np.ndarray, " b"] = taken[:, [each.error is not None for each in ranked]].sum(axis=1)
    found: Float[np.ndarray, " b"] = hits / errors.clip(1)
    return found


def judged(findings: Sequence[LabelError], errors: Sequence[Planted]) -> list[Ranked]:
    """Return each finding with the planted error that it points at and no higher one does."""
    left = list(errors)
    ranked = []
    for finding in findings:
        error = next((each for each in left if points_at(finding, each)), None)
        if error is not None:
            left = [each for each in left if each is not error]
        ranked.append(Ranked(finding.score, finding.sample, error))
    return ranked


def points_at(finding: LabelError, error: Planted) -> bool:
    """Return whether a finding shows a person a planted error: the changed label, or where the right one was."""
    if finding.sample != error.image:
        return False
    if error.before is None:
        return True
    if finding.box is not None:
        return error.now is not None and bool((finding.box == error.now).all())
    assert finding.found is not None
    same = finding.suggested == error.label and error.type != "swapped"
    return same and bool(pairwise_iou(finding.found[None], error.before[None]) >= MATCH)


def predicted(model: str, name: str, split: str) -> tuple[dict[str, Boxes], dict[str, Detections], list[str]]:
    """Return targets and predictions of a data set of coco_mini by image id, and the class names of the model."""
    predictor = load(model)
    task = next(iter(predictor.names))
    reader = Coco("coco_mini", f"{name}/annotations/instances_{split}2017.json", f"{split}2017")
    matched = Matched(reader, predictor.names[task], predictor.kinds[task])
    data = HeldOut(task, matched, predictor.kinds[task], predictor.modalities[task])
    predictions = predict_split(predictor.model, task, data, "test", predictor.precision)
    return data.targets("test").gathered, predictions, predictor.names[task]


def plant_boxes(
    targets: Mapping[str, Boxes], names: Sequence[str], seed: int
) -> tuple[dict[str, Boxes], list[Planted]]:
    """Return copies of targets, of which 10 % of the boxes have an error, and the errors."""
    draw = torch.Generator().manual_seed(seed)
    places = [(image, box) for image, each in targets.items() for box in (~each.ignore).nonzero()[:, 0].tolist()]
    chosen = torch.randperm(len(places), generator=draw)[: round(PLANTED * len(places))].tolist()
    changed = {
        image: each._replace(boxes=each.boxes.clone(), labels=each.labels.clone()) for image, each in targets.items()
    }
    removed: dict[str, list[int]] = {}
    errors = []
    for number, (image, box) in enumerate(places[index] for index in chosen):
        target, kind = changed[image], TYPES[number % len(TYPES)]
        before, label = targets[image].boxes[box], int(targets[image].labels[box])
        now = None if kind == "overlooked" else before
        if kind == "overlooked":
            removed.setdefault(image, []).append(box)
        elif kind == "badly located":
            now = target.boxes[box] = moved(before, target.size, draw)
        else:
            others = [each for each in target.annotated.nonzero()[:, 0].tolist() if each != label]
            target.labels[box] = one_of(others, draw)
        errors.append(Planted(kind, image, names[label], before, now))
    for image, gone in removed.items():
        rest = [box for box in range(len(changed[image].labels)) if box not in gone]
        columns = {name: getattr(changed[image], name)[rest] for name in ("boxes", "labels", "ignore", "areas")}
        changed[image] = changed[image]._replace(**columns)
    return changed, errors


def moved(box: Float[Tensor, "4"], size: tuple[int, int], draw: torch.Generator) -> Float[Tensor, "4"]:
    """Return a box that is moved and resized within the image until its IoU with the box is in :data:`MOVED`."""
    limits = torch.tensor([size[1], size[0]] * 2, dtype=torch.float32)
    center, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    while True:
        shift, growth = SHIFT * (2 * torch.rand(2, 2, generator=draw) - 1)  # [2] each
        near, half = center + sides * shift, sides * growth.exp() / 2
        other = torch.cat([near - half, near + half]).clamp(min=0).minimum(limits)
        if MOVED[0] <= float(pairwise_iou(box[None], other[None])) <= MOVED[1]:
            return other


def cleanlab_boxes(
    targets: Mapping[str, Boxes], predictions: Mapping[str, Detections], names: Sequence[str]
) -> list[LabelError]:
    """Return what cleanlab's scores of ObjectLab find, with its own thresholds; the lowest of the scores first."""
    from cleanlab.object_detection import rank

    labels, found, rows = [], [], []
    for image, target in targets.items():
        each = predictions[image]
        each = each.take(target.annotated[each.labels] & (each.scores >= 0.05))
        each = each.take(each.labels.argsort(stable=True))  # cleanlab's order: class by class
        rows.append((image, target.boxes[~target.ignore], target.labels[~target.ignore], each))
        labels.append({"bboxes": rows[-1][1].numpy(), "labels": rows[-1][2].numpy()})
        table = torch.cat([each.boxes, each.scores[:, None]], dim=1).numpy()
        found.append([table[(each.labels == label).numpy()] for label in range(len(names))])
    given: dict[str, Any] = {"labels": labels, "predictions": found}
    overlooked = rank.compute_overlooked_box_scores(**given)
    located, swapped = rank.compute_badloc_box_scores(**given), rank.compute_swap_box_scores(**given)
    errors: list[LabelError] = []
    for (image, own, given_classes, each), new, far, other in zip(rows, overlooked, located, swapped, strict=True):
        errors += _overlooked(image, each, new, names)
        for box, quality in enumerate(np.minimum(far, other)):
            if quality < 1:
                kind = TYPES[1 if far[box] <= other[box] else 2]
                errors.append(LabelError(image, kind, 1 - quality, names[int(given_classes[box])], "", 0.0, own[box]))
    return sorted(errors, key=lambda error: -error.score)


def _overlooked(
    image: str, found: Detections, quality: Float[np.ndarray, " n"], names: Sequence[str]
) -> Iterable[LabelError]:
    """Yield the predictions that cleanlab calls overlooked, whose quality is not NaN."""
    for number in np.flatnonzero(~np.isnan(quality)):
        suggested, score = names[int(found.labels[number])], float(found.scores[number])
        yield LabelError(image, TYPES[0], 1 - float(quality[number]), "", suggested, score, found=found.boxes[number])


def classes(weights: str, seeds: int) -> Iterable[str]:
    """Yield the figures of the classifier."""
    reader = Cifar10("cifar10", "test")
    network = ResNet20().eval()
    network.load_state_dict(load_file(weights))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = torch.stack([reader.raw(index) for index in range(len(reader))])  # [n, 3, 32, 32]
    with torch.inference_mode():
        values = (pixels / 255 - mean[:, None, None]) / std[:, None, None]  # [n, 3, 32, 32]
        scores = torch.cat([network(each).softmax(dim=1) for each in torch.split(values, 250)])  # [n, 10]
    ids = [reader.entry(index).id for index in range(len(reader))]
    targets = {each: reader.target(index) for index, each in enumerate(ids)}
    predictions = {each: Labels(score) for each, score in zip(ids, scores, strict=True)}
    right = sum(int(scores[index].argmax()) == int(each.label) for index, each in enumerate(targets.values()))
    runs = []
    for seed in range(seeds):
        changed, errors = plant_classes(targets, reader.names, derive_seed("plant", "cifar10", seed))
        runs.append((errors, judged(class_label_errors(changed, predictions, reader.names), errors)))
    yield f"CIFAR-10 test: {len(ids)} images, {len(runs[0][0])} planted errors; accuracy {right / len(ids):.3f}"
    yield from figures(runs, ids)


def plant_classes(
    targets: Mapping[str, ClassLabel], names: Sequence[str], seed: int
) -> tuple[dict[str, ClassLabel], list[Planted]]:
    """Return targets of which 10 % have another class, and the errors."""
    draw = torch.Generator().manual_seed(seed)
    ids, changed = [*targets], dict(targets)
    chosen = [ids[index] for index in torch.randperm(len(ids), generator=draw)[: round(PLANTED * len(ids))].tolist()]
    for image in chosen:
        others = [label for label in range(len(names)) if label != int(targets[image].label)]
        changed[image] = ClassLabel(torch.tensor(one_of(others, draw)))
    return changed, [Planted("wrong class", image, names[int(targets[image].label)]) for image in chosen]


def one_of(choices: Sequence[int], draw: torch.Generator) -> int:
    """Return one of several numbers, all equally probable."""
    return choices[int(torch.randint(len(choices), (), generator=draw))]


class ResNet20(nn.Module):
    """The network of He et al. (2016, section 4.2) with three stages of three blocks; shortcuts have no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        widths = (16, 16, 32, 64)
        stages = [
            nn.Sequential(*(_Block(before if first == 0 else width, width) for first in range(3)))
            for before, width in pairwise(widths)
        ]
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(64, 10)

    def forward(self, images: Float[Tensor, "b 3 32 32"]) -> Float[Tensor, "b 10"]:
        """Return the logits of each class."""
        found = self.bn1(self.conv1(images)).relu()  # [b, 16, 32, 32]
        found = self.layer3(self.layer2(self.layer1(found)))  # [b, 64, 8, 8]
        logits: Tensor = self.linear(found.mean(dim=(2, 3)))
        return logits


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which takes every second pixel and adds zero channels where widths differ."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.added = width - before
        stride = 2 if self.added else 1
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """Return the features."""
        short = x
        if self.added:
            short = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added // 2, self.added - self.added // 2))
        found = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        out: Tensor = (found + short).relu()
        return out


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
