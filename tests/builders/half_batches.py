"""The gradients of a batch whose images are divided among processes."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, distributed

from polyhead.engine.reduce import loss_values
from polyhead.models import efficientdet, unified
from polyhead.nets.model import Model
from polyhead.rng import fork_rng
from polyhead.types import Batch, BoxBatch, LabelBatch, MaskBatch, TaskInfo

SIDE, IMAGES = 64, 4
NAMES = ["cat", "dog", "owl"]


class Targets(NamedTuple):
    """The targets of all kinds of head."""

    boxes: BoxBatch
    masks: MaskBatch
    labels: LabelBatch


def batch() -> tuple[Tensor, Targets]:
    """Return images with three, one and no objects, and different numbers of ignored pixels, and their targets."""
    generator = torch.Generator().manual_seed(0)
    low = 30 * torch.rand(IMAGES, 3, 2, generator=generator)
    boxes = torch.cat([low, low + 10 + 20 * torch.rand(IMAGES, 3, 2, generator=generator)], dim=2)  # [b, 3, 4], xyxy
    labels = torch.randint(0, len(NAMES), (IMAGES, 3), generator=generator)
    masks = torch.randint(0, len(NAMES), (IMAGES, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    for image, (objects, ignored_rows) in enumerate([(3, 0), (1, 5), (0, 60), (0, 64)]):
        boxes[image, objects:], labels[image, objects:] = 0, -1
        masks[image, :ignored_rows] = 255
    images = torch.randint(0, 256, (IMAGES, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    nothing, every = torch.zeros_like(labels, dtype=torch.bool), torch.ones(IMAGES, len(NAMES), dtype=torch.bool)
    classes = torch.randint(0, len(NAMES), (IMAGES,), generator=generator)
    return images, Targets(BoxBatch(boxes, labels, nothing, every), MaskBatch(masks), LabelBatch(classes))


def networks() -> list[Model]:
    """Return networks with every head and loss of the package, in eval mode: batch norm does not mix images."""
    losses: list[Literal["huber", "ciou"]] = ["huber", "ciou"]
    with fork_rng(0, "weights"):
        several = unified({"seg": "segment", "det": "detect", "cls": "classify"}, "test_resnet", size=SIDE)
        dense = [
            efficientdet("test_resnet", size=SIDE, width=16, repeats=1, depth=1, loss=loss).build(
                {"det": TaskInfo(NAMES)}
            )
            for loss in losses
        ]
        return [
            several.build(dict.fromkeys(("seg", "det", "cls"), TaskInfo(NAMES))).eval(),
            *(model.eval() for model in dense),
        ]


def gradients(images: slice) -> list[Tensor]:
    """Return the gradient of each parameter on some images; without dice, which is no mean over images."""
    every, targets = batch()
    by_kind = {"detection": targets.boxes, "segmentation": targets.masks, "classification": targets.labels}
    found = []
    for model in networks():
        pyramid = model.trunk(every[images])
        terms = {}
        for task in model.heads:
            head = model.head(task)
            columns: Any = by_kind[head.kind]
            given = Batch(every[images], type(columns)(*(column[images] for column in columns)), [])
            terms[task] = head.losses(head(pyramid), given)
        values = [value for named in loss_values(terms).values() for name, value in named.items() if name != "dice"]
        torch.autograd.backward(torch.stack(values).sum())
        found += [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return found


def mean_gradients(rank: int, folder: Path) -> None:
    """Compute the gradients on a half of the batch in one of two processes; the first saves the means of both."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=(folder / "meeting").as_uri(), rank=rank, world_size=2)
    half = IMAGES // 2
    found = gradients(slice(rank * half, (rank + 1) * half))
    for gradient in found:
        distributed.all_reduce(gradient)
    if rank == 0:
        torch.save([gradient / 2 for gradient in found], folder / "gradients.pt")
    distributed.destroy_process_group()
