"""Short sequences of layers that several parts use."""

from torch import nn


def conv_norm_act(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Build a convolution without bias, batch norm and ReLU.

    The map is reduced by ``stride`` only (rounded up): the padding keeps height and width.
    """
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def separable_conv(inputs: int, outputs: int, *, bias: float | None = None) -> nn.Sequential:
    """Build a depthwise separable convolution: 3x3 depthwise, then 1x1 pointwise.

    Args:
        inputs: input channels.
        outputs: output channels.
        bias: initial value of the bias of the pointwise convolution; None for no bias.
    """
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    pointwise = nn.Conv2d(inputs, outputs, 1, bias=bias is not None)
    for conv in (depthwise, pointwise):
        nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
    if pointwise.bias is not None and bias is not None:
        nn.init.constant_(pointwise.bias, bias)
    return nn.Sequential(depthwise, pointwise)


def slow_batch_norm(width: int) -> nn.BatchNorm2d:
    """Build batch norm whose running statistics average about thirty steps instead of ten, for small batches.

    EfficientDet's own code averages a hundred, for trainings of 100,000 steps; after sixty steps, half of those
    statistics would still be from before training.
    """
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.03)
