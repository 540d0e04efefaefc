"""The layers of YOLOv3: convolutions with batch norm and a leaky ReLU, as in the Darknet framework."""

from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1
"""Slope of the leaky ReLU for negative values; timm's Darknet has .01, with which official weights are wrong."""


class DarknetConv(nn.Module):
    """Convolution without bias, batch norm and leaky ReLU; the padding keeps height and width but for the stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, a=SLOPE, nonlinearity="leaky_relu")
        self.norm = nn.BatchNorm2d(outputs, momentum=0.03)  # a small value for small batches

    def forward(self, feature: Tensor) -> Tensor:
        """Compute a map ``[b, outputs, h / stride, w / stride]``, rounded up."""
        return F.leaky_relu(self.norm(self.conv(feature)), SLOPE, inplace=True)


class DarknetResidual(nn.Module):
    """A 1x1 convolution to half of the channels and a 3x3 one back, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(DarknetConv(width, width // 2, 1), DarknetConv(width // 2, width, 3))

    def forward(self, feature: Tensor) -> Tensor:
        """Compute a map of the same shape."""
        result: Tensor = feature + self.layers(feature)
        return result
