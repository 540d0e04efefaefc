"""CSPDarknet-53 is filled from a Darknet file in the order of yolov4.cfg, and computes what Darknet computes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional as F

from polyhead.errors import PolyheadError, SettingError
from polyhead.nets.backbones.named import backbone
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.backbones.yolov4 import NETWORK, write_darknet

STAGES = ((1, 64, 64, 32), (2, 128, 64, 64), (8, 256, 128, 128), (8, 512, 256, 256), (4, 1024, 512, 512))
"""Residual blocks of each stage, its channels, those of both branches, and those within a block (yolov4.cfg)."""
HEADER = np.array([0, 2, 5, 0, 0], "<i4").tobytes()


def shapes() -> Iterator[tuple[int, int, int]]:
    """Yield outputs, inputs and side of the kernel of each convolution in the order of yolov4.cfg."""
    before = 32
    yield 32, 3, 3
    for blocks, width, branch, inner in STAGES:
        yield width, before, 3
        yield branch, width, 1  # the bypass
        yield branch, width, 1
        for _ in range(blocks):
            yield inner, branch, 1
            yield branch, inner, 3
        yield branch, branch, 1
        yield width, 2 * branch, 1
        before = width


def generated(seed: int = 0) -> np.ndarray[Any, Any]:
    """Return random numbers of all convolutions in the order of a file."""
    draw = np.random.default_rng(seed)
    parts: list[np.ndarray[Any, Any]] = []
    for outputs, inputs, side in shapes():
        bias, mean = draw.normal(0, 0.1, (2, outputs))
        scale, variance = draw.uniform(0.5, 1.5, (2, outputs))
        kernel = draw.normal(0, (1 / (inputs * side**2)) ** 0.5, outputs * inputs * side**2)
        parts += [bias, scale, mean, variance, kernel]
    return np.concatenate(parts).astype("<f4")


def darknet(numbers: np.ndarray[Any, Any], images: Tensor) -> list[Tensor]:
    """Compute the levels of strides 8, 16 and 32 in Darknet's order, from the flat numbers; images are in 0..1."""
    values, at = torch.from_numpy(numbers.copy()), 0
    convolutions = shapes()

    def take(*shape: int) -> Tensor:
        nonlocal at
        count = int(np.prod(shape))
        at += count
        return values[at - count : at].view(shape)

    def convolve(feature: Tensor, stride: int = 1) -> Tensor:
        outputs, inputs, side = next(convolutions)
        bias, scale, mean, variance = (take(outputs) for _ in range(4))
        result = F.conv2d(feature, take(outputs, inputs, side, side), stride=stride, padding=side // 2)
        result = (result - mean.view(-1, 1, 1)) / (variance.view(-1, 1, 1) + 1e-5).sqrt()
        result = result * scale.view(-1, 1, 1) + bias.view(-1, 1, 1)
        return result * torch.tanh(F.softplus(result))

    feature, levels = convolve(images), []
    for blocks, *_ in STAGES:
        down = convolve(feature, 2)
        bypass = convolve(down)
        main = convolve(down)
        for _ in range(blocks):
            main = main + convolve(convolve(main))
        feature = convolve(torch.cat([convolve(main), bypass], 1))
        levels.append(feature)
    assert at == len(values)
    return levels[-3:]


@pytest.fixture(scope="module")
def numbers() -> np.ndarray[Any, Any]:
    return generated()


@pytest.fixture(scope="module")
def file(numbers: np.ndarray[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that goes on after the backbone, as ``yolov4.weights`` does."""
    path = tmp_path_factory.mktemp("weights") / "yolov4.weights"
    path.write_bytes(HEADER + numbers.tobytes() + np.linspace(-1, 1, 1000).astype("<f4").tobytes())
    return path


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(0, 256, (2, 3, 64, 96), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.slow
@torch.no_grad()
def test_it_computes_what_darknet_computes(file: Path, numbers: np.ndarray[Any, Any], images: Tensor) -> None:
    network = Timm(NETWORK, str(file)).eval()
    found = network(images).levels
    expected = darknet(numbers, images / 255)
    for level, other in zip(found, expected, strict=True):
        assert other.std() > 0.01
        torch.testing.assert_close(level, other, atol=1e-4, rtol=1e-4)
    other_order = Timm(NETWORK).eval()
    other_order.load_state_dict(network.state_dict())  # as a model is built from the weights file of a run
    torch.testing.assert_close(other_order(images).levels, found)


@pytest.mark.slow
def test_a_file_is_written_and_read_equal(file: Path, numbers: np.ndarray[Any, Any], tmp_path: Path) -> None:
    network = Timm(NETWORK, str(file))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    path = tmp_path / "yolov4.conv.137"
    write_darknet(network.net, path)
    assert path.read_bytes() == HEADER + numbers.tobytes()
    again = Timm(NETWORK, str(path)).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in before.items() if "num_batches" not in name)
    bypass = network.net.stages_1.conv_exp.conv.weight[:64].flatten()  # after the stem, stage 0 and the next two
    start = sum(outputs * (4 + inputs * side**2) for outputs, inputs, side in list(shapes())[:9]) + 4 * 64
    assert np.array_equal(bypass.detach().numpy(), numbers[start : start + len(bypass)])


def test_the_order_has_the_shapes_of_the_network() -> None:
    with torch.device("meta"):
        state = timm.create_model(NETWORK, num_classes=0).state_dict()
    assert len(list(shapes())) == 72
    counted = sum(value.numel() for name, value in state.items() if "num_batches" not in name)
    assert counted == sum(outputs * (4 + inputs * side**2) for outputs, inputs, side in shapes())


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (32 * 31 + 64 * (4 + 32 * 9) + 100, r"in the middle of convolution 3 of 72 \(\[64, 64, 1, 1\]\)"),
        (32 * 31 + 64 * (4 + 32 * 9), r"before convolution 3 of 72 \(\[64, 64, 1, 1\]\)"),
    ],
)
def test_a_short_file_is_refused_with_the_place_where_it_ends(
    keep: int, message: str, numbers: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    path = tmp_path / "yolov4.weights"
    path.write_bytes(HEADER + numbers[:keep].tobytes())
    with pytest.raises(PolyheadError, match=f"does not contain weights of YOLOv4's CSPDarknet-53: it ends {message}"):
        Timm(NETWORK, str(path))


def test_a_file_of_other_convolutions_is_refused(numbers: np.ndarray[Any, Any], tmp_path: Path) -> None:
    path = tmp_path / "yolov3.weights"
    path.write_bytes(HEADER + np.concatenate([numbers[: 32 * 31], numbers[32 * 31 + 64 :]]).tobytes())
    with pytest.raises(
        PolyheadError, match=r"in the place of the variances of convolution 2 of 72 \(\[64, 32, 3, 3\]\)"
    ):
        Timm(NETWORK, str(path))
    path.write_bytes(HEADER + bytes(7))
    with pytest.raises(PolyheadError, match=r"yolov3.weights cannot be read as weights of Darknet: .*got 27 bytes"):
        Timm(NETWORK, str(path))


def test_only_this_network_reads_such_files(file: Path) -> None:
    with pytest.raises(
        PolyheadError, match=r"files of Darknet are read for the backbone cspdarknet53 .* 'test_resnet'"
    ):
        Timm("test_resnet", str(file))
    with pytest.raises(PolyheadError, match="not for timm's 'test_vit'"):
        backbone("test_vit", str(file))


@pytest.mark.slow
def test_a_normalization_is_refused_with_such_a_file(file: Path) -> None:
    with pytest.raises(SettingError, match=r"std: weights of Darknet are for images in 0..1 that are not normalized"):
        Timm(NETWORK, str(file), std=(0.2, 0.2, 0.2))


@pytest.mark.parametrize("normalized", [True, False])
def test_the_activation_follows_the_normalization(normalized: bool) -> None:
    given: dict[str, Any] = {} if normalized else {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    modules: Any = Timm(NETWORK, **given).modules()
    activations = {type(each.bn.act) for each in modules if hasattr(each, "bn")}
    assert activations == {torch.nn.LeakyReLU if normalized else torch.nn.Mish}
