"""A backbone that normalizes its images with the mean and standard deviation of its weights."""

from abc import ABC
from collections.abc import Mapping, Sequence

import timm
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from polyhead.contracts.network import Backbone
from polyhead.errors import SettingError

RGB = "RGB"


def pad_to_multiple(images: Float[Tensor, "b 3 h w"], multiple: int) -> Float[Tensor, "b 3 h2 w2"]:
    """Pad normalized images with zeros, the mean color, on the right and at the bottom.

    Args:
        images: normalized images.
        multiple: height and width of the result are multiples of it.
    """
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple))


class Normalized(Backbone, ABC):
    """A backbone with the buffers ``mean`` and ``std``, which the weights files of a run therefore contain.

    Attributes:
        mean: mean of each color channel for images in 0..255, ``[1, 3, 1, 1]``.
        std: standard deviation of each color channel, likewise.
    """

    mean: Tensor
    std: Tensor

    def set_normalization(
        self,
        name: str,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        from_file: Mapping[str, Sequence[float]],
    ) -> None:
        """Set mean and standard deviation: the given ones, else the weights file's, else timm's for the network.

        Args:
            name: timm's name of the network.
            mean: mean of each color channel, for images in 0..1.
            std: standard deviation of each color channel, for images in 0..1.
            from_file: ``mean`` and ``std`` where the weights file has them.

        Raises:
            SettingError: if mean or std are not three numbers.
        """
        settings = timm.get_pretrained_cfg(name)
        for key, given in (("mean", mean), ("std", std)):
            value = given or from_file.get(key) or getattr(settings, key)
            if len(value) != len(RGB):
                raise SettingError(f"{key}: expected three numbers of 0..1, one for each of {RGB}, got {list(value)}")
            # Scaled to images in 0..255, shape [1, 3, 1, 1].
            self.register_buffer(key, 255 * torch.tensor(list(value), dtype=torch.float32).view(1, 3, 1, 1))

    def normalize(self, inputs: Tensor) -> Tensor:
        """Normalize images ``[b, 3, h, w]``, uint8 or float in 0..255."""
        images = inputs.to(self.mean.dtype, memory_format=torch.channels_last)
        return (images - self.mean) / self.std
