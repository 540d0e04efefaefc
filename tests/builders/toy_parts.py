"""Minimal implementations of every contract: two readers, a backbone, two heads and a continual loss."""

from abc import ABC
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.contracts.network import Backbone, Head
from polyhead.contracts.reader import Reader, sample
from polyhead.contracts.task import Task
from polyhead.engine.continual import ContinualLoss
from polyhead.nets.losses import kullback_leibler
from polyhead.nets.model import Model
from polyhead.rng import derive_seed
from polyhead.types import Annotation, Batch, Detections, Labels, Prediction, Pyramid, Sample

SIDE = 32


class Toy(Reader, ABC):
    """A reader whose images depend on ``(seed, index)`` only."""

    def __init__(self, count: int, names: list[str], seed: int = 0) -> None:
        self.count, self.names, self.seed = count, names, seed
        self.categories = list(names)
        self.problems, self.skipped = [], []

    def __len__(self) -> int:
        return self.count

    def draw(self, index: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, type(self).__name__, index))

    def make_annotation(self, index: int, boxes: Tensor, labels: Tensor, value: Tensor | None) -> Annotation:
        count = boxes.shape[0]
        return Annotation(
            id=f"{type(self).__name__}{self.seed}-{index}",
            path="",
            size=(SIDE, SIDE),
            boxes=boxes,
            labels=labels,
            ignore=torch.zeros(count, dtype=torch.bool),
            areas=(boxes[:, 2:] - boxes[:, :2]).prod(1),
            annotated=torch.ones(len(self.names), dtype=torch.bool),
            value=value,
        )


class Squares(Toy):
    """One bright or dark square on gray."""

    def __init__(self, count: int, seed: int = 0) -> None:
        super().__init__(count, ["bright", "dark"], seed)

    def annotation(self, index: int) -> Annotation:
        generator = self.draw(index)
        corner = torch.randint(0, SIDE - 14, (2,), generator=generator)
        side = torch.randint(8, 14, (1,), generator=generator)
        box = torch.cat([corner, corner + side]).float()[None]
        return self.make_annotation(index, box, torch.randint(0, 2, (1,), generator=generator), None)

    def __getitem__(self, index: int) -> Sample:
        target = self.annotation(index)
        image = torch.full((3, SIDE, SIDE), 110, dtype=torch.uint8)
        left, top, right, bottom = target.boxes[0].int().tolist()
        image[:, top:bottom, left:right] = 240 if target.labels[0] == 0 else 10
        return sample(target, image)


class Tints(Toy):
    """Images of one noisy color: red, green or blue."""

    def __init__(self, count: int, seed: int = 0) -> None:
        super().__init__(count, ["red", "green", "blue"], seed)

    def annotation(self, index: int) -> Annotation:
        value = torch.randint(0, 3, (), generator=self.draw(index))
        return self.make_annotation(index, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), value)

    def __getitem__(self, index: int) -> Sample:
        target = self.annotation(index)
        image = torch.randint(0, 120, (3, SIDE, SIDE), generator=self.draw(index), dtype=torch.uint8)
        assert target.value is not None
        image[int(target.value)] += 100
        return sample(target, image)


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
    """A classification head: average pooling, dropout and a linear layer."""

    def __init__(self, channels: list[int], strides: list[int], names: list[str]) -> None:
        super().__init__()
        self.names, self.strides = names, strides
        self.decide = nn.Linear(channels[-1], len(names))

    def forward(self, pyramid: Pyramid) -> Tensor:
        logits: Tensor = self.decide(F.dropout(pyramid.levels[-1].mean((2, 3)), 0.2, self.training))
        return logits

    def losses(self, raw: Tensor, batch: Batch) -> dict[str, Tensor]:
        assert batch.values is not None
        return {"class": F.cross_entropy(raw.float(), batch.values)}

    def distill(self, raw: Tensor, teacher: Tensor, temperature: float) -> dict[str, Tensor]:
        return {"class": kullback_leibler(raw.float(), teacher.float(), temperature)}

    def decode(self, raw: Tensor) -> list[Prediction]:
        return [Labels(row) for row in raw.float().softmax(1)]


class CellsRaw(NamedTuple):
    """Class logits (background last) and a box for each cell."""

    logits: Tensor
    boxes: Tensor


class Cells(Head):
    """A dense head: the cell under a box's center predicts its class and corners."""

    def __init__(self, channels: list[int], strides: list[int], names: list[str]) -> None:
        super().__init__()
        self.names, self.stride = names, strides[-1]
        self.tower = nn.Conv2d(channels[-1], len(names) + 5, 1)

    def forward(self, pyramid: Pyramid) -> CellsRaw:
        out = self.tower(pyramid.levels[-1]).float().flatten(2).transpose(1, 2)
        return CellsRaw(out[..., 4:], out[..., :4] * SIDE)

    def losses(self, raw: CellsRaw, batch: Batch) -> dict[str, Tensor]:
        center = ((batch.boxes[..., :2] + batch.boxes[..., 2:]) / 2 / self.stride).long()
        cell = (center[..., 1] * (SIDE // self.stride) + center[..., 0])[:, 0]
        rows = torch.arange(cell.shape[0])
        target = torch.full(raw.logits.shape[:2], len(self.names))
        target[rows, cell] = batch.labels[:, 0]
        box = F.l1_loss(raw.boxes[rows, cell], batch.boxes[:, 0]) / SIDE
        return {"class": F.cross_entropy(raw.logits.flatten(0, 1), target.flatten()), "box": box}

    def distill(self, raw: CellsRaw, teacher: CellsRaw, temperature: float) -> dict[str, Tensor]:
        classes = kullback_leibler(raw.logits.movedim(-1, 1), teacher.logits.movedim(-1, 1), temperature)
        return {"class": classes, "box": F.l1_loss(raw.boxes, teacher.boxes) / SIDE}

    def decode(self, raw: CellsRaw) -> list[Prediction]:
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
