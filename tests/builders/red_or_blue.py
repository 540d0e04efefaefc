"""A classifier whose explanation is known: it finds red by the cells that are red, and blue by those that are blue."""

import torch
from torch import Tensor
from torch.nn import functional as F

from polyhead.contracts.network import Backbone
from polyhead.modalities.image import Image
from polyhead.nets.heads.classify import Classify
from polyhead.nets.model import Model
from polyhead.types import InputSpec, Pyramid, TaskInfo
from polyhead.workflows.predictor import Predictor

SIDE, CELL = 64, 8
NAMES = ["red", "blue"]


class Colors(Backbone):
    """How much more red than blue each cell is, and the reverse; then six channels of noise that are not used."""

    def __init__(self) -> None:
        super().__init__()
        self.channels, self.strides = [8], [CELL]
        self.unused = torch.nn.Conv2d(3, 6, CELL, CELL)

    def forward(self, inputs: Tensor) -> Pyramid:
        """Compute one level ``[b, 8, h / 8, w / 8]``."""
        values = inputs.float() / 255
        cells = F.avg_pool2d(values, CELL)  # [b, 3, h / 8, w / 8]
        difference = cells[:, :1] - cells[:, 2:]
        level = torch.cat([difference.relu(), (-difference).relu(), self.unused(values).relu()], dim=1)
        return Pyramid([level], (int(inputs.shape[-2]), int(inputs.shape[-1])))


def predictor() -> Predictor:
    """Return the classifier, ready to predict and to be explained."""
    torch.manual_seed(0)
    model = Model(Colors(), [], Classify, (SIDE, SIDE))
    model.build({"color": TaskInfo(NAMES)}, {"color": InputSpec("image", (SIDE, SIDE))})
    head = model.head("color")
    assert isinstance(head, Classify)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.weight[0, 0] = head.linear.weight[1, 1] = 40.0
        head.linear.bias.copy_(torch.tensor([-1.0, 1.0]))
    modality = Image()
    modality.restore({"size": [SIDE, SIDE], "fit": "stretch"})
    return Predictor(model, {"color": NAMES}, {"color": modality}, "32-true")


def photo(left: int = 8, top: int = 40, side: int = 16) -> Tensor:
    """Return a gray image with a red square, uint8 ``[3, 64, 64]``."""
    image = torch.full((3, SIDE, SIDE), 114, dtype=torch.uint8)
    image[:, top : top + side, left : left + side] = torch.tensor([230, 20, 20], dtype=torch.uint8)[:, None, None]
    return image
