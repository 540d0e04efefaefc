"""Where maps are computed: layers by name, and gradients through frozen networks."""

import pytest
import torch
from builders.red_or_blue import CELL, SIDE, photo, predictor

from polyhead.analysis.explain.layers import Layers, cam, gradients, trace
from polyhead.errors import PolyheadError
from polyhead.models import ssd300
from polyhead.types import InputSpec, TaskInfo


@pytest.mark.parametrize(
    ("text", "layers", "name"),
    [
        ("backbone", Layers("backbone"), "backbone.sum"),
        ("neck.sum", Layers("neck"), "neck.sum"),
        ("neck.16", Layers("neck", (16,)), "neck.16"),
    ],
)
def test_layers_by_name(text: str, layers: Layers, name: str) -> None:
    assert Layers.parse(text) == layers
    assert str(layers) == name


@pytest.mark.parametrize("text", ["head", "neck.large", "", "backbone.8.16"])
def test_names_that_are_no_layers(text: str) -> None:
    with pytest.raises(PolyheadError, match=rf"such as 'neck\.8' or 'backbone\.sum', got '{text}'"):
        Layers.parse(text)


@pytest.mark.parametrize("method", ["gradcam", "layercam", "hirescam"])
def test_the_map_of_a_classifier_marks_what_it_looks_at(method: str) -> None:
    model = predictor().model
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # frozen parts can be explained
    traced = trace(model, model.head("color"), photo()[None], "color")
    values = cam(gradients(traced, model.head("color").logit(traced.raw, None, 0), Layers()), method)
    assert values.shape == (SIDE // CELL, SIDE // CELL)
    expected = torch.zeros(8, 8)
    expected[5:7, 1:3] = 1
    torch.testing.assert_close(values, expected)


def test_levels_are_added_and_a_missing_one_is_named() -> None:
    torch.manual_seed(0)
    model = ssd300(backbone="test_resnet", size=64, width=16)
    model.build({"a": TaskInfo(["cat", "dog"])}, {"a": InputSpec("image", (64, 64))})
    model.eval()
    inputs = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    traced = trace(model, model.head("a"), inputs, "a")
    with torch.no_grad():
        (found,) = model.head("a").decode(traced.raw)
    logit = model.head("a").logit(traced.raw, found, 0)
    strides = list(traced.levels["neck"])
    assert strides == model.pyramid_spec("a").strides
    everything = cam(gradients(traced, logit, Layers("neck")), "layercam")
    assert everything.shape == traced.levels["neck"][strides[0]].shape[-2:]
    anchor = int(found.anchors[0])
    own = int(traced.raw.strides[anchor])
    other = next(stride for stride in strides if stride != own)
    assert cam(gradients(traced, logit, Layers("neck", (own,))), "layercam").max() == 1
    assert (
        cam(gradients(traced, logit, Layers("neck", (other,))), "layercam").max() == 0
    )  # the box does not depend on it
    with pytest.raises(PolyheadError, match=r"levels: the neck has no level of stride 7\. It has "):
        cam(gradients(traced, logit, Layers("neck", (7,))), "layercam")
