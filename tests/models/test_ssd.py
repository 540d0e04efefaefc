from pathlib import Path
from typing import Literal

import pytest
import torch
from builders.image_batches import images

from polyhead.boxes.raw import DensePredictions
from polyhead.errors import PolyheadError
from polyhead.models import ssd300
from polyhead.nets.heads.dense import Dense
from polyhead.types import Batch, BoxBatch, Meta, TaskInfo

BACKBONE = "test_resnet"


@pytest.mark.parametrize(("size", "boxes"), [(300, 8766), (512, 24564)])
def test_ssd_has_as_many_boxes_as_in_the_paper(size: int, boxes: int) -> None:
    """At 512 exactly; at 300 the paper's 8732, 2 x 2 x 4 of one more level, and two more in each of 3 x 3 cells."""
    model = ssd300(BACKBONE, size=size, width=16).build({"pets": TaskInfo(["cat", "dog"])}).eval()
    raw: DensePredictions = model(images(1, size))["pets"]
    assert raw.deltas.shape == (1, boxes, 4)
    assert model.pyramid_spec().strides == [8, 16, 32, 64, 128, 256, 512]


def test_a_model_works_on_images_of_another_size() -> None:
    model = ssd300(BACKBONE, size=96, width=16).build({"pets": TaskInfo(["cat"])}).eval()
    head = model.head("pets")
    for size in (64, 96, 160):
        assert len(head.decode(model(images(2, size))["pets"])) == 2


@pytest.mark.parametrize(("neck", "nms", "depth"), [("extras", "hard", 1), ("fpn", "soft", 0)])
def test_ssd_can_overfit_two_images(neck: str, nms: str, depth: int) -> None:
    torch.manual_seed(0)
    model = ssd300(BACKBONE, size=64, width=32, depth=depth, neck=neck, nms=nms)  # type: ignore[arg-type]
    head = model.build({"pets": TaskInfo(["cat", "dog"])}).head("pets")
    assert isinstance(head, Dense)
    target = BoxBatch(
        torch.tensor([[[4.0, 4, 40, 50]], [[20, 10, 60, 30]]]),
        torch.tensor([[0], [1]]),
        torch.zeros(2, 1, dtype=torch.bool),
        torch.ones(2, 2, dtype=torch.bool),
    )
    given = Batch(images(2, 64), target, [Meta("a"), Meta("b")])
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(40):
        terms = head.losses(model(given.inputs)["pets"], given)
        loss = torch.stack([term.value for term in terms.values()]).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    for i, found in enumerate(head.decode(model(given.inputs)["pets"])):
        assert found.labels[0] == target.labels[i, 0]
        assert found.scores[0] > 0.5
        torch.testing.assert_close(found.boxes[0], target.boxes[i, 0], atol=4, rtol=0)


def test_weights_of_the_backbone_are_loaded(weights_root: Path) -> None:
    path = str(weights_root / "mobilenetv2_100.safetensors")
    half = (0.5, 0.5, 0.5)
    first, second, without = (
        ssd300("mobilenetv2_100", weights, mean=half, std=half).build({}).backbone.state_dict()
        for weights in (path, path, None)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["net.conv_stem.weight"], without["net.conv_stem.weight"])


@pytest.mark.parametrize("nms", ["hard", "soft"])
def test_the_number_of_detections_is_a_setting(nms: Literal["hard", "soft"]) -> None:
    """A perfect answer for 400 objects."""

    def found(most: int, limit: int = 0) -> int:
        model = ssd300(BACKBONE, width=16, smallest=0.08, nms=nms, max_detections=most)
        model = model.build({"t": TaskInfo(["cell"])}).eval()
        head = model.head("t")
        assert isinstance(head, Dense)
        if limit:
            head.limit(limit)
        raw: DensePredictions = model(images(1, 300))["t"]
        x = torch.arange(20) * 15 + 7.5
        centers = torch.cartesian_prod(x, x)  # [400, 2]
        boxes = torch.cat([centers - 5, centers + 5], 1)
        nearest = (raw.anchors[None] - torch.cat([centers, torch.full((400, 2), 10.5)], 1)[:, None]).abs().sum(-1)
        best = nearest.argmin(1)
        deltas, logits = torch.zeros_like(raw.deltas), torch.tensor([-9.0, 9.0]).expand_as(raw.logits).clone()
        deltas[0, best] = head.coder.encode(boxes, raw.anchors[best], raw.strides[best])
        logits[0, best] = torch.tensor([9.0, -9.0])
        return len(head.decode(raw._replace(deltas=deltas, logits=logits))[0].scores)

    assert found(200) == 200
    assert found(1000) == 400
    assert found(200, limit=300) == 300


def test_the_number_of_detections_is_positive() -> None:
    with pytest.raises(PolyheadError, match="max_detections must be 1 or more, got 0"):
        ssd300(BACKBONE, max_detections=0)
