from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from polyhead.errors import PolyheadError, SettingError
from polyhead.nets.backbones.timm import Timm

SMALL = "test_resnet"


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    """Return the tensors of a small network."""
    return timm.create_model(SMALL).state_dict()


def test_levels_are_selected_by_stride() -> None:
    backbone = Timm(SMALL, strides=(32, 4))
    assert backbone.strides == [4, 32]
    levels = backbone(torch.zeros(1, 3, 64, 96)).levels
    assert [tuple(level.shape[1:]) for level in levels] == [
        (backbone.channels[0], 16, 24),
        (backbone.channels[1], 2, 3),
    ]


def test_images_are_normalized_once_with_the_given_mean_and_std() -> None:
    backbone = Timm(SMALL, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)).eval()
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    expected = backbone.net((image / 255 - 0.5) / 0.25)
    for given in (image, image.float()):
        torch.testing.assert_close(backbone(given).levels, expected, atol=1e-4, rtol=1e-4)
    assert {"mean", "std"} <= set(backbone.state_dict())


def test_mean_and_std_come_from_the_argument_then_the_file_then_timm(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    path = tmp_path / "a.safetensors"
    save_file(state, path, {"mean": "[0.1, 0.2, 0.3]"})
    from_file = Timm(SMALL, str(path))
    torch.testing.assert_close(from_file.mean.flatten(), 255 * torch.tensor([0.1, 0.2, 0.3]))
    settings = timm.get_pretrained_cfg(SMALL)
    assert settings is not None
    torch.testing.assert_close(from_file.std.flatten(), 255 * torch.tensor(settings.std))
    given = Timm(SMALL, str(path), mean=(0.0, 0.0, 0.0))
    assert not given.mean.any()


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_are_loaded_from_a_file(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full: Any = timm.create_model(SMALL, num_classes=7).eval()  # another classifier is allowed
    path = tmp_path / f"a.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": full.state_dict()}, path)
    else:
        save_file(full.state_dict(), path)
    monkeypatch.setenv("POLYHEAD_WEIGHTS", str(tmp_path))
    backbone = Timm(SMALL, f"a.{suffix}", (32,), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)).eval()
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(backbone(image).levels[0], full.forward_features(image / 255))


def test_timm_stores_no_second_copy_of_the_weights() -> None:
    backbone = Timm(SMALL)
    held = [value for module in backbone.modules() for value in vars(module).values() if isinstance(value, dict)]
    assert not [value for value in held if value.get("state_dict") or value.get("pretrained_cfg")]


def test_the_message_about_faulty_weights_names_the_fault(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "a.pth"
    key = next(iter(state))
    for fault, message in [
        ({name: value for name, value in state.items() if name != key}, f"{key} is missing"),
        ({**state, "spare.weight": state[key]}, "spare.weight is not part of the network"),
        ({**state, key: torch.zeros(2, 3)}, rf"{key} has shape \[2, 3\] instead of"),
        ([1, 2], "is not a dictionary of tensors"),
    ]:
        torch.save(fault, path)
        with pytest.raises(PolyheadError, match=message):
            Timm(SMALL, str(path))
    for suffix in ("pth", "safetensors"):
        broken = tmp_path / f"broken.{suffix}"
        broken.write_bytes(b"no weights")
        with pytest.raises(PolyheadError, match=r"cannot be read as weights"):
            Timm(SMALL, str(broken))
    with pytest.raises(PolyheadError, match=r"none.pth' was not found"):
        Timm(SMALL, "none.pth")


def test_a_failed_download_raises_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise FileNotFoundError("there is no connection\nand more")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(PolyheadError) as caught:
        Timm(SMALL, "hub")
    assert str(caught.value) == (
        f"weights=hub: the weights of {SMALL!r} could not be downloaded (there is no connection). "
        "Use a weights file, or null for random weights."
    )


def test_wrong_names_and_strides_raise_an_error_with_a_remedy() -> None:
    with pytest.raises(PolyheadError, match=r"no network 'resnet5O'; did you mean 'resnet50"):
        Timm("resnet5O")
    with pytest.raises(PolyheadError, match=r"levels of strides \[2, 4, 8, 16, 32\], not \[64\]"):
        Timm(SMALL, strides=(64,))
    with pytest.raises(PolyheadError, match="no convolution before its classifier"):
        Timm(SMALL, last_conv=True)
    assert Timm(SMALL, last_conv=None).last is None
    with pytest.raises(SettingError, match=r"std: expected three numbers of 0..1, one for each of RGB, got \[0.5\]"):
        Timm(SMALL, std=[0.5])


def test_the_last_convolution_of_efficientnet() -> None:
    backbone = Timm("test_efficientnet", strides=(16, 32), last_conv=True)
    full = timm.create_model("test_efficientnet")
    assert backbone.channels[-1] == full.num_features
    levels = backbone(torch.zeros(1, 3, 64, 64)).levels
    assert levels[1].shape == (1, full.num_features, 2, 2)
    assert Timm("test_efficientnet", strides=(16, 32), last_conv=None).channels == backbone.channels


def test_channels_last_networks_take_images_of_any_size_and_return_channels_first() -> None:
    backbone = Timm("swin_tiny_patch4_window7_224", strides=(16, 32)).eval()
    with torch.inference_mode():
        levels = backbone(torch.zeros(1, 3, 75, 98, dtype=torch.uint8)).levels
    assert [tuple(level.shape) for level in levels] == [(1, 384, 5, 7), (1, 768, 3, 4)]


def test_features_of_real_weights_equal_those_of_timm(weights_root: Path) -> None:
    path = weights_root / "mobilenetv2_100.safetensors"
    half = (0.5, 0.5, 0.5)
    backbone = Timm("mobilenetv2_100", str(path), mean=half, std=half, last_conv=True).eval()
    assert backbone.channels == [32, 96, 1280]
    overlay = {"file": str(path)}
    full: Any = timm.create_model("mobilenetv2_100", pretrained=True, pretrained_cfg_overlay=overlay).eval()
    image = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8)
    with torch.inference_mode():
        expected = full.forward_features(image / 127.5 - 1)
        torch.testing.assert_close(backbone(image).levels[-1], expected, atol=1e-4, rtol=1e-3)
