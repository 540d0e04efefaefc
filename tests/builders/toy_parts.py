"""Minimal implementations of every contract: two readers, a backbone, two heads and a continual loss."""

from abc import ABC
from collections.abc import Mapping
from math import isqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.contracts.network import Backbone, Head
from polyhead.contracts.reader import Reader
from polyhead.contracts.task import Task
from polyhead.engine.continual import ContinualLoss
from polyhead.nets.losses import kullback_leibler
from polyhead.nets.model import Model
from polyhead.rng import derive_seed
from polyhead.types import (
    Batch,
    Boxes,
    ClassLabel,
    Detections,
    Entry,
    Labels,
    LossTerm,
    Pyramid,
    PyramidSpec,
    SumCount,
    TaskInfo,
)

SIDE = 32


class Toy(Reader, ABC):
    """A reader whose images depend on ``(seed, index)`` only."""

    def __init__(self, count: int, names: list[str], seed: int = 0) -> None:
        self.count, self.names, self.seed = count, names, seed
        self.categories = list(names)
        self.problems, self.skipped = [], []

    def __len__(self) -> int:
        return self.count

    def entry(self, index: int) -> Entry:
        return Entry(f"{type(self).__name__}{self.seed}-{index}", bytes=3 * SIDE * SIDE)

    def draw(self, index: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, type(self).__name__, index))


class Squares(Toy):
    """One bright or dark square on gray."""

    kind = "detection"

    def __init__(self, count: int, seed: int = 0) -> None:
        super().__init__(count, ["bright", "dark"], seed)

    def target(self, index: int) -> Boxes:
        generator = self.draw(index)
        corner = torch.randint(0, SIDE - 14, (2,), generator=generator)
        side = torch.randint(8, 14, (1,), generator=generator)
        box = torch.cat([corner, corner + side]).float()[None]
        label = torch.randint(0, 2, (1,), generator=generator)
        annotated = torch.ones(len(self.names), dtype=torch.bool)
        return Boxes(box, label, torch.tensor([False]), side.float().square(), annotated, (SIDE, SIDE))

    def raw(self, index: int) -> Tensor:
        target = self.target(index)
        image = torch.full((3, SIDE, SIDE), 110, dtype=torch.uint8)
        left, top, right, bottom = target.boxes[0].int().tolist()
        image[:, top:bottom, left:right] = 240 if target.labels[0] == 0 else 10
        return image


class Tints(Toy):
    """Images of one noisy color: red, green or blue."""

    kind = "classification"

    def __init__(self, count: int, seed: int = 0) -> None:
        super().__init__(count, ["red", "green", "blue"], seed)

    def target(self, index: int) -> ClassLabel:
        return ClassLabel(torch.randint(0, 3, (), generator=self.draw(index)))

    def raw(self, index: int) -> Tensor:
        image = torch.randint(0, 120, (3, SIDE, SIDE), generator=self.draw(index), dtype=torch.uint8)
        image[int(self.target(index).label)] += 100
        return image


class ToyBackbone(Backbone):
    """Two convolutions with batch norm; counts its forward passes."""

    def __init__(self) -> None:
        super().__init__()
        self.channels, self.strides = [8], [8]
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 2, 2), nn.BatchNorm2d(8), nn.ReLU()
        )
        self.passes = 0

    def forward(self, inputs: Tensor) -> Pyramid:
        self.passes += 1
        return Pyramid([self.body(inputs.float() / 255 - 0.5)], (inputs.shape[2], inputs.shape[3]))


