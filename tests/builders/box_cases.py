"""Random and real target boxes, with detections made by moving them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from polyhead.types import Boxes, Detections, Size

NOTHING = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))


class Case(NamedTuple):
    """Targets and detections by image id, and class names."""

    targets: dict[str, Boxes]
    predictions: dict[str, Detections]
    names: list[str]


def target(
    boxes: Tensor | Sequence[Sequence[float]],
    labels: Tensor | Sequence[int],
    classes: int,
    *,
    ignore: Tensor | Sequence[bool] | None = None,
    areas: Tensor | None = None,
    size: Size = (480, 640),
) -> Boxes:
    """Return the objects of an image; by default none is ignored, and areas are those of the boxes."""
    corners = torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    flags = torch.zeros(len(labels), dtype=torch.bool) if ignore is None else torch.as_tensor(ignore, dtype=torch.bool)
    areas = (corners[:, 2:] - corners[:, :2]).prod(1) if areas is None else areas
    annotated = torch.ones(classes, dtype=torch.bool)
    return Boxes(corners, torch.as_tensor(labels, dtype=torch.int64), flags, areas, annotated, size)


def jittered(each: Boxes, classes: int, extra: int, generator: torch.Generator, *, ties: bool = True) -> Detections:
    """Move the targets, some twice or with another class, and add boxes of the background."""
    copies = torch.cat([each.boxes, each.boxes[::2]])
    noise = (torch.rand(copies.shape, generator=generator) - 0.5) * (copies[:, 2:] - copies[:, :2]).repeat(1, 2) * 0.5
    labels = torch.cat([each.labels, each.labels[::2]])
    wrong = torch.rand(labels.shape, generator=generator) < 0.1
    labels = torch.where(wrong, torch.randint(classes, labels.shape, generator=generator), labels)
    corner = torch.rand(extra, 2, generator=generator) * 400
    background = torch.cat([corner, corner + 5 + torch.rand(extra, 2, generator=generator) * 150], 1)
    boxes = torch.cat([copies + noise, background])
    labels = torch.cat([labels, torch.randint(classes, (extra,), generator=generator)])
    scores = torch.rand(boxes.shape[0], generator=generator)
    scores = (scores * 50).round() / 50 if ties else scores
    order = scores.argsort(descending=True, stable=True)
    return Detections(boxes[order], scores[order], labels[order])


def random_case(
    seed: int, *, images: int = 40, classes: int = 4, objects: int = 8, extra: int = 6, ties: bool = True
) -> Case:
    """Make images with crowds, without objects, without detections, and a last class without objects."""
    generator = torch.Generator().manual_seed(seed)
    targets, predictions = {}, {}
    for index in range(images):
        count = int(torch.randint(objects + 1, (), generator=generator)) if index % 5 else 0
        corner = torch.rand(count, 2, generator=generator) * 400
        sides = torch.exp(torch.rand(count, 2, generator=generator) * 3.5 + 2)
        boxes = torch.cat([corner, corner + sides], 1)
        labels = torch.randint(max(1, classes - 1), (count,), generator=generator)
        crowd = torch.rand(count, generator=generator) < 0.15
        areas = sides.prod(1) * (0.4 + 0.6 * torch.rand(count, generator=generator))
        name = f"p{index:04d}"
        targets[name] = target(boxes, labels, classes, ignore=crowd, areas=areas)
        if index % 7 != 3:
            predictions[name] = jittered(targets[name], classes, extra, generator, ties=ties)
    return Case(targets, predictions, [f"class {label}" for label in range(classes)])


def det10(root: Path) -> Case:
    """Return the val images of coco_mini/det10 with jittered targets as detections."""
    content = json.loads((root / "coco_mini/det10/annotations/instances_val2017.json").read_text())
    label = {category["id"]: index for index, category in enumerate(content["categories"])}
    names = [category["name"] for category in content["categories"]]
    generator = torch.Generator().manual_seed(0)
    targets = {}
    for image in content["images"]:
        rows = [row for row in content["annotations"] if row["image_id"] == image["id"]]
        boxes = torch.tensor([row["bbox"] for row in rows], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        targets[str(image["id"])] = target(
            boxes,
            [label[row["category_id"]] for row in rows],
            len(names),
            ignore=[bool(row["iscrowd"]) for row in rows],
            areas=torch.tensor([row["area"] for row in rows], dtype=torch.float32),
        )
    predictions = {name: jittered(each, len(names), 20, generator) for name, each in targets.items()}
    return Case(targets, predictions, names)
