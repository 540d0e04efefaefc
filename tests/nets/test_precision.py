from copy import deepcopy

import pytest
import torch
from torch import nn

from polyhead.errors import PolyheadError
from polyhead.nets.precision import autocast, depthwise_in_float32, resolve, standard_defaults


@pytest.mark.parametrize(
    ("gpu", "cpu", "name"),
    [
        ((8, 0), {}, "bf16-mixed"),
        ((9, 0), {}, "bf16-mixed"),
        ((7, 5), {"avx512_bf16": True}, "16-mixed"),  # the GPU decides where there is one
        (None, {"avx512_bf16": True}, "bf16-mixed"),
        (None, {"amx_bf16": True, "avx512_bf16": False}, "bf16-mixed"),
        (None, {"avx512_bf16": False, "avx512_f": True}, "32-true"),
        (None, {}, "32-true"),
    ],
)
def test_auto_selects_what_the_hardware_supports_natively(
    gpu: tuple[int, int] | None, cpu: dict[str, bool], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: gpu)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu)
    assert resolve("auto") == name


@pytest.mark.parametrize(
    ("precision", "gpu", "dtype"),
    [
        ("32-true", False, None),
        ("bf16-mixed", False, torch.bfloat16),
        ("16-mixed", True, torch.float16),
        ("16-mixed", False, torch.bfloat16),  # as Lightning does
    ],
)
def test_inference_runs_in_the_requested_precision(
    precision: str, gpu: bool, dtype: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    with autocast(precision, "cpu"):
        assert torch.is_autocast_enabled("cpu") is (dtype is not None)
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype is (dtype or torch.float32)


def test_an_unknown_precision_raises_an_error() -> None:
    with pytest.raises(PolyheadError, match=r"precision: unknown name 'bf16-mixd'; did you mean 'bf16-mixed'\?"):
        resolve("bf16-mixd")


@pytest.mark.parametrize(
    ("conv", "slow"),
    [
        (nn.Conv2d(8, 8, 3, stride=2, groups=8), True),
        (nn.Conv2d(8, 8, 5, groups=8), True),
        (nn.Conv2d(8, 8, 3, groups=8), False),
        (nn.Conv2d(8, 8, 5), False),
        (nn.Conv2d(1, 8, 5), False),
    ],
)
def test_only_slow_depthwise_convolutions_train_in_float32(conv: nn.Conv2d, slow: bool) -> None:
    inputs = torch.randn(1, conv.in_channels, 9, 9)
    expected = conv(inputs).detach()
    depthwise_in_float32(nn.Sequential(conv))
    with torch.autocast("cpu", torch.bfloat16):
        in_training = conv(inputs)
        with torch.no_grad():
            in_inference = conv(inputs)
    assert (in_training.dtype is torch.float32) is slow
    assert in_inference.dtype is torch.bfloat16
    if slow:
        assert torch.equal(in_training, expected)


def test_a_copy_uses_its_own_weights() -> None:
    model = nn.Sequential(nn.Conv2d(8, 8, 5, groups=8))
    depthwise_in_float32(model)
    twin = deepcopy(model)
    for parameter in twin.parameters():
        nn.init.zeros_(parameter)
    assert not twin(torch.randn(1, 8, 9, 9)).any()
    assert model(torch.randn(1, 8, 9, 9)).any()
    assert list(model.state_dict()) == ["0.weight", "0.bias"]


def test_new_tensors_are_float32_on_the_cpu_whatever_a_program_has_set() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        with standard_defaults():
            made = torch.zeros(1)
        after = torch.zeros(1)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert (made.dtype, made.device.type) == (torch.float32, "cpu")
    assert (after.dtype, after.device.type) == (torch.float64, "meta")
