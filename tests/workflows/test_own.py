"""Training from Python with one's own data sets, networks and heads."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

import polyhead
from polyhead import checkpoint
from polyhead.engine import fit as engine_fit
from polyhead.errors import PolyheadError

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_parts.py"


def points(count: int, seed: int) -> TensorDataset:
    """Return points in a plane and the half that they are in."""
    values = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(values, (values[:, 0] > values[:, 1]).long())


def network(seed: int = 0) -> polyhead.Model:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU())
    return polyhead.Model(net, [], polyhead.Classify)


def task(**settings: Any) -> polyhead.Task:
    return polyhead.Task(points(120, 0), ["left", "right"], points(60, 1), points(80, 2), batch=16, **settings)


def train(folder: Path, **settings: Any) -> polyhead.Run:
    given = {"epochs": 4, "lr": 0.03, "precision": "32-true", "show": lambda _: None, **settings}
    return polyhead.fit(network(), {"side": task()}, runs=folder, **given)


def test_a_run_has_the_files_of_a_recipe_but_the_recipe(tmp_path: Path) -> None:
    run = train(tmp_path)
    numbers = run.results["test"]["tasks"]["side"]
    assert numbers["interval"][0] > numbers["dummy_baseline"]["score"]
    assert run.best.is_file()
    assert (run.plots / "confusion_matrix.side.test.png").is_file()
    assert (run.plots / "results.png").is_file()
    assert run.predictions_path("test", "side").is_file()
    assert run.verdict.is_file()
    assert not run.config.exists()
    assert checkpoint.load(run.best).tasks["side"]["modality"]["state"] == {"shape": [2], "dtype": "torch.float32"}


def test_a_loaded_predictor_agrees_with_the_stored_predictions(tmp_path: Path) -> None:
    run = train(tmp_path)
    predictor = polyhead.load(run, network(1))
    inputs = points(80, 2).tensors[0]
    found = predictor(inputs)
    assert len(found) == 80
    labels = points(80, 2).tensors[1].tolist()
    right = sum(result.classes[0] == label for result, label in zip(found, labels, strict=True))
    assert right / 80 == run.results["test"]["tasks"]["side"]["score"]
    assert predictor(inputs[0])[0].labels == found[0].labels
    json.dumps(found[0].to_json())
    with pytest.raises(PolyheadError, match=r"expected an input of shape \[2\], got \[3\]"):
        predictor([torch.zeros(3)])
    with pytest.raises(PolyheadError, match=r"does not describe its model\. .*polyhead\.load\(run, model\)"):
        polyhead.load(run)


def test_the_same_seed_gives_the_same_weights_and_an_interrupted_call_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = checkpoint.load(train(tmp_path, name="whole").best).state
    again = checkpoint.load(train(tmp_path, name="again").best).state
    assert all(torch.equal(whole[name], again[name]) for name in whole)

    def killed(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engine_fit, "_finish_stage", killed)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, name="killed")
    run = train(tmp_path, resume=tmp_path / "killed")
    resumed = checkpoint.load(run.best).state
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert "test" in run.results


def test_splits_are_made_where_they_are_not_given(tmp_path: Path) -> None:
    data = polyhead.Task(points(100, 0), ["left", "right"], batch=16)
    run = polyhead.fit(network(), {"side": data}, epochs=1, runs=tmp_path, show=lambda _: None)
    assert run.results["test"]["tasks"]["side"]["images"] == 15


def test_what_cannot_be_opened_again_is_refused(tmp_path: Path) -> None:
    run = train(tmp_path, epochs=1)
    with pytest.raises(PolyheadError, match=r"was trained from Python \(polyhead\.fit\), so its data cannot be opened"):
        polyhead.evaluate(run)


class Drawn(Dataset[tuple[Tensor, Any]]):
    """Gray images with a bright square, its box and its mask."""

    def __init__(self, count: int, target: str) -> None:
        self.count, self.target = count, target

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        image, mask = torch.full((3, 32, 32), 60, dtype=torch.uint8), torch.zeros(32, 32, dtype=torch.uint8)
        left = index % 16
        image[:, 8:20, left : left + 12], mask[8:20, left : left + 12] = 220, 1
        box = {"boxes": torch.tensor([[left, 8.0, left + 12, 20]]), "labels": torch.tensor([0])}
        return image, box if self.target == "detection" else mask


@pytest.mark.parametrize(("kind", "names"), [("detection", ["square"]), ("segmentation", ["background", "square"])])
def test_images_with_boxes_and_masks(kind: str, names: list[str], tmp_path: Path) -> None:
    model = polyhead.models.ssd300("test_resnet", size=32, heads={"seg": "segment"})
    name = "det" if kind == "detection" else "seg"
    data = polyhead.Task(Drawn(24, kind), names, Drawn(4, kind), Drawn(4, kind), kind=kind, modality="image", batch=8)
    run = polyhead.fit(model, {name: data}, epochs=1, runs=tmp_path, show=lambda _: None)
    assert (run.plots / f"target_prediction.{name}.test.png").is_file()
    assert (
        len(
            polyhead.load(run, polyhead.models.ssd300("test_resnet", size=32, heads={"seg": "segment"}))(
                Drawn(1, kind)[0][0], conf=0.0
            )
        )
        == 1
    )


def test_the_example_runs_and_beats_the_dummy_baseline(tmp_path: Path) -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 60
    result = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "its whole interval is above the baseline" in result.stdout
