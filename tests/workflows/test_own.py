"""Training from Python with one's own data sets, networks and heads."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.error_kind import MeanError, Values
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

import polyhead
from polyhead import checkpoint
from polyhead.contracts.network import Head
from polyhead.engine import fit as engine_fit
from polyhead.errors import DataError, PolyheadError
from polyhead.nets.model import _check_factory
from polyhead.types import Batch, InputSpec, LossTerm, Pyramid, PyramidSpec, TaskInfo
from polyhead.workflows.own import _check_call
from polyhead.workflows.train import resume as resume_recipe

pytestmark = pytest.mark.usefixtures("undrawn")

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


def test_a_program_may_have_other_defaults_of_torch(tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        run = train(tmp_path, epochs=1)
        assert len(polyhead.load(run, network(1))(points(8, 2).tensors[0])) == 8
    finally:
        torch.set_default_dtype(torch.float32)
    assert {value.dtype for value in checkpoint.load(run.best).state.values()} == {torch.float32, torch.int64}


class Counted(Dataset[tuple[Tensor, Any]]):
    """A data set that counts how often items are read."""

    def __init__(self, data: TensorDataset) -> None:
        self.data, self.reads = data, 0

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        self.reads += 1
        found: tuple[Tensor, Any] = self.data[index]
        return found


def test_splits_are_made_where_they_are_not_given_and_the_data_is_read_once(tmp_path: Path) -> None:
    data, lines = Counted(points(100, 0)), dict[str, int]()

    def show(line: str) -> None:
        lines[line] = data.reads

    task = polyhead.Task(data, ["left", "right"], batch=16)
    run = polyhead.fit(network(), {"side": task}, epochs=1, runs=tmp_path, show=show)
    assert run.results["test"]["tasks"]["side"]["images"] == 15
    assert lines["reading the data of side"] == 0
    assert lines[f"run folder: {run.folder}"] <= 101 + 16, (
        "every sample, one to fit the modality, and a few to try a step"
    )
    assert not run.exemplars.exists(), "the data is not copied unless that is asked for"
    assert not run.probe.exists()


def test_what_cannot_be_opened_again_is_refused(tmp_path: Path) -> None:
    run = train(tmp_path, epochs=1)
    with pytest.raises(PolyheadError, match=r"was trained from Python \(polyhead\.fit\), so its data cannot be opened"):
        polyhead.evaluate(run)
    with pytest.raises(PolyheadError, match=r"opened again\. Resume it with polyhead\.fit\(\.\.\., resume="):
        resume_recipe(run.folder)
    with pytest.raises(PolyheadError, match=r"opened again\. Train its tasks and the new one in stages"):
        polyhead.extend(run, "other", {"reader": "scenes"})
    other = polyhead.Model(nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU()), [], polyhead.Classify)
    with pytest.raises(PolyheadError, match=r"do not fit the model: .* Give the model that was trained, built by"):
        polyhead.load(run, other)
    check_resume(run)


def check_resume(run: polyhead.Run) -> None:
    """Check that a run is resumed with the arguments that it was started with only, and says what it does."""
    swapped = polyhead.Task(points(120, 0), ["right", "left"], points(60, 1), points(80, 2))
    calls: list[tuple[Any, dict[str, Any], str]] = [
        ({"side": swapped}, {}, r"names of task 'side': started with \['left', 'right'\], got \['right', 'left'\]"),
        ({"other": task()}, {}, r"tasks: started with \['side'\], got \['other'\]\. Give the same arguments"),
        ({"side": task()}, {"seed": 1}, "seed: started with 0, got 1"),
    ]
    for tasks, settings, message in calls:
        with pytest.raises(PolyheadError, match=message):
            polyhead.fit(network(), tasks, resume=run.folder, show=lambda _: None, **settings)
    lines: list[str] = []
    changed = polyhead.Task(points(120, 9), ["left", "right"], points(60, 1), points(80, 2), batch=16)
    settings = {"epochs": 1, "lr": 0.03, "precision": "32-true"}
    polyhead.fit(network(), {"side": changed}, resume=run.folder, show=lines.append, **settings)
    assert f"{run.folder} is finished already; evaluating it again" in lines
    assert any(line.startswith("side: the train data is not the data that this run started with") for line in lines)


def built() -> polyhead.Model:
    return network().build(
        {"side": TaskInfo(["left", "right"])},
        {"side": InputSpec("tensor", info={"shape": [2], "dtype": "torch.float32"})},
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": nn.Linear(2, 2)}, "model: expected a polyhead.Model, got Linear. Build one from any network"),
        ({"model": built()}, "expected a new model, got one that was trained or loaded (heads side), which would be"),
        ({"tasks": {}}, "tasks: expected data by task name, {'side': polyhead.Task(...)}, got {}"),
        ({"tasks": task()}, "tasks: expected data by task name"),
        (
            {"tasks": {"side": points(9, 0)}},
            "tasks: expected names and data, {'side': polyhead.Task(...)}, got {str: Te",
        ),
        ({"tasks": {1: task()}}, "got {int: Task}"),
        ({"stages": polyhead.Stage()}, "stages: expected a list of polyhead.Stage, got Stage("),
        ({"numbers": {"lr": "0.1"}}, "lr: expected a number, got '0.1'"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"model": network(), "tasks": {"side": task()}, "stages": None, "numbers": {"lr": 1}}
    with pytest.raises(PolyheadError) as caught:
        _check_call(**given | arguments)
    assert message in str(caught.value)


def test_a_model_is_not_trained_on(tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match="expected a new model"):
        polyhead.fit(built(), {"side": task()}, runs=tmp_path)
    assert not [*tmp_path.iterdir()]


def test_faults_of_the_data_are_reported_before_anything_is_trained(tmp_path: Path) -> None:
    wrong = TensorDataset(torch.zeros(3, 2), torch.tensor([0, -1, 2]))
    data = polyhead.Task(points(9, 0), ["left", "right"], points(9, 1), wrong)
    with pytest.raises(DataError, match=r"data\.side \(test\): 2 problems found, nothing was trained") as caught:
        polyhead.fit(network(), {"side": data}, runs=tmp_path, show=lambda _: None)
    assert [problem.where for problem in caught.value.problems] == ["test-000001", "test-000002"]
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("head", ["classify", built().head("side")])
def test_heads_are_given_by_what_builds_them(head: Any) -> None:
    with pytest.raises(PolyheadError, match=r"head: expected a class of heads, such as polyhead\.Classify"):
        _check_factory(head)
    with pytest.raises(
        PolyheadError, match=r"backbone: expected a network, got its class\. Create one: ReLU\(\.\.\.\)"
    ):
        polyhead.Model(nn.ReLU, [], polyhead.Classify)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(PolyheadError, match="got an object of Classify"):
        polyhead.Model(nn.Linear(2, 8), [], {"side": built().head("side")})  # the mistake


def test_numbers_in_half_precision_become_float32_and_a_predictor_has_the_precision_of_its_run(tmp_path: Path) -> None:
    """The example of a kind of one's own: a number, without classes."""
    data = points(60, 0)
    numbers = polyhead.Task(TensorDataset(data.tensors[0], data.tensors[0].sum(1)), ["sum"], kind=MeanError(), batch=16)
    lines: list[str] = []
    model = polyhead.Model(nn.Linear(2, 8), [], Regress)
    run = polyhead.fit(model, {"sum": numbers}, epochs=1, runs=tmp_path, precision="bf16-mixed", show=lines.append)
    assert not [line for line in lines if "cannot be learned" in line], "a number has no classes to show"
    assert polyhead.load(run, model)(torch.tensor([2.0, 0.0]))[0].scores.dtype == np.float32
    run.update_manifest(precision="32-true")
    assert polyhead.load(run, model).precision == "32-true"
    assert polyhead.load(run.best, model).precision == "32-true"


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


class Regress(Head):
    """Predicts a number; in bfloat16 where the run has mixed precision."""

    kind = "builders.error_kind.MeanError"

    def __init__(self, spec: PyramidSpec, info: TaskInfo) -> None:
        super().__init__()
        self.names, self.linear = info.names, nn.Linear(spec.channels[-1], 1)

    def forward(self, pyramid: Pyramid) -> Tensor:
        return self.linear(pyramid.levels[-1])  # type: ignore[no-any-return]  # a tensor

    def losses(self, raw: Tensor, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        return {"error": LossTerm((raw[:, 0].float() - batch.target.value).abs().sum(), len(raw))}

    def decode(self, raw: Tensor) -> list[Values]:
        return [Values(row) for row in raw]


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


@pytest.mark.slow
def test_the_example_runs_and_beats_the_dummy_baseline(tmp_path: Path) -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 60
    result = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "its whole interval is above the baseline" in result.stdout
