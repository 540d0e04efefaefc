from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from polyhead.errors import PolyheadError
from polyhead.nets.darknet_files import Layer, fill, read_values, write_values


def layers(seed: int, widths: tuple[int, ...] = (3, 4, 5)) -> list[Layer]:
    """Return two convolutions with batch norm, and one without, of random values."""
    torch.manual_seed(seed)
    made = []
    for before, after in pairwise(widths):
        norm = nn.BatchNorm2d(after)
        for value in norm.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.5, 2)
        made.append(Layer(nn.Conv2d(before, after, 3, bias=False), norm))
    return [*made, Layer(nn.Conv2d(widths[-1], 6, 1), None)]


def equal(one: list[Layer], other: list[Layer]) -> list[bool]:
    return [
        all(torch.equal(a, b) for a, b in zip(first.tensors(), second.tensors(), strict=True))
        for first, second in zip(one, other, strict=True)
    ]


def test_a_full_file_is_written_and_read_equal(tmp_path: Path) -> None:
    written, read = layers(0), layers(1)
    write_values(tmp_path / "a.weights", written, seen=2**40)
    values = read_values(tmp_path / "a.weights")
    assert (values.seen, fill(read, values, "it")) == (2**40, 3)
    assert equal(written, read) == [True] * 3
    write_values(tmp_path / "b.weights", read, seen=2**40)
    assert (tmp_path / "a.weights").read_bytes() == (tmp_path / "b.weights").read_bytes()


def test_a_partial_file_fills_the_first_convolutions(tmp_path: Path) -> None:
    written, read = layers(0), layers(1)
    write_values(tmp_path / "a.conv.2", written[:2])
    assert fill(read, read_values(tmp_path / "a.conv.2"), "it") == 2
    assert equal(written, read) == [True, True, False]


def test_files_of_the_first_versions_have_a_shorter_header(tmp_path: Path) -> None:
    header = np.array([0, 1, 0, 77], "<i4").tobytes()
    (tmp_path / "old.weights").write_bytes(header + np.array([1.5, 2.5], "<f4").tobytes())
    values = read_values(tmp_path / "old.weights")
    assert (values.seen, values.numbers.tolist()) == (77, [1.5, 2.5])


def test_the_order_is_bias_scale_mean_variance_kernel(tmp_path: Path) -> None:
    layer = layers(0)[0]
    assert layer.norm is not None
    write_values(tmp_path / "a.weights", [layer])
    numbers = read_values(tmp_path / "a.weights").numbers
    state = layer.norm.state_dict()
    expected = [state["bias"], state["weight"], state["running_mean"], state["running_var"], layer.conv.weight.detach()]
    assert torch.equal(numbers, torch.cat([each.flatten() for each in expected]))


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ((3, 4, 7), r"it ends in the middle of convolution 2 of 3 \(\[7, 4, 3, 3\]\). Use a file of this network."),
        ((3, 4, 4), r"it has 46 numbers more than its 3 convolutions"),
    ],
)
def test_files_of_other_networks_are_refused(widths: tuple[int, ...], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.weights"
    write_values(path, layers(0))
    with pytest.raises(PolyheadError, match=f"a.weights does not contain weights of it: {message}"):
        fill(layers(1, widths), read_values(path), "it")


@pytest.mark.parametrize("content", [b"", b"1234", bytes(21), b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_darknet_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.weights").write_bytes(content)
    with pytest.raises(PolyheadError, match=r"a.weights cannot be read as weights of Darknet: expected a header"):
        read_values(tmp_path / "a.weights")
