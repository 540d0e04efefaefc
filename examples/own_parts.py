"""Train a plain data set with a plain network and a head of one's own, into runs/ or the folder that is given."""

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

import polyhead
from polyhead.contracts.network import Head
from polyhead.types import Batch, Labels, LossTerm, Pyramid, PyramidSpec, TaskInfo

NAMES = ["low", "middle", "high"]


class Waves(Dataset[tuple[Tensor, int]]):
    """Noisy sine waves of 64 values; the class is the frequency."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.classes = torch.randint(3, (count,), generator=generator)
        phases = 6.28 * torch.rand(count, 1, generator=generator)
        waves = torch.sin((2 + self.classes[:, None]) * torch.linspace(0, 6.28, 64) + phases)
        self.values = (waves + 0.8 * torch.randn(count, 64, generator=generator))[:, None]  # [n, 1, 64]

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.values[index], int(self.classes[index])


class Cosine(Head):
    """Classifies by the angle between the features and a vector for each class."""

    kind = "classification"

    def __init__(self, spec: PyramidSpec, info: TaskInfo) -> None:
        super().__init__()
        self.names = info.names
        self.vectors = nn.Parameter(torch.randn(len(info.names), spec.channels[-1]))

    def forward(self, pyramid: Pyramid) -> Tensor:
        return 10 * F.normalize(pyramid.levels[-1].mean(2)) @ F.normalize(self.vectors).T  # [b, c, t] -> [b, classes]

    def losses(self, raw: Tensor, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        return {"class": LossTerm(F.cross_entropy(raw, batch.target.labels, reduction="sum"), len(raw))}

    def decode(self, raw: Tensor) -> list[Labels]:
        return [Labels(scores) for scores in raw.softmax(1)]


backbone = nn.Sequential(nn.Conv1d(1, 16, 9, padding=4), nn.ReLU(), nn.Conv1d(16, 16, 9, padding=4), nn.ReLU())
model = polyhead.Model(backbone, [], Cosine)
waves = polyhead.Task(Waves(400, seed=0), NAMES, val=Waves(200, seed=1), test=Waves(200, seed=2))
run = polyhead.fit(model, {"wave": waves}, epochs=8, lr=0.01, runs=sys.argv[1] if sys.argv[1:] else "runs")
print(run.results["test"]["tasks"]["wave"]["score"])
print(polyhead.load(run, model)(Waves(1, seed=3)[0][0])[0])
