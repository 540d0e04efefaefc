"""Weights files of the Darknet framework (``yolov4.weights``, ``darknet53.conv.74``): numbers without names.

A header of three whole numbers (major and minor version, revision) and the number of images seen; then for each
convolution, in the order of its configuration file, the bias, the scale, mean and variance of its batch norm if it has
one, and the kernel. Partial files end after one of the convolutions.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from polyhead.errors import PolyheadError
from polyhead.run import atomic_write


class Layer(NamedTuple):
    """A convolution of a file.

    Attributes:
        conv: the convolution.
        norm: the batch norm after it; None where the convolution has a bias instead.
        outputs: its output channels, where the network computes several convolutions of the file as one.
    """

    conv: nn.Conv2d
    norm: nn.BatchNorm2d | None
    outputs: slice = slice(None)

    def tensors(self) -> Iterator[Tensor]:
        """Yield the tensors in the order of the files, as views."""
        if self.norm is None:
            assert self.conv.bias is not None
            yield self.conv.bias[self.outputs]
        else:
            yield from (self.norm.bias[self.outputs], self.norm.weight[self.outputs])
            assert self.norm.running_mean is not None
            assert self.norm.running_var is not None
            yield from (self.norm.running_mean[self.outputs], self.norm.running_var[self.outputs])
        yield self.conv.weight[self.outputs]

    @property
    def size(self) -> int:
        """Number of values in the files."""
        return sum(each.numel() for each in self.tensors())

    @property
    def shape(self) -> list[int]:
        """Shape of its kernel."""
        return list(self.conv.weight[self.outputs].shape)


class Values(NamedTuple):
    """The content of a file.

    Attributes:
        path: the file.
        numbers: all numbers after the header, float32.
        seen: number of images that the network was trained on.
    """

    path: Path
    numbers: Tensor
    seen: int


def read_values(path: Path) -> Values:
    """Read a file.

    Raises:
        PolyheadError: if it is too short for a header, or does not hold whole numbers of four bytes.
    """
    content = path.read_bytes()
    major, minor, _ = np.frombuffer(content[:12].ljust(12, b"\0"), "<i4").tolist()
    wide = major * 10 + minor >= 2  # later versions count more images than four bytes can hold
    start = 20 if wide else 16
    if len(content) < start or (len(content) - start) % 4 or not (0 <= major < 1000 and 0 <= minor < 1000):
        raise PolyheadError(
            f"{path} cannot be read as weights of Darknet: expected a header and numbers of 4 bytes, got "
            f"{len(content)} bytes that begin with version {major}.{minor}. Use a file such as yolov3.weights."
        )
    seen = np.frombuffer(content[12:start], "<i8" if wide else "<i4")[0]
    return Values(path, torch.from_numpy(np.frombuffer(content[start:], "<f4").copy()), int(seen))


def is_darknet(path: Path) -> bool:
    """Return whether a file is named like Darknet's: ``yolov4.weights``, ``yolov4.conv.137``."""
    return path.suffix == ".weights" or ".conv" in path.suffixes


@torch.no_grad()
def fill(layers: Sequence[Layer], values: Values, network: str, *, begins: bool = False) -> int:
    """Copy the numbers of a file into convolutions, in their order, as far as the file goes.

    Args:
        layers: the convolutions.
        values: the content of the file.
        network: name of the network, for the error message.
        begins: whether these are the first convolutions of a network: the file has all of them, and may go on.

    Returns:
        How many convolutions were filled.

    Raises:
        PolyheadError: if the file ends within a convolution, or goes on after the last one without ``begins``; with it,
            also if the file ends before the last one. And if the variance of a batch norm is none, which shows a file
            of a network with other convolutions.
    """
    at = 0
    total = values.numbers.numel()
    refused = f"{values.path} does not contain weights of {network}:"
    for number, layer in enumerate(layers):
        place = f"convolution {number + 1} of {len(layers)} ({layer.shape})"
        if at == total and number and not begins:
            return number
        if at + layer.size > total:
            where = "before" if at == total else "in the middle of"
            raise PolyheadError(f"{refused} it ends {where} {place}. Use a file of this network.")
        for tensor in layer.tensors():
            tensor.copy_(values.numbers[at : at + tensor.numel()].view_as(tensor))
            at += tensor.numel()
        if not _has_variances(layer):
            raise PolyheadError(
                f"{refused} in the place of the variances of {place}, it has numbers that are negative or not finite. "
                "Use a file of this network."
            )
    if at < total and not begins:
        raise PolyheadError(
            f"{refused} it has {total - at} numbers more than its {len(layers)} convolutions. Use a file of this "
            "network."
        )
    return len(layers)


def _has_variances(layer: Layer) -> bool:
    """Return whether the variances of a convolution's batch norm can be some."""
    if layer.norm is None:
        return True
    *_, variance, _ = layer.tensors()
    return bool((variance.isfinite() & (variance >= 0)).all())


def write_values(path: Path, layers: Iterable[Layer], seen: int = 0) -> None:
    """Write convolutions to a file, of version 0.2.5.

    Args:
        path: the file.
        layers: the convolutions, in the order of the file.
        seen: number of images that the network was trained on.
    """
    numbers = [tensor.detach().float().cpu().numpy().ravel() for layer in layers for tensor in layer.tensors()]
    with atomic_write(path) as partial:
        header = np.array([0, 2, 5], "<i4").tobytes() + np.array([seen], "<i8").tobytes()
        partial.write_bytes(header + np.concatenate(numbers).astype("<f4").tobytes())
