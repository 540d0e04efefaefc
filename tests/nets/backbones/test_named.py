import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.nets.backbones.named import backbone
from polyhead.nets.backbones.networks import skeleton, strides_of
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.backbones.vit import Vit
from polyhead.types import Size

EXACT = {
    "vit_tiny_patch16_224": Vit,
    "vit_small_patch14_reg4_dinov2": Vit,
    "vit_small_patch16_dinov3": Vit,
    "vit_small_patch32_224": Vit,
    "xcit_nano_12_p8_224": Vit,
    "swin_tiny_patch4_window7_224": Timm,
    "resnet18": Timm,
    "mobilenetv3_small_050": Timm,
}
"""Networks whose levels have ``ceil(side / stride)`` cells."""
ROUNDED_DOWN = {"test_convnext": Timm}
"""Networks that leave out the last pixels."""
SIZES: list[Size] = [(96, 64), (75, 100)]


@pytest.mark.parametrize(("name", "kind"), {**EXACT, **ROUNDED_DOWN}.items())
def test_levels_have_the_channels_strides_and_shapes_that_the_backbone_states(name: str, kind: type) -> None:
    """The device ``meta`` computes shapes only, so large networks cost nothing here."""
    with torch.device("meta"):
        network = backbone(name)
    assert isinstance(network, kind)
    assert network.strides == [8, 16, 32]
    for size in SIZES:
        pyramid = network(torch.zeros(2, 3, *size, dtype=torch.uint8, device="meta"))
        assert pyramid.canvas == size
        for level, channels, stride in zip(pyramid.levels, network.channels, network.strides, strict=True):
            assert level.shape[:2] == (2, channels)
            for count, side in zip(level.shape[2:], size, strict=True):
                assert count == -(-side // stride) if name in EXACT else abs(count - side / stride) < 1


def test_without_strides_only_the_last_level_is_used() -> None:
    assert backbone("test_resnet", strides=None).strides == [32]
    vit = backbone("test_vit", strides=None)
    assert (vit.strides, vit.channels) == ([16], [64])


def test_the_other_arguments_are_passed_on() -> None:
    timm = backbone("test_efficientnet", strides=(16, 32), last_conv=True, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    assert timm.channels[-1] == 256
    for name in ("test_resnet", "test_vit"):
        state = backbone(name, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)).state_dict()
        torch.testing.assert_close(state["mean"].flatten(), 255 * torch.tensor([0.1, 0.2, 0.3]))
        torch.testing.assert_close(state["std"].flatten(), 255 * torch.tensor([0.4, 0.5, 0.6]))
        with pytest.raises(PolyheadError, match=r"none.pth' was not found"):
            backbone(name, "none.pth")


def test_a_skeleton_has_no_values_and_draws_no_random_numbers() -> None:
    skeleton.cache_clear()
    before = torch.get_rng_state()
    assert strides_of("test_vit") == [16]
    assert strides_of("test_resnet") == [2, 4, 8, 16, 32]
    assert torch.equal(before, torch.get_rng_state())
    assert all(tensor.is_meta for tensor in skeleton("test_vit").net.state_dict().values())
