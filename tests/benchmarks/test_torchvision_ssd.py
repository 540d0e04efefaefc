import torch

from benchmarks.torchvision_ssd import ssd
from polyhead.boxes.anchors import corners
from polyhead.models import ssd300
from polyhead.nets.backbones.timm import Timm


def test_the_rival_has_the_levels_and_almost_the_default_boxes_of_ours() -> None:
    ours = ssd300("resnet10t", size=96).build({"pets": ["cat", "dog"]}).eval()
    rival = ssd(Timm("resnet10t"), (96, 96), 2).eval()
    pictures = torch.zeros(1, 3, 96, 96)
    with torch.no_grad():
        levels = list(rival.backbone(pictures).values())
        mine = ours.trunk(pictures).levels
        raw = ours(pictures)["pets"]
    assert [level.shape[-2:] for level in levels] == [level.shape[-2:] for level in mine]
    boxes = rival.anchor_generator(rival.transform([pictures[0]])[0], levels)[0]
    assert boxes.shape == raw.anchors.shape
    later = levels[0].shape[-1] ** 2 * 4  # the paper's first scale is .07, ours .075
    assert torch.allclose(boxes[later:], corners(raw.anchors[later:]), atol=1e-3)


def test_pictures_are_normalised_as_the_trunk_wants_them() -> None:
    rival = ssd(Timm("resnet10t", mean=[0.5] * 3, std=[0.25] * 3), (64, 64), 1)
    assert torch.tensor(rival.transform.image_mean).allclose(torch.tensor(0.5))
    assert torch.tensor(rival.transform.image_std).allclose(torch.tensor(0.25))
