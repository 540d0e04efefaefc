from collections.abc import Callable
from typing import Any

import pytest
import torch
from builders.image_batches import images
from torch import Tensor, nn

from polyhead.models import classifier, efficientdet, ssd300, unified, yolov3, yolov3_tiny, yolox
from polyhead.nets.fold import fold, folded_copy
from polyhead.nets.model import Model
from polyhead.types import TaskInfo

SIZE = 64
HEADS = {"seg": "segment", "det": "detect", "cls": "classify"}
MODELS: dict[str, Callable[[], Model]] = {
    "ssd": lambda: ssd300("test_resnet", size=SIZE, width=16),
    "efficientdet": lambda: efficientdet("test_efficientnet", size=SIZE, width=16, repeats=1, depth=1),
    "classifier": lambda: classifier("test_byobnet", size=SIZE),
    "unified": lambda: unified(HEADS, "test_resnet", size=SIZE),
    "yolov3": lambda: yolov3(size=SIZE, width=0.125, depth=0.125),
    "yolov3_tiny": lambda: yolov3_tiny(size=SIZE, width=0.25),
    "yolox_nano": lambda: yolox(size=SIZE),
    "yolox_tiny": lambda: yolox(size=SIZE, scale="tiny"),
}
each_model = pytest.mark.parametrize("name", MODELS)


def built(name: str) -> Model:
    """Return a model whose batch norms change what they are given."""
    torch.manual_seed(0)
    model = MODELS[name]().build({task: TaskInfo(["cat", "dog"]) for task in (HEADS if name == "unified" else ["a"])})
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return model.eval()


@torch.inference_mode()
def outputs(model: Model) -> list[Tensor]:
    """Return all tensors that the heads compute."""
    found: list[Tensor] = []

    def add(value: Any) -> None:
        if isinstance(value, Tensor):
            found.append(value.float())
        elif isinstance(value, list | tuple):
            for each in value:
                add(each)

    for raw in model(images(2, SIZE)).values():
        add(raw)
    return found


def error(found: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest difference relative to the largest value of each tensor, of all tensors."""
    pairs = zip(found, expected, strict=True)
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in pairs)


def norms(model: nn.Module) -> int:
    return sum(isinstance(each, nn.BatchNorm2d) for each in model.modules())


@each_model
def test_a_folded_model_computes_the_same(name: str) -> None:
    model = built(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    expected = outputs(model)
    folded = folded_copy(model, outputs)
    assert error(outputs(folded), expected) < 1e-4
    assert norms(model) > 2
    assert norms(folded) <= (norms(model) // 2 if name == "efficientdet" else 0)  # whose levels share convolutions
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(outputs(model)[0], expected[0])


@each_model
def test_bfloat16_is_as_exact_as_before(name: str) -> None:
    model = built(name)
    exact = outputs(model)
    folded = folded_copy(model, outputs)
    with torch.autocast("cpu", torch.bfloat16):
        before, after = outputs(model), outputs(folded)
    assert error(after, exact) < 2 * error(before, exact) + 0.01


class Shared(nn.Module):
    """A convolution that is used twice, one whose output is used twice, and one that can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.reused, self.plain = (nn.Conv2d(2, 2, 1) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(2) for _ in range(4))
        for norm in self.norms:
            nn.init.uniform_(norm.get_buffer("running_var"), 0.5, 2)

    def forward(self, feature: Tensor) -> Tensor:
        first = self.norms[1](self.twice(self.norms[0](self.twice(feature))))
        second = self.reused(first)
        result: Tensor = self.norms[3](self.plain(self.norms[2](second) + second))
        return result


def test_only_what_nothing_else_uses_is_folded() -> None:
    torch.manual_seed(0)
    model = Shared().eval()
    example = torch.rand(1, 2, 3, 3)
    with torch.inference_mode():
        expected = model(example)
        assert fold(model, lambda: model(example)) == 1
        torch.testing.assert_close(model(example), expected)
    assert [isinstance(each, nn.BatchNorm2d) for each in model.norms] == [True, True, True, False]
    assert fold(model, lambda: model(example)) == 0


def test_batch_norms_without_statistics_stay() -> None:
    model = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)).eval()
    assert fold(model, lambda: model(torch.rand(2, 2, 3, 3))) == 0
