"""The verdict names the cause that was planted in a real training, and no other one.

Most trainings are of points: four clusters in 16 dimensions, drawn from a seed.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

import polyhead

pytestmark = pytest.mark.usefixtures("undrawn")

CAUSES = {
    "unstable": "the learning rate is too high",
    "short": "were trained, in which the training loss went from",
    "improving": "still improving at the end",
    "overfitting": "The model overfits",
    "nothing learned": "nothing was learned",
    "exchanged": "seem to be exchanged",
    "missing": "No training",
    "nothing found": "finds none of",
}
"""Words of each cause's sentence."""
CENTERS = 2.5 * torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
NAMES = ["a", "b", "c", "d"]


def points(count: int, seed: int, noise: float = 2.0, classes: int = 4) -> TensorDataset:
    """Return points of the first classes with their class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    return TensorDataset(CENTERS[labels] + noise * torch.randn(count, 16, generator=generator), labels)


def exchanged(data: TensorDataset) -> TensorDataset:
    """Return the same points with the labels of the first two classes exchanged."""
    inputs, labels = data.tensors
    return TensorDataset(inputs, torch.tensor([1, 0, 2, 3])[labels])


def network() -> polyhead.Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return polyhead.Model(nn.Sequential(nn.Linear(16, 64), nn.ReLU()), [], polyhead.Classify)


class Squares(Dataset[Any]):
    """Gray images with one bright square each, and its box."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        image = torch.full((3, 32, 32), 60, dtype=torch.uint8)
        left, top = 7 * index % 20, 11 * index % 20
        image[:, top : top + 12, left : left + 12] = 220
        return image, {"boxes": torch.tensor([[left, top, left + 12.0, top + 12]]), "labels": torch.tensor([0])}


def points_verdict(folder: Path, train: TensorDataset, **settings: Any) -> str:
    """Train on points; return the verdict on test."""
    noise = settings.pop("noise", 2.0)
    task = polyhead.Task(train, NAMES, points(100, 1, noise), points(200, 2, noise), batch=16, workers=0)
    stage = polyhead.Stage(**{"epochs": 12, "lr": 3e-3, **settings})
    run = polyhead.fit(network(), {"points": task}, stages=[stage], runs=folder, show=lambda _: None)
    return run.verdict.read_text(encoding="utf-8")


def named(verdict: str) -> set[str]:
    return {name for name, words in CAUSES.items() if words in verdict}


@pytest.mark.slow
def test_a_good_training_has_no_cause(tmp_path: Path) -> None:
    verdict = points_verdict(tmp_path, points(320, 0))
    assert named(verdict) == set(), verdict
    assert "its whole interval is above the baseline" in verdict


@pytest.mark.slow
@pytest.mark.parametrize("lr", [0.3, 1.0, 10.0])
def test_a_learning_rate_that_is_too_high(lr: float, tmp_path: Path) -> None:
    verdict = points_verdict(tmp_path, points(320, 0), lr=lr, schedule="constant", grad_clip_norm=None)
    assert named(verdict) == {"unstable"}, verdict
    assert f"lr was {lr:.2g}" in verdict


@pytest.mark.slow
def test_overfitting(tmp_path: Path) -> None:
    verdict = points_verdict(tmp_path, points(40, 0, 6.0), epochs=30, lr=0.01, schedule="constant", noise=6.0)
    assert named(verdict) == {"overfitting"}, verdict


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "lr", "name"), [(2, 1e-4, "short"), (8, 2e-4, "improving")])
def test_too_few_epochs(epochs: int, lr: float, name: str, tmp_path: Path) -> None:
    verdict = points_verdict(tmp_path, points(320, 0), epochs=epochs, lr=lr, schedule="constant")
    assert named(verdict) == {name}, verdict


@pytest.mark.slow
def test_exchanged_labels(tmp_path: Path) -> None:
    verdict = points_verdict(tmp_path, exchanged(points(320, 0)), epochs=20)
    assert named(verdict) == {"exchanged"}, verdict
    assert "a and b seem to be exchanged" in verdict


@pytest.mark.slow
def test_a_class_that_is_missing_from_training(tmp_path: Path) -> None:
    verdict = points_verdict(tmp_path, points(320, 0, classes=3), epochs=20)
    assert named(verdict) == {"missing"}, verdict
    assert "No training images of classes that the test images show: d (" in verdict


@pytest.mark.slow
def test_a_detector_that_finds_nothing(tmp_path: Path) -> None:
    model = polyhead.models.ssd300("test_resnet", size=32)
    data = polyhead.Task(
        Squares(32), ["square"], Squares(8), Squares(16), kind="detection", modality="image", batch=8, workers=0
    )
    stage = polyhead.Stage(epochs=4, lr=1e-3)
    run = polyhead.fit(model, {"squares": data}, stages=[stage], runs=tmp_path, show=lambda _: None)
    verdict = run.verdict.read_text(encoding="utf-8")
    assert "finds none of 16 objects" in verdict, verdict
    assert "--conf" not in verdict
    assert "above the baseline" not in verdict
