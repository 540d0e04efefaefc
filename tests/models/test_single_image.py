"""Every model trains on batches of one image, at the smallest sizes too."""

from collections.abc import Callable

import pytest
import torch
from builders.image_batches import images

from polyhead.engine.reduce import loss_values
from polyhead.models import classifier, efficientdet, ssd300, unified
from polyhead.nets.batch_norm import allow_single_values
from polyhead.nets.model import Model
from polyhead.types import Batch, BoxBatch, LabelBatch, MaskBatch, Meta, TaskInfo

BACKBONE = "test_resnet"
MODELS: dict[str, Callable[[int], Model]] = {
    "ssd": lambda side: ssd300(BACKBONE, size=side, width=16),
    "efficientdet": lambda side: efficientdet(BACKBONE, size=side, width=16, repeats=1, depth=1),
    "classifier": lambda side: classifier(BACKBONE, size=side),
    "unified": lambda side: unified({"seg": "segment", "det": "detect", "cls": "classify"}, BACKBONE, size=side),
}
TASKS = {"ssd": ["det"], "efficientdet": ["det"], "classifier": ["cls"], "unified": ["seg", "det", "cls"]}


@pytest.mark.parametrize("side", [32, 64, 100])
@pytest.mark.parametrize("name", MODELS)
def test_every_loss_of_one_image_has_finite_gradients(name: str, side: int) -> None:
    torch.manual_seed(0)
    model = MODELS[name](side).build({task: TaskInfo(["cat", "dog"]) for task in TASKS[name]}).train()
    allow_single_values(model)
    none = torch.zeros(1, 1, dtype=torch.bool)
    boxes = BoxBatch(side * torch.tensor([[[0.1, 0.2, 0.6, 0.9]]]), torch.tensor([[1]]), none, torch.ones(1, 2) > 0)
    masks = MaskBatch(torch.ones(1, side, side, dtype=torch.uint8))
    targets = {"detection": boxes, "segmentation": masks, "classification": LabelBatch(torch.tensor([1]))}
    pyramid = model.trunk(images(1, side), TASKS[name][0])
    terms = {}
    for task in TASKS[name]:
        head = model.head(task)
        terms[task] = head.losses(head(pyramid), Batch(images(1, side), targets[head.kind], [Meta("a")]))
    total = torch.stack([value for named in loss_values(terms).values() for value in named.values()]).sum()
    total.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
