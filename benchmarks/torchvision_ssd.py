"""torchvision's SSD on a timm backbone, the reference for Polyhead's SSD.

Network head, default boxes, resizing, loss and suppression are torchvision's; only the backbone and the levels behind
it are put together here, since torchvision ships its SSD on VGG16 alone.
"""

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.ops import Conv2dNormActivation

from polyhead.nets.backbones.timm import Timm
from polyhead.types import Size


class Levels(nn.Module):
    """The levels of a backbone, and further levels of half the size each until one has a single cell.

    The widths are those of torchvision's SSD300 (512, then 256). Batch norm in the extra layers, as torchvision's
    SSDlite has it: without it the reference would need a warm-up. For the same reason the backbone's levels can be
    scaled, where torchvision scales its first one by an L2 norm: levels of MobileNetV2 end in no activation, and are so
    large that the first epoch's mean loss of torchvision's head on them was 110; scaled it was 22.
    """

    def __init__(self, backbone: Timm, size: Size, scaled: bool) -> None:
        super().__init__()
        self.backbone = backbone.net
        self.scales = nn.ModuleList(nn.BatchNorm2d(each) if scaled else nn.Identity() for each in backbone.channels)
        self.extras = nn.ModuleList()
        self.out_channels = list(backbone.channels)
        stride = backbone.strides[-1]
        while max(size) > stride:
            width = 256 if self.extras else 512
            squeeze = Conv2dNormActivation(self.out_channels[-1], width // 2, kernel_size=1)
            self.extras.append(nn.Sequential(squeeze, Conv2dNormActivation(width // 2, width, kernel_size=3, stride=2)))
            self.out_channels.append(width)
            stride *= 2

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Return the levels by number, finest first."""
        levels = self.backbone(images)
        for extra in self.extras:
            levels.append(extra(levels[-1]))
        for number, scale in enumerate(self.scales):
            levels[number] = scale(levels[number])
        return OrderedDict((str(number), level) for number, level in enumerate(levels))


def ssd(backbone: Timm, size: Size, classes: int, *, scaled: bool = False) -> SSD:
    """Return torchvision's SSD with the SSD paper's scales and ratios, and its defaults for everything else.

    Args:
        backbone: its layers, and the mean and std of its weights; its own forward pass is not used.
        size: height and width that torchvision resizes images to.
        classes: without background.
        scaled: batch norm on each of the backbone's levels.
    """
    levels = Levels(backbone, size, scaled)
    count = len(levels.out_channels)
    step = 0.75 / (count - 2)
    ratios = [[2] if level == 0 or level >= count - 2 else [2, 3] for level in range(count)]
    boxes = DefaultBoxGenerator(ratios, scales=[0.07, *(0.15 + step * level for level in range(count))])
    mean, std = ((value.flatten() / 255).tolist() for value in (backbone.mean, backbone.std))
    return SSD(levels, boxes, size, classes + 1, image_mean=mean, image_std=std)
