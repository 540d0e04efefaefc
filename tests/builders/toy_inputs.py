"""Backbones for inputs that are not images, and one for images that is not timm's."""

from functools import partial

import torch
from torch import Tensor, nn

from polyhead.contracts.network import Backbone
from polyhead.nets.heads.classify import Classify
from polyhead.nets.model import Model
from polyhead.types import InputSpec, Pyramid


class Tiny(Backbone):
    """Images: a convolution for each of three levels; built at once."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.channels, self.strides = [width] * 3, [8, 16, 32]
        self.levels = nn.ModuleList([nn.Conv2d(3, width, 8, 8), *(nn.Conv2d(width, width, 2, 2) for _ in range(2))])

    def forward(self, inputs: Tensor) -> Pyramid:
        levels = [self.levels[0](inputs.float() / 255)]
        for level in self.levels[1:]:
            levels.append(level(levels[-1]))
        return Pyramid(levels, (inputs.shape[2], inputs.shape[3]))


class LateTiny(Tiny):
    """The same, built when the inputs are known."""

    def __init__(self, spec: InputSpec, width: int = 8) -> None:
        super().__init__(width)
        self.spec = spec


class Words(Backbone):
    """Texts: an embedding and two convolutions that do not look at padding (word 0)."""

    def __init__(self, spec: InputSpec, width: int = 8) -> None:
        super().__init__()
        self.channels, self.strides = [width], [1]
        self.embed = nn.Embedding(spec.info["words"], width, padding_idx=0)
        self.convolve = nn.Conv1d(width, width, 1)

    def forward(self, inputs: dict[str, Tensor]) -> Pyramid:
        ids = inputs["ids"]  # [b, t]
        return Pyramid([self.convolve(self.embed(ids).transpose(1, 2))], mask=ids > 0)


class Rows(Backbone):
    """Rows of a table: a linear layer."""

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.channels, self.strides = [4], [1]
        self.layer = nn.Linear(spec.info["columns"], 4)

    def forward(self, inputs: Tensor) -> Pyramid:
        return Pyramid([self.layer(inputs)])


SPECS = {
    "news": InputSpec("text", info={"words": 20}),
    "reviews": InputSpec("text", info={"words": 20}),
    "houses": InputSpec("rows", info={"columns": 3}),
}
"""What the tasks of :func:`texts_and_rows` read."""


def texts_and_rows() -> Model:
    """Return a model of which no part is built yet."""
    return Model({"text": Words, "rows": Rows}, [], partial(Classify, dropout=0.0), (1, 1))


def texts(count: int, length: int, seed: int = 0) -> dict[str, Tensor]:
    """Return random texts of different lengths, padded to ``length``."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, 20, (count, length), generator=generator)
    ends = torch.randint(1, length + 1, (count, 1), generator=generator)
    return {"ids": ids.masked_fill(torch.arange(length) >= ends, 0)}