class Tint(Head):
    """A classification head: average pooling, dropout and a linear layer; its accuracy is a statistic."""

    kind = "classification"

    def __init__(self, spec: PyramidSpec, info: TaskInfo) -> None:
        super().__init__()
        self.names = info.names
        self.decide = nn.Linear(spec.channels[-1], len(info.names))

    def forward(self, pyramid: Pyramid) -> Tensor:
        logits: Tensor = self.decide(F.dropout(pyramid.levels[-1].mean((2, 3)), 0.2, self.training))
        return logits

    def losses(self, raw: Tensor, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        return {"class": LossTerm(F.cross_entropy(raw.float(), batch.target.labels, reduction="sum"), raw.shape[0])}

    def stats(self, raw: Tensor, batch: Batch) -> dict[str, SumCount]:
        return {"accuracy": ((raw.argmax(1) == batch.target.labels).sum(), raw.shape[0])}

    def distill(self, raw: Tensor, teacher: Tensor, temperature: float) -> dict[str, Tensor]:
        return {"class": kullback_leibler(raw.float(), teacher.float(), temperature)}

    def decode(self, raw: Tensor) -> list[Labels]:
        return [Labels(row) for row in raw.float().softmax(1)]


class CellsRaw(NamedTuple):
    """Class logits (background last) and a box for each cell."""

    logits: Tensor
    boxes: Tensor


class Cells(Head):
    """A dense head: the cell under a box's center predicts its class and corners."""

    kind = "detection"

    def __init__(self, spec: PyramidSpec, info: TaskInfo) -> None:
        super().__init__()
        self.names, self.stride = info.names, spec.strides[-1]
        self.tower = nn.Conv2d(spec.channels[-1], len(info.names) + 5, 1)

    def forward(self, pyramid: Pyramid) -> CellsRaw:
        out = self.tower(pyramid.levels[-1]).float().flatten(2).transpose(1, 2)
        return CellsRaw(out[..., 4:], out[..., :4] * SIDE)

    def losses(self, raw: CellsRaw, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        boxes, labels = batch.target.boxes, batch.target.labels
        center = ((boxes[..., :2] + boxes[..., 2:]) / 2 / self.stride).long()
        columns = isqrt(raw.logits.shape[1])  # of a square image of any size
        cell = (center[..., 1] * columns + center[..., 0])[:, 0]
        rows = torch.arange(cell.shape[0])
        target = torch.full(raw.logits.shape[:2], len(self.names))
        target[rows, cell] = labels[:, 0]
        box = F.l1_loss(raw.boxes[rows, cell], boxes[:, 0], reduction="sum") / SIDE
        classes = F.cross_entropy(raw.logits.flatten(0, 1), target.flatten(), reduction="sum")
        return {"class": LossTerm(classes, target.numel()), "box": LossTerm(box, 4 * len(rows))}

    def distill(self, raw: CellsRaw, teacher: CellsRaw, temperature: float) -> dict[str, Tensor]:
        classes = kullback_leibler(raw.logits.movedim(-1, 1), teacher.logits.movedim(-1, 1), temperature)
        return {"class": classes, "box": F.l1_loss(raw.boxes, teacher.boxes) / SIDE}

    def decode(self, raw: CellsRaw) -> list[Detections]:
        scores, labels = raw.logits.softmax(2)[..., :-1].max(2)
        parts = zip(raw.boxes, scores, labels, strict=True)
        return [Detections(box, score, label) for box, score, label in parts]


class Pull(ContinualLoss):
    """A continual loss: L2 distance of the backbone from its weights at the start of the stage."""

    def __init__(self, weight: float = 0.1) -> None:
        self.weight = weight
        self.start_weights: dict[str, Tensor] = {}
        self.starts = 0

    def start(self, model: Model, tasks: Mapping[str, Task]) -> None:
        assert set(tasks) < set(model.heads)
        self.starts += 1
        self.start_weights = {name: value.detach().clone() for name, value in model.backbone.named_parameters()}

    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        assert batches
        assert set(features) == set(raws)
        assert step >= 0
        parts = [F.mse_loss(value, self.start_weights[name]) for name, value in model.backbone.named_parameters()]
        return {"pull": self.weight * torch.stack(parts).sum()}

    def state_dict(self) -> dict[str, Any]:
        return {"start_weights": self.start_weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.start_weights = state["start_weights"]


def toy_model() -> Model:
    """Return a model with a dense head ``squares`` and a classification head ``tints``."""
    return Model(ToyBackbone(), [], {"squares": Cells, "tints": Tint}, (SIDE, SIDE))
