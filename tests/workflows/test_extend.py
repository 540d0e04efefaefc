"""A run learns one more task when the data of the older ones is gone, and tells what that has cost them."""

import fcntl
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from polyhead import checkpoint, cli
from polyhead.config import recipe
from polyhead.data.readers.exemplars import Kept, own
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.run import Run, read_json, read_rows, write_json
from polyhead.workflows.evaluate import reopen
from polyhead.workflows.extend import plan, tell
from polyhead.workflows.predict import load

COUNT = 30
RECIPE = {
    "model": {
        "class_path": "unified",
        "init_args": {
            "heads": {"signs": "detect"},
            "backbone": "test_resnet",
            "size": 64,
            "last_conv": False,
            "middle": 16,
            "width": 16,
            "depth": 1,
        },
    },
    "data": {"signs": {"reader": "coco", "root": "data", "batch": 8, "workers": 0}},
    "stages": [
        {"epochs": 1, "lr": 0.002, "momentum": 0.8, "warmup": 1, "rates": {"backbone": 0.5, "heads.signs": 0.7}}
    ],
    "memory": 5.0,
    "max_parameters": 8_000_000,
    "max_drop": 0.5,
    "precision": "32-true",
}
NEW = ["reader=scenes", "truth=masks", "count=12", "size=64", "val={count: 6, seed: 1}", "test={count: 6, seed: 2}"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose data is no longer there."""
    root = tmp_path_factory.mktemp("extend")
    write_coco(Scenes(COUNT, "signs", size=64), root / "data")
    data = {"signs": {**RECIPE["data"]["signs"], "root": str(root / "data")}}  # type: ignore[index]
    (root / "base.yaml").write_text(yaml.safe_dump({**RECIPE, "data": data}), encoding="utf-8")
    assert cli.main(["train", str(root / "base.yaml"), f"runs={root / 'runs'}", "data.signs.licence=CC0 1.0"]) == 0
    shutil.rmtree(root / "data")
    return Run.open(root / "runs" / "base")


def words(run: Run) -> list[str]:
    """The command that extends a run."""
    new = ["--task", "fruit", "--data", *NEW, "batch=4", "workers=0"]
    return ["extend", str(run.folder), *new, "--", "model.heads.fruit=segment", "data.signs.workers=0"]


@pytest.fixture(scope="module")
def extended(run: Run) -> Run:
    assert cli.main(words(run)) == 0
    return Run.open(run.folder.parent / "base_fruit")


def test_a_run_keeps_a_tenth_to_replay_and_what_was_never_trained_on(run: Run) -> None:
    parts = {part: Kept(run.kept(part, "signs")) for part in ("train", "val", "test")}
    splits = run.read_manifest()["splits"]["signs"]
    ids = {part: {reader.annotation(index).id for index in range(len(reader))} for part, reader in parts.items()}
    assert len(ids["train"]) == -(-len(splits["train"]) // 10)
    assert all(ids[part] <= set(splits[part]) for part in parts)
    assert ids["test"] == set(splits["test"])
    assert {reader.licence for reader in parts.values()} == {"CC0 1.0"}


def test_a_new_head_is_learnt_without_the_old_data(run: Run, extended: Run) -> None:
    old, new = checkpoint.load(run.best), checkpoint.load(extended.best)
    assert set(new.tasks) == {"signs", "fruit"}
    assert new.tasks["signs"] == old.tasks["signs"]
    moved = [name for name, value in old.state.items() if not torch.equal(value, new.state[name])]
    assert any(name.startswith("heads.signs.") for name in moved)
    assert not [name for name in moved if "running_" in name]
    row = read_rows(extended.results_csv)[-1]
    assert float(row["train/keep/replay/signs/class"]) > 0
    assert float(row["train/keep/distill/signs/class"]) >= 0
    assert 0 <= float(row["val/signs/ap50"]) <= 1


def test_what_the_older_recipe_demanded_is_demanded_still(extended: Run) -> None:
    config = recipe.load(extended.config)
    assert {key: config[key] for key in ("memory", "max_parameters", "max_drop", "precision")} == {
        key: RECIPE[key] for key in ("memory", "max_parameters", "max_drop", "precision")
    }


def test_shared_parts_learn_as_they_did_and_older_heads_follow(extended: Run) -> None:
    (stage,) = recipe.load(extended.config)["stages"]
    assert stage["rates"] == {"backbone": 0.5, "heads.signs": 1.0}
    assert [stage[name] for name in ("lr", "momentum")] == [0.002, 0.8]
    assert stage["warmup"] == 0, "it was for the size of the older data"


def test_a_rate_of_all_heads_was_for_the_older_ones(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    other = Run.open(tmp_path / "run")
    config = recipe.load(run.config)
    config["stages"][0]["rates"] = {"backbone": 0.5, "heads": 0.1}
    other.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    data = {"reader": "scenes", "count": 12, "size": 64}
    assert plan(other, "new", data, ["model.heads.new=detect"])["stages"][0]["rates"] == {
        "backbone": 0.5,
        "heads.signs": 1.0,
    }


def test_few_pictures_to_tell_by_are_said_to_be_few(run: Run) -> None:
    held = len(Kept(run.kept("test", "signs")))
    assert held < 50
    line = f"signs: {held} test pictures are few to tell by what a later task costs; 50 are wanted"
    assert line in run.log.read_text(encoding="utf-8")


def test_an_extended_run_needs_the_older_one_no_more(extended: Run, run: Run, tmp_path: Path) -> None:
    """Nor the place where it lay when it was trained."""
    older = Kept(run.kept("test", "signs"))
    kept = [older.annotation(index).id for index in range(len(older))]
    moved = Run(Path(shutil.copytree(extended.folder, tmp_path / "moved")))
    moved.update_manifest(extends={"run": str(tmp_path / "gone"), "task": "fruit"})
    hidden = run.folder.rename(run.folder.with_name("hidden"))
    away = extended.folder.rename(extended.folder.with_name("away"))
    try:
        assert [truth.id for truth in reopen(moved)[1]["signs"].truths("test")] == kept, "in their order"
        assert cli.main(["train", "--resume", str(moved.folder)]) == 0
    finally:
        hidden.rename(run.folder)
        away.rename(extended.folder)
    assert told(moved) == told(extended)


def test_a_run_in_which_another_process_trains_is_left_as_it_is(
    extended: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def held(*_: object) -> None:
        raise BlockingIOError

    before = {path: path.stat().st_mtime_ns for path in extended.folder.rglob("*") if path.name != ".lock"}
    monkeypatch.setattr(fcntl, "lockf", held)
    assert cli.main(["train", "--resume", str(extended.folder)]) == 2
    assert "another process trains in" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_copies_that_lack_something_are_passed_over(extended: Run, run: Run, tmp_path: Path) -> None:
    """The older run's are read then: ``memory`` was made smaller."""
    smaller = Run(Path(shutil.copytree(extended.folder, tmp_path / "smaller")))
    file = smaller.kept("test", "signs") / "kept.json"
    content = read_json(file)
    write_json(file, {**content, "pictures": content["pictures"][:1]})
    data = own(recipe.load(smaller.config), smaller)["data"]["signs"]
    assert Path(data["test"]["init_args"]["root"]) == run.kept("test", "signs").resolve()
    assert Path(data["val"]["init_args"]["root"]) == smaller.kept("val", "signs").resolve()


def test_the_cost_to_the_older_task_is_told(run: Run, extended: Run) -> None:
    before = read_json(Run.open(extended.folder / "before").results_json)["test"]["tasks"]
    assert set(before) == {"signs"}
    assert before["signs"]["images"] == len(Kept(run.kept("test", "signs")))
    log = extended.log.read_text(encoding="utf-8")
    assert "before and after 'fruit'" in log
    assert before["signs"]["score"] > 0
    results = read_json(extended.results_json)
    (loss,) = results["forgetting"]
    assert loss["task"] == "signs"
    assert loss["baseline"] == pytest.approx(before["signs"]["score"])
    assert loss["drop"] == pytest.approx(1 - results["test"]["tasks"]["signs"]["score"] / loss["baseline"])


def test_a_task_that_scored_nothing_had_nothing_to_lose(run: Run, extended: Run, tmp_path: Path) -> None:
    blind = Run(Path(shutil.copytree(run.folder, tmp_path / "blind")))
    weights = checkpoint.load(blind.best)
    last = [name for name in weights.state if name.startswith("heads.signs.") and name.endswith(".bias")][-1]
    weights.state[last].view(-1, 4 + len(weights.tasks["signs"]["names"]) + 1)[:, -1] = 50.0  # nothing but background
    checkpoint.save(blind.best, weights)
    later = Run(Path(shutil.copytree(extended.folder, tmp_path / "later")))
    later.update_manifest(extends={"run": str(blind.folder), "task": "fruit"})
    shutil.rmtree(later.folder / "before")
    tell(later)
    assert "signs  scored 0 before, so it had nothing to lose" in later.log.read_text(encoding="utf-8")
    assert read_json(later.results_json)["forgetting"] == []


def test_what_cannot_be_told_is_said(extended: Run, tmp_path: Path) -> None:
    later = Run(Path(shutil.copytree(extended.folder, tmp_path / "later")))
    before = Run(later.folder / "before")
    tasks = read_json(before.results_json)["test"]["tasks"]
    before.update_results(test={"tasks": {"signs": {**tasks["signs"], "score": None}}})
    tell(later)
    assert "signs  there is nothing to find in what was kept" in later.log.read_text(encoding="utf-8")


def test_how_often_classes_were_is_not_told_by_what_was_kept(extended: Run, run: Run) -> None:
    """A tenth of the pictures, classes in equal parts."""
    older, newer = (read_json(each.results_json)["test"]["tasks"]["signs"] for each in (run, extended))
    assert "objects" in older
    assert "objects" not in newer
    assert 0 <= newer["rival"]["score"] <= 1
    assert "Fewer than 50 training objects" in run.verdict.read_text(encoding="utf-8")
    assert "Fewer than 50 training objects" not in extended.verdict.read_text(encoding="utf-8")


def test_copies_of_training_pictures_are_no_source_of_other_splits(extended: Run, run: Run) -> None:
    """Where val and test were cut from the kept pictures, the copies for training lack them."""
    config = recipe.load(extended.config)
    config["data"]["signs"] |= {"val": None, "test": None}
    data = own(config, extended)["data"]["signs"]
    assert Path(data["reader"]["init_args"]["root"]) == run.kept("train", "signs").resolve()


class StopError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize(
    "place",
    [
        "polyhead.engine.continual.Replay.losses",
        "polyhead.workflows.train.measure",
        "polyhead.analysis.forgetting.against",
    ],
    ids=["in a step", "when it is trained", "when the cost is told"],
)
def test_a_run_that_was_stopped_and_goes_on_tells_the_same_cost(
    place: str, run: Run, extended: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise StopError

    before = set(run.folder.parent.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(place, stop)
        with pytest.raises(StopError):
            cli.main(words(run))
    (folder,) = set(run.folder.parent.iterdir()) - before
    assert cli.main(["train", "--resume", str(folder)]) == 0
    assert told(Run.open(folder)) == told(extended)
    assert read_json(folder / "results.json")["forgetting"] == read_json(extended.results_json)["forgetting"]
    assert [path.name for path in folder.glob("before*")] == ["before"]


def told(run: Run) -> list[str]:
    """The last lines of a run's log, from where the cost is told, without their times."""
    lines = [line[20:] for line in run.log.read_text(encoding="utf-8").splitlines()]
    return lines[max(place for place, line in enumerate(lines) if line.startswith("older tasks, on what was kept")) :]


def test_the_new_run_answers_with_both_heads_and_keeps_pictures_of_both(extended: Run) -> None:
    results = load(extended.folder).predict([Scenes(1, "signs", size=64)[0].input.as_subclass(torch.Tensor)], conf=0.0)
    assert [result.task for result in results] == ["signs", "fruit"]
    kept = {task: len(Kept(extended.kept("train", task))) for task in ("signs", "fruit")}
    assert kept == {"signs": 3, "fruit": 2}


def test_a_run_that_was_extended_moved_and_has_lost_the_older_one_can_be_extended_again(
    extended: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(extended.folder, tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    config = plan(Run.open("."), "third", {"reader": "scenes", "count": 8}, ["model.init_args.heads.third=detect"])
    assert config["name"] == "moved_third"
    assert Path(config["runs"]) == tmp_path
    assert config["stages"][0]["tasks"] == ["third"]
    roots = [Path(part) for task in ("signs", "fruit") for part in strings(config["data"][task]) if "/" in part]
    assert len(roots) == 6
    assert all(root.is_relative_to(tmp_path / "moved") and root.is_dir() for root in roots)


def strings(value: object) -> list[str]:
    """All texts of nested settings."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    return [value] if isinstance(value, str) else []


def test_how_older_tasks_were_loaded_is_carried_over(run: Run) -> None:
    signs = plan(run, "new", {"reader": "scenes", "count": 8}, ["model.init_args.heads.new=detect"])["data"]["signs"]
    assert (signs["workers"], signs["batch"]) == (0, 8)


def test_a_run_is_extended_and_measured_by_its_best_weights(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["evaluate"], ["extend", "--task", "new", "--data", *NEW, "--"]):
        assert cli.main([command[0], str(run.weights / "last.pt"), *command[1:]]) == 2
        told = capsys.readouterr().err
        assert f"its best.pt, by which it is measured, got '{run.weights / 'last.pt'}'; give '{run.folder}'" in told
    assert Run.open(run.best).folder == run.folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "signs", "--data", "reader=scenes"], "has a task 'signs' already; choose another name"),
        (["--task", "new", "--data", "scenes"], "--data: expected KEY=VALUE, such as reader=coco, got 'scenes'"),
        (["--task", "new", "--data", *NEW], "the model has no head for task 'new'"),
        (["--task", "new", "--data", *NEW, "--", "epochs", "4"], "'epochs' behind -- is no override; write KEY=VALUE"),
    ],
)
def test_mistakes_are_told(run: Run, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["extend", str(run.folder), *words]) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_has_kept_nothing_says_so(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run.folder, tmp_path / "bare", ignore=shutil.ignore_patterns("memory"))
    assert cli.main(["extend", str(tmp_path / "bare"), "--task", "new", "--data", *NEW]) == 2
    said = capsys.readouterr().err
    assert f"nothing of task 'signs'; if it was stopped, 'polyhead train --resume {tmp_path / 'bare'}' ends it" in said


def test_nothing_is_kept_where_nothing_is_wanted(tmp_path: Path) -> None:
    small = ["data.fruit=null", "data.*.count=8", "data.*.val.count=4", "data.*.test.count=4", "epochs=1", "workers=0"]
    assert cli.main(["train", "demo", f"runs={tmp_path}", "memory=0", "imgsz=64", *small]) == 0
    assert not (tmp_path / "demo" / "memory").exists()
    assert json.loads((tmp_path / "demo" / "results.json").read_text(encoding="utf-8"))
