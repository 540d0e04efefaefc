from typing import Any

import torch
from builders.image_batches import images
from builders.official_weights import random_model
from torch import Tensor, nn

from polyhead.nets.calibrate import folded_norms, recalibrate
from polyhead.nets.csp import ConvBlock
from polyhead.nets.model import Model


def norms_of(model: Model) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
def fold(model: Model) -> None:
    """Multiply what precedes each batch norm by it, and leave a norm that adds the bias only, as converters do."""
    for block in model.modules():
        if isinstance(block, ConvBlock):
            norm: Any = block.bn
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
            block.conv.weight.mul_(factor.view(-1, 1, 1, 1))
            norm.bias.sub_(factor * norm.running_mean)
            norm.weight.fill_(1.0)
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)


@torch.no_grad()
def outputs(model: Model, inputs: Tensor) -> Tensor:
    logits: Tensor = model(inputs)["coco"].logits
    return logits


def test_new_and_trained_norms_are_not_folded() -> None:
    model = random_model(["cat"])
    assert folded_norms(model) == []
    assert recalibrate(model, [("coco", images(2, 64))]) == 0
    for norm in norms_of(model):
        norm.reset_running_stats()
    assert folded_norms(model) == []


def test_folded_norms_get_statistics_and_the_outputs_stay() -> None:
    model = random_model(["cat", "dog"])
    before = outputs(model, images(3, 96))
    fold(model)
    torch.testing.assert_close(outputs(model, images(3, 96)), before, atol=1e-3, rtol=1e-3)
    assert folded_norms(model) == norms_of(model)
    batches = [("coco", images(4, 96)[:2]), ("coco", images(4, 96)[2:])]
    assert recalibrate(model, batches) == len(norms_of(model))
    assert folded_norms(model) == []
    torch.testing.assert_close(outputs(model, images(3, 96)), before, atol=1e-3, rtol=1e-3)
    seen = images(4, 96)
    inside: list[tuple[Tensor, Tensor]] = []
    norm = norms_of(model)[0]
    hook = norm.register_forward_pre_hook(lambda module, inputs: inside.append(torch.var_mean(inputs[0], (0, 2, 3))))
    outputs(model, seen)
    hook.remove()
    variance, mean = inside[0]
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(norm.running_var, variance, rtol=1e-2, atol=1e-3)


def test_training_mode_is_close_to_evaluation_only_after_that() -> None:
    model = random_model(["cat", "dog"])
    fold(model)
    inputs = images(4, 96)
    before = outputs(model, inputs)

    def change() -> float:
        copied = random_model(["cat", "dog"])
        copied.load_state_dict(model.state_dict())
        return float((outputs(copied.train(), inputs) - before).abs().mean() / before.std())

    lost = change()
    recalibrate(model, [("coco", inputs)])
    assert change() < 0.1 * lost


def test_channels_without_variance_stay_finite() -> None:
    model = random_model(["cat"])
    fold(model)
    recalibrate(model, [("coco", torch.zeros(1, 3, 64, 64, dtype=torch.uint8))])
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
