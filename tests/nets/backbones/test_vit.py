from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.errors import PolyheadError, SettingError
from polyhead.nets.backbones import vit
from polyhead.nets.backbones.vit import Vit

SMALL = "test_vit"
"""Patches of 16 pixels, trained on images of 160."""
POOLED = "test_vit2"
"""Averages its patch tokens before the final norm."""
PATCH_14 = "eva02_tiny_patch14_224"
UNCHANGED: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}
"""With these, the network gets the values 0..255 as they are."""


def image(height: int, width: int, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.fixture
def backbone() -> Vit:
    torch.manual_seed(0)
    return Vit(SMALL).eval()


def test_uint8_and_float_images_give_the_same_levels_each_time(backbone: Vit) -> None:
    first = backbone(image(75, 100))
    for given in (image(75, 100), image(75, 100).float()):
        torch.testing.assert_close(backbone(given), first, atol=0, rtol=0)


def test_an_image_does_not_affect_the_others_of_its_batch(backbone: Vit) -> None:
    both = backbone(image(50, 40, 2)).levels
    alone = backbone(image(50, 40, 2)[1:]).levels
    torch.testing.assert_close([level[1:] for level in both], alone)


def test_images_are_padded_with_the_mean_color(backbone: Vit) -> None:
    """The mean of this network's weights is the gray of value 127.5."""
    small = image(90, 70).float()
    padded = F.pad(small, (0, 10, 0, 6), value=127.5)  # [1, 3, 96, 80]
    levels, expected = backbone(small).levels, backbone(padded).levels
    assert [level.shape[2:] for level in levels] == [(12, 9), (6, 5), (3, 3)]  # ceil(90 / 8), ceil(70 / 8), and so on
    assert [level.shape[2:] for level in expected] == [(12, 10), (6, 5), (3, 3)]
    torch.testing.assert_close(levels, [expected[0][..., :9], *expected[1:]])


def test_the_level_of_the_patch_size_is_the_last_map_and_coarser_ones_are_its_maxima(tmp_path: Path) -> None:
    full: Any = timm.create_model(SMALL, num_classes=7).eval()  # another classifier is allowed
    save_file(full.state_dict(), tmp_path / "a.safetensors")
    backbone = Vit(SMALL, str(tmp_path / "a.safetensors"), (16, 32, 64), **UNCHANGED).eval()
    tokens = full.forward_features(image(160, 160).float())[:, 1:]  # without the class token, [1, 10 * 10, c]
    expected = tokens.transpose(1, 2).unflatten(2, (10, 10))
    levels = backbone(image(160, 160)).levels
    torch.testing.assert_close(levels[0], expected, atol=1e-4, rtol=1e-4)
    for level, kernel in zip(levels[1:], (2, 4), strict=True):
        torch.testing.assert_close(level, F.max_pool2d(levels[0], kernel, ceil_mode=True))


def test_the_final_norm_of_a_network_that_pools_first_is_applied_to_each_token() -> None:
    torch.manual_seed(0)
    full: Any = timm.create_model(POOLED).eval()
    torch.manual_seed(0)
    backbone = Vit(POOLED, strides=(16,), **UNCHANGED).eval()
    expected = full.fc_norm(full.forward_features(image(160, 160).float())[:, full.num_prefix_tokens :])
    level = backbone(image(160, 160)).levels[0]
    torch.testing.assert_close(level.flatten(2).transpose(1, 2), expected, atol=1e-4, rtol=1e-4)


def average_of_patches(net: nn.Module, images: Tensor) -> Tensor:
    """Stand in for the last map of a transformer: the mean of the pixels of each patch."""
    assert isinstance(net, nn.Module)
    return F.avg_pool2d(images, 14)


def test_cells_of_another_stride_than_the_patch_size_are_where_anchors_expect_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backbone = Vit(PATCH_14, strides=(16, 32), **UNCHANGED)
    monkeypatch.setattr(vit, "last_map", average_of_patches)
    for height, width in [(224, 160), (130, 300), (17, 500)]:
        y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
        level = backbone(torch.stack([x, y, x])[None]).levels[0][0]  # [3, h / 16, w / 16]
        assert level.shape[1:] == (-(-height // 16), -(-width // 16))
        whole = (height // 16 - 1, width // 16 - 1)  # cells whose patches lie in the image; the others see padding
        expected = 16 * torch.arange(100.0) + 7.5  # mean coordinate of the pixels of a cell
        torch.testing.assert_close(level[0, : whole[0], : whole[1]], expected[: whole[1]].expand(whole))
        torch.testing.assert_close(level[1, : whole[0], : whole[1]].T, expected[: whole[0]].expand(whole[::-1]))


def test_patch_14_alone_is_the_map_itself() -> None:
    backbone = Vit(PATCH_14, strides=(14,))
    assert (backbone.strides, backbone.channels) == ([14], [192])
    assert backbone.eval()(image(71, 28)).levels[0].shape == (1, 192, 6, 2)


def load_into_another(backbone: Vit) -> Vit:
    """Return another backbone with the same tensors; mean and std are among them."""
    another = Vit(SMALL, mean=(0.1, 0.2, 0.3)).eval()
    another.load_state_dict(backbone.state_dict())
    return another


@pytest.mark.parametrize("copy", [deepcopy, load_into_another])
def test_a_copy_gives_the_same_levels(copy: Callable[[Vit], Vit], backbone: Vit) -> None:
    torch.testing.assert_close(copy(backbone)(image(40, 72)), backbone(image(40, 72)))


def test_bfloat16_gives_nearly_the_same_levels(backbone: Vit) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        rounded = backbone(image(64, 96)).levels
    for level, expected in zip(rounded, backbone(image(64, 96)).levels, strict=True):
        assert (level - expected).abs().mean() < 0.02 * expected.abs().mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "vit_tiny_patch16_225"}, "no network 'vit_tiny_patch16_225'; did you mean 'vit_tiny_patch16_224"),
        ({"name": "test_resnet"}, r"'test_resnet' has levels of strides \[2, 4, 8, 16, 32\]. Use the class Timm"),
        ({"name": "test_vit_relpos"}, "backbone: 'test_vit_relpos' does not take images of any size .* 160 x 160"),
        ({"last_conv": True}, "no convolution before its classifier"),
        ({"weights": "none.pth"}, r"none.pth' was not found"),
    ],
)
def test_wrong_arguments_raise_an_error_with_a_remedy(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        Vit(**{"name": SMALL, **arguments})


@pytest.mark.parametrize("strides", [(12,), (14, 32), (0,), (-8,)])
def test_impossible_strides_raise_an_error(strides: tuple[int, ...]) -> None:
    with pytest.raises(SettingError, match=r"strides: expected powers of two, or only the patch size 16, got \["):
        Vit(SMALL, strides=strides)
