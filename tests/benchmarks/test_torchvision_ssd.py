import torch

from benchmarks.torchvision_ssd import ssd
from polyhead.boxes.anchors import cxcywh_to_xyxy
from polyhead.models import ssd300
from polyhead.nets.backbones.timm import Timm
from polyhead.types import TaskInfo


def test_the_reference_has_the_levels_and_almost_the_default_boxes_of_ours() -> None:
    ours = ssd300("resnet10t", size=96).build({"pets": TaskInfo(["cat", "dog"])}).eval()
    reference = ssd(Timm("resnet10t"), (96, 96), 2).eval()
    images = torch.zeros(1, 3, 96, 96)
    with torch.no_grad():
        levels = list(reference.backbone(images).values())
        mine = ours.trunk(images).levels
        raw = ours(images)["pets"]
    assert [level.shape[-2:] for level in levels] == [level.shape[-2:] for level in mine]
    boxes = reference.anchor_generator(reference.transform([images[0]])[0], levels)[0]
    assert boxes.shape == raw.anchors.shape
    later = levels[0].shape[-1] ** 2 * 4  # the paper's first scale is .07, ours .075
    assert torch.allclose(boxes[later:], cxcywh_to_xyxy(raw.anchors[later:]), atol=1e-3)


def test_images_are_normalized_as_the_trunk_wants_them() -> None:
    reference = ssd(Timm("resnet10t", mean=[0.5] * 3, std=[0.25] * 3), (64, 64), 1)
    assert torch.tensor(reference.transform.image_mean).allclose(torch.tensor(0.5))
    assert torch.tensor(reference.transform.image_std).allclose(torch.tensor(0.25))
