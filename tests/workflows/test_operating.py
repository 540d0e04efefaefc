"""Operating points of a run: stored in its weights file, and used by everything that shows predictions."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from builders.three_heads import three_heads

from polyhead import checkpoint, cli
from polyhead.config.settings import Settings
from polyhead.contracts.operating import Point
from polyhead.errors import PolyheadError
from polyhead.plotting.draw import CONFIDENT
from polyhead.run import Run
from polyhead.workflows import measure as measuring
from polyhead.workflows import train as training
from polyhead.workflows.evaluate import reopen, score_split
from polyhead.workflows.explain import Explainer
from polyhead.workflows.mistakes import find_mistakes
from polyhead.workflows.operating import describe_point, lowest_score, stored_points
from polyhead.workflows.predict import load

pytestmark = pytest.mark.usefixtures("undrawn")

POINT = Point("val", None, 0.5, [0.5, 0.6], [True, True])


def with_points(run: Run, points: dict[str, Point | dict[str, Any]]) -> None:
    """Store operating points in the weights file of a run."""
    weights = checkpoint.load(run.best)
    entries = {
        name: {**entry, **({"operating": plain_point(points[name])} if name in points else {})}
        for name, entry in weights.tasks.items()
    }
    checkpoint.save(run.best, weights._replace(tasks=entries))


def plain_point(point: Point | dict[str, Any]) -> dict[str, Any]:
    return point if isinstance(point, dict) else point._asdict()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = three_heads(tmp_path)
    made.plots.mkdir()
    return made


def photos() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=generator) for _ in range(2)]


def test_points_are_chosen_on_val_stored_and_measured_on_both_splits(run: Run) -> None:
    model, tasks = reopen(run)
    measuring.measure(model, tasks, run, ("val", "test"), lambda _: None, Settings())
    points = stored_points(checkpoint.load(run.best).tasks)
    results = run.results
    assert {"cls"} <= points.keys() <= {"det", "cls"}
    assert {point.split for point in points.values()} == {"val"}
    for split in ("val", "test"):
        for name, numbers in results[split]["tasks"].items():
            assert ("operating" in numbers) == (name in points)
            assert numbers.get("operating", {"chosen_on": "val"})["chosen_on"] == "val"
    # An evaluation neither chooses again nor changes the figures.
    before = run.best.read_bytes()
    again = measuring.evaluate(run, "test", show=lambda _: None)
    assert run.best.read_bytes() == before
    assert again["cls"]["operating"] == results["test"]["tasks"]["cls"]["operating"]


def test_predictions_explanations_and_mistakes_use_the_thresholds_of_the_classes(run: Run, tmp_path: Path) -> None:
    names = checkpoint.load(run.best).tasks["det"]["names"]
    found = load(run.folder).predict(photos(), "det", conf=0.0)
    scores = torch.cat([each.prediction.scores for each in found])
    first, second = scores.quantile(0.5).item(), scores.quantile(0.8).item()
    thresholds = [first if number % 2 else second for number in range(len(names))]
    with_points(run, {"det": Point("val", None, first, thresholds, [True] * len(names))})
    predictor = load(run.folder)
    expected = [
        [(each.names[label], score) for label, score in zip(each.classes, each.scores, strict=True)
         if score >= thresholds[label]]
        for each in found
    ]  # fmt: skip
    shown = [list(zip(each.labels, each.scores, strict=True)) for each in predictor.predict(photos(), "det")]
    assert shown == expected
    assert 0 < sum(map(len, shown)) < len(scores)
    assert [len(each) for each in predictor.predict(photos(), "det", conf=0.0)] == [len(each) for each in found]
    forward = Explainer(predictor, "det", trust=False).run(photos()[0])
    assert len(forward.items) == len(shown[0])
    gallery = find_mistakes(run, "det", most=1, trust=False, out=tmp_path / "gallery", show=lambda _: None)
    assert gallery.tasks["det"]["conf"] == thresholds


def test_probabilities_are_shown_at_the_temperature_and_marked_as_uncertain(run: Run) -> None:
    (before,) = load(run.folder).predict(photos()[:1], "cls")
    assert before.certain
    names = before.names
    with_points(run, {"cls": Point("val", 0.9, 0.9, [1.0] * len(names), [False] * len(names), 2.0)})
    (after,) = load(run.folder).predict(photos()[:1], "cls")
    assert after.classes.tolist() == before.classes.tolist()
    assert after.scores[0] < before.scores[0]
    assert str(after) == f"uncertain ({after.labels[0]} {after.scores[0]:.2f})"
    assert after.to_json()["uncertain"] is True
    assert after.marks().notes[0] == "uncertain"
    (given,) = load(run.folder).predict(photos()[:1], "cls", conf=0.0)
    assert given.certain
    assert "uncertain" not in given.to_json()


def test_without_a_point_a_box_needs_the_default_score() -> None:
    assert lowest_score(None) == CONFIDENT
    assert lowest_score(Point("val", None, None, [], [], 1.3)) == CONFIDENT
    assert lowest_score(POINT) == [0.5, 0.6]
    assert lowest_score(POINT, 0.1) == 0.1


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (POINT, "scores from 0.50 (by class 0.50 to 0.60), chosen on val for the best F1"),
        (Point("val", 0.9, 0.7, [0.7], [False]), "scores from 0.70, chosen on val for a precision of 0.9"),
        (Point("val", None, None, [], [], 2.0), ""),
    ],
)
def test_a_point_is_described(point: Point, expected: str) -> None:
    assert describe_point(point) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": [0.5]},
        {"thresholds": [0.5] * 50},
        {"threshold": None},
        {"threshold": float("nan")},
        {"temperature": 0.0},
        {"temperature": float("inf")},
        {"own": ["yes"]},
        {"split": 3},
    ],
)
def test_a_point_that_does_not_fit_is_refused(run: Run, change: dict[str, Any]) -> None:
    count = len(checkpoint.load(run.best).tasks["det"]["names"])
    good = Point("val", None, 0.5, [0.5] * count, [True] * count)._asdict()
    with_points(run, {"det": good})
    load(run.folder)
    with_points(run, {"det": {**good, **change}})
    with pytest.raises(PolyheadError, match=r"best\.pt is damaged .*tasks\.det\.operating"):
        load(run.folder)


def test_the_command_names_the_thresholds_once(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = len(checkpoint.load(run.best).tasks["det"]["names"])
    with_points(run, {"det": Point("val", None, 0.5, [0.5] * count, [True] * count)})
    (tmp_path / "scene.png").write_bytes(b"")
    from PIL import Image

    Image.new("RGB", (64, 64), "gray").save(tmp_path / "scene.png")
    given = ["predict", str(run.folder), str(tmp_path / "scene.png"), "--task", "det", "--out", str(tmp_path / "drawn")]
    assert cli.main(given) == 0
    line = "det: scores from 0.50 (by class 0.50 to 0.50), chosen on val for the best F1\n"
    assert capsys.readouterr().out.count(line) == 1
    assert cli.main([*given, "--conf", "0.5"]) == 0
    assert line not in capsys.readouterr().out


SCENES = {"reader": "scenes", "count": 8, "size": 64, "workers": 0, "target": "times"}
RECIPE = {
    "model": {"class_path": "classifier", "init_args": {"backbone": "test_resnet", "size": 64}},
    "data": {"time": {**SCENES, "val": {"count": 8, "seed": 1}, "test": {"count": 8, "seed": 2}}},
    "stages": [{"epochs": 1}],
    "operating": {"precision": 0.5},
}


@pytest.mark.slow
def test_a_run_that_is_killed_between_val_and_test_has_the_same_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {**RECIPE, "runs": str(tmp_path)}
    whole = training.train(recipe, ["name=whole"], show=lambda _: None)
    score = score_split

    def killed(model: Any, tasks: Any, split: str, run: Run) -> dict[str, Any]:
        if split == "test":
            raise MemoryError
        return score(model, tasks, split, run)

    monkeypatch.setattr(measuring, "score_split", killed)
    with pytest.raises(MemoryError):
        training.train(recipe, ["name=killed"], show=lambda _: None)
    monkeypatch.undo()
    resumed = training.resume(tmp_path / "killed", show=lambda _: None)
    points = [stored_points(checkpoint.load(run.best).tasks) for run in (whole, resumed)]
    assert points[0] == points[1] != {}
    assert json.dumps(whole.results["test"]["tasks"]["time"]["operating"]) == json.dumps(
        resumed.results["test"]["tasks"]["time"]["operating"]
    )
    assert yaml.safe_load(whole.config.read_text(encoding="utf-8"))["operating"] == {"precision": 0.5}
