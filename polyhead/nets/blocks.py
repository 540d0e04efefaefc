"""Small sequences of layers that many parts are made of."""

from torch import nn


def conv_norm_act(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU; the map shrinks by ``stride`` (rounded up) and by nothing else."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def separable(inputs: int, outputs: int, *, bias: float | None = None) -> nn.Sequential:
    """A 3x3 convolution of each channel by itself, then a 1x1 convolution, with a bias if its first value is given."""
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    pointwise = nn.Conv2d(inputs, outputs, 1, bias=bias is not None)
    for conv in (depthwise, pointwise):
        nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
    if pointwise.bias is not None and bias is not None:
        nn.init.constant_(pointwise.bias, bias)
    return nn.Sequential(depthwise, pointwise)


def steady_norm(width: int) -> nn.BatchNorm2d:
    """Batch norm whose running mean reaches back some thirty steps, not ten, for small batches.

    EfficientDet's own code reaches back a hundred, for trainings of 100,000 steps; after sixty, evaluation would still
    see half of the statistics from before training.
    """
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.03)
