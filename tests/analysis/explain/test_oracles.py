"""Maps are equal to those of other libraries: captum (a class), torch-cam (a box)."""

from functools import partial
from typing import Any

import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torchcam.methods import GradCAM, LayerCAM

from polyhead.analysis.explain.layers import Layers, cam, gradients, trace
from polyhead.analysis.explain.methods import normalized
from polyhead.boxes.nms import class_nms
from polyhead.contracts.network import Head
from polyhead.models import classifier, yolox
from polyhead.nets.heads.dense import Dense
from polyhead.nets.model import Model
from polyhead.types import InputSpec, TaskInfo

SIDE, TASK = 64, "a"


class Raw(nn.Module):
    """The raw predictions of a head for images, without what explanations do."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    @property
    def head(self) -> Head:
        """The head."""
        return self.model.head(TASK)

    def forward(self, images: Tensor) -> Any:
        """Compute them."""
        return self.head(self.model.trunk(images, TASK))


def build(function: Any, **settings: Any) -> Raw:
    """Return a network with random weights."""
    torch.manual_seed(0)
    model: Model = function(**settings, size=SIDE)
    model.build({TASK: TaskInfo(["cat", "dog", "cow"])}, {TASK: InputSpec("image", (SIDE, SIDE))})
    return Raw(model).double().eval()  # with random weights, float32 differs by more than the tolerance


def images() -> Tensor:
    return torch.randint(0, 256, (1, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1)).double()


def test_the_map_of_a_class_is_that_of_captum() -> None:
    raw = build(classifier, backbone="test_resnet")
    backbone = raw.model.backbone_of(TASK)
    found: dict[int, Tensor] = {}
    traced = trace(raw.model, raw.head, images(), TASK)
    (stride,) = traced.levels["backbone"]
    for label in range(3):
        levels = gradients(traced, raw.head.logit(traced.raw, None, label), Layers("backbone", (stride,)))
        found[label] = cam(levels, "gradcam")
    layer = LayerGradCam(lambda pixels: raw(pixels)[0], backbone.get_submodule("net.layer4"))
    for label, values in found.items():
        expected = layer.attribute(images(), target=label, relu_attributions=True)[0, 0]
        torch.testing.assert_close(values, normalized(expected.detach().float()), atol=1e-5, rtol=0)
    assert max(float(values.sum()) for values in found.values()) > 0


@pytest.mark.parametrize(("method", "oracle"), [("gradcam", GradCAM), ("layercam", LayerCAM)])
@pytest.mark.parametrize(("stride", "layer"), [(8, "dark3"), (16, "dark4"), (32, "dark5")])
def test_the_map_of_a_box_is_that_of_torchcam(method: str, oracle: Any, stride: int, layer: str) -> None:
    raw = build(yolox, scale="nano", weights=None)
    assert isinstance(raw.head, Dense)
    raw.head.suppress = partial(class_nms, score_threshold=0.0)  # random weights have low scores
    traced = trace(raw.model, raw.head, images(), TASK)
    prediction = raw.head.decode(traced.raw)[0]
    total = 0.0
    for place in range(3):
        extractor = oracle(raw, getattr(raw.model.backbone_of(TASK), layer))
        target = partial(_logit, raw.head, prediction, place)
        (expected,) = extractor(scores=[raw(images())], targets=target, normalized=False)
        extractor.remove_hooks()
        logit = raw.head.logit(traced.raw, prediction, place)
        values = cam(gradients(traced, logit, Layers("backbone", (stride,))), method)
        torch.testing.assert_close(values, normalized(expected[0].float()), atol=1e-5, rtol=0)
        total += float(values.sum())
    assert total > 0


def _logit(head: Head, prediction: Any, place: int, output: Any) -> Tensor:
    """Return what explains a box, in the order of arguments that torch-cam calls."""
    return head.logit(output, prediction, place)
