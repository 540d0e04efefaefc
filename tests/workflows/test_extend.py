"""Adding a task to a run when the data of its earlier tasks is gone, and measuring how much they are forgotten."""

import fcntl
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from polyhead import checkpoint, cli
from polyhead.config import recipe
from polyhead.data.readers.exemplars import ExemplarReader, with_exemplars
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError
from polyhead.run import Run, read_json, read_rows, write_json
from polyhead.workflows.evaluate import reopen
from polyhead.workflows.extend import extended_recipe, report_forgetting
from polyhead.workflows.predict import load

pytestmark = pytest.mark.usefixtures("undrawn")

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
        {"epochs": 1, "lr": 0.002, "momentum": 0.8, "warmup": 1, "lr_mult": {"backbone": 0.5, "heads.signs": 0.7}}
    ],
    "exemplar_mib": 5.0,
    "max_parameters": 8_000_000,
    "max_drop": 0.5,
    "precision": "32-true",
}
NEW = ["reader=scenes", "target=masks", "count=12", "size=64", "val={count: 6, seed: 1}", "test={count: 6, seed: 2}"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose data has been deleted."""
    root = tmp_path_factory.mktemp("extend")
    write_coco(Scenes(COUNT, "signs", size=64), root / "data")
    data = {"signs": {**RECIPE["data"]["signs"], "root": str(root / "data")}}  # type: ignore[index]
    (root / "base.yaml").write_text(yaml.safe_dump({**RECIPE, "data": data}), encoding="utf-8")
    assert cli.main(["train", str(root / "base.yaml"), f"runs={root / 'runs'}", "data.signs.license=CC0 1.0"]) == 0
    shutil.rmtree(root / "data")
    return Run.open(root / "runs" / "base")


def command(run: Run) -> list[str]:
    """Return the command that extends a run."""
    new = ["--task", "fruit", "--data", *NEW, "batch=4", "workers=0"]
    return ["extend", str(run.folder), *new, "--", "model.heads.fruit=segment", "data.signs.workers=0"]


@pytest.fixture(scope="module")
def extended(run: Run) -> Run:
    assert cli.main(command(run)) == 0
    return Run.open(run.folder.parent / "base_fruit")


def test_a_run_saves_a_tenth_to_replay_and_images_that_were_never_trained_on(run: Run) -> None:
    readers = {split: ExemplarReader(run.exemplar_folder(split, "signs")) for split in ("train", "val", "test")}
    splits = run.read_manifest()["splits"]["signs"]
    ids = {split: {reader.entry(index).id for index in range(len(reader))} for split, reader in readers.items()}
    assert len(ids["train"]) == -(-len(splits["train"]) // 10)
    assert all(ids[split] <= set(splits[split]) for split in readers)
    assert ids["test"] == set(splits["test"])
    assert {reader.license for reader in readers.values()} == {"CC0 1.0"}


def test_a_new_head_is_trained_without_the_earlier_data(run: Run, extended: Run) -> None:
    before, after = checkpoint.load(run.best), checkpoint.load(extended.best)
    assert set(after.tasks) == {"signs", "fruit"}
    entries = [{**each.tasks["signs"], "operating": None} for each in (after, before)]  # chosen again, for new weights
    assert entries[0] == entries[1]
    changed = [name for name, value in before.state.items() if not torch.equal(value, after.state[name])]
    assert any(name.startswith("heads.signs.") for name in changed)
    assert not [name for name in changed if "running_" in name]
    row = read_rows(extended.results_csv)[-1]
    assert float(row["train/continual/replay/signs/class"]) > 0
    assert float(row["train/continual/distill/signs/class"]) >= 0
    assert 0 <= float(row["val/signs/ap50"]) <= 1


def test_limits_of_the_earlier_recipe_are_inherited(extended: Run) -> None:
    config = recipe.load(extended.config)
    assert {key: config[key] for key in ("exemplar_mib", "max_parameters", "max_drop", "precision")} == {
        key: RECIPE[key] for key in ("exemplar_mib", "max_parameters", "max_drop", "precision")
    }


def test_shared_parts_keep_their_lr_mult_and_earlier_heads_get_1(extended: Run) -> None:
    (stage,) = recipe.load(extended.config)["stages"]
    assert stage["lr_mult"] == {"backbone": 0.5, "heads.signs": 1.0}
    assert [stage[name] for name in ("lr", "momentum")] == [0.002, 0.8]
    assert stage["warmup"] == 0, "it depends on the size of the earlier data"


def test_lr_mult_of_all_heads_is_not_inherited(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    other = Run.open(tmp_path / "run")
    config = recipe.load(run.config)
    config["stages"][0]["lr_mult"] = {"backbone": 0.5, "heads": 0.1}
    other.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    data = {"reader": "scenes", "count": 12, "size": 64}
    assert extended_recipe(other, "new", data, ["model.heads.new=detect"])["stages"][0]["lr_mult"] == {
        "backbone": 0.5,
        "heads.signs": 1.0,
    }


def test_too_few_test_images_are_reported(run: Run) -> None:
    count = len(ExemplarReader(run.exemplar_folder("test", "signs")))
    assert count < 50
    line = f"signs: only {count} test images to measure forgetting by later tasks; at least 50 are recommended"
    assert line in run.log.read_text(encoding="utf-8")


def test_an_extended_run_is_self_contained(extended: Run, run: Run, tmp_path: Path) -> None:
    """It does not need the earlier run, and can be moved."""
    reader = ExemplarReader(run.exemplar_folder("test", "signs"))
    ids = [reader.entry(index).id for index in range(len(reader))]
    moved = Run(Path(shutil.copytree(extended.folder, tmp_path / "moved")))
    moved.update_manifest(extends={"run": str(tmp_path / "gone"), "task": "fruit"})
    hidden = run.folder.rename(run.folder.with_name("hidden"))
    away = extended.folder.rename(extended.folder.with_name("away"))
    try:
        assert reopen(moved)[1]["signs"].ids("test") == ids, "in their order"
        assert cli.main(["train", "--resume", str(moved.folder)]) == 0
    finally:
        hidden.rename(run.folder)
        away.rename(extended.folder)
    assert reported(moved) == reported(extended)


def test_a_locked_run_is_not_changed(
    extended: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def locked(*_: object) -> None:
        raise BlockingIOError

    before = {path: path.stat().st_mtime_ns for path in extended.folder.rglob("*") if path.name != ".lock"}
    monkeypatch.setattr(fcntl, "lockf", locked)
    assert cli.main(["train", "--resume", str(extended.folder)]) == 2
    assert "is locked by another training process" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_incomplete_copies_are_not_used(extended: Run, run: Run, tmp_path: Path) -> None:
    """Those of the earlier run are read then: ``exemplar_mib`` was lowered."""
    smaller = Run(Path(shutil.copytree(extended.folder, tmp_path / "smaller")))
    file = smaller.exemplar_folder("test", "signs") / "exemplars.json"
    content = read_json(file)
    write_json(file, {**content, "samples": content["samples"][:1]})
    data = with_exemplars(recipe.load(smaller.config), smaller)["data"]["signs"]
    assert Path(data["test"]["init_args"]["root"]) == run.exemplar_folder("test", "signs").resolve()
    assert Path(data["val"]["init_args"]["root"]) == smaller.exemplar_folder("val", "signs").resolve()


def test_forgetting_of_the_earlier_task_is_reported(run: Run, extended: Run) -> None:
    before = read_json(Run.open(extended.folder / "before").results_json)["test"]["tasks"]
    assert set(before) == {"signs"}
    assert before["signs"]["images"] == len(ExemplarReader(run.exemplar_folder("test", "signs")))
    log = extended.log.read_text(encoding="utf-8")
    assert "before and after 'fruit'" in log
    assert before["signs"]["score"] > 0
    results = read_json(extended.results_json)
    (drop,) = results["forgetting"]
    assert drop["task"] == "signs"
    assert drop["baseline"] == pytest.approx(before["signs"]["score"])
    assert drop["drop"] == pytest.approx(1 - results["test"]["tasks"]["signs"]["score"] / drop["baseline"])


def test_a_task_that_scored_0_cannot_be_forgotten(run: Run, extended: Run, tmp_path: Path) -> None:
    blind = Run(Path(shutil.copytree(run.folder, tmp_path / "blind")))
    weights = checkpoint.load(blind.best)
    last = [name for name in weights.state if name.startswith("heads.signs.") and name.endswith(".bias")][-1]
    weights.state[last].view(-1, 4 + len(weights.tasks["signs"]["names"]) + 1)[:, -1] = 50.0  # background in every cell
    checkpoint.save(blind.best, weights)
    later = Run(Path(shutil.copytree(extended.folder, tmp_path / "later")))
    later.update_manifest(extends={"run": str(blind.folder), "task": "fruit"})
    shutil.rmtree(later.folder / "before")
    report_forgetting(later)
    assert "signs  scored 0 before, so nothing could be forgotten" in later.log.read_text(encoding="utf-8")
    assert read_json(later.results_json)["forgetting"] == []


def test_forgetting_that_cannot_be_measured_is_reported(extended: Run, tmp_path: Path) -> None:
    later = Run(Path(shutil.copytree(extended.folder, tmp_path / "later")))
    before = Run(later.folder / "before")
    tasks = read_json(before.results_json)["test"]["tasks"]
    before.update_results(test={"tasks": {"signs": {**tasks["signs"], "score": None}}})
    report_forgetting(later)
    assert (
        "signs  no annotated objects in the saved samples; forgetting cannot be measured for this task"
        in later.log.read_text(encoding="utf-8")
    )


def test_class_frequencies_are_not_taken_from_exemplars(extended: Run, run: Run) -> None:
    """They are a class-balanced tenth of the images."""
    earlier, later = (read_json(each.results_json)["test"]["tasks"]["signs"] for each in (run, extended))
    assert "train_objects" in earlier
    assert "train_objects" not in later
    assert 0 <= later["dummy_baseline"]["score"] <= 1
    assert "Fewer than 50 training objects" in run.verdict.read_text(encoding="utf-8")
    assert "Fewer than 50 training objects" not in extended.verdict.read_text(encoding="utf-8")


def test_copies_of_training_images_are_not_used_for_other_splits(extended: Run, run: Run) -> None:
    """Where val and test were split off the saved images, the copies for training lack them."""
    config = recipe.load(extended.config)
    config["data"]["signs"] |= {"val": None, "test": None}
    data = with_exemplars(config, extended)["data"]["signs"]
    assert Path(data["reader"]["init_args"]["root"]) == run.exemplar_folder("train", "signs").resolve()


class StopError(Exception):
    """Stands for anything that interrupts a process."""


@pytest.mark.parametrize(
    "function",
    [
        "polyhead.engine.continual.Replay.losses",
        "polyhead.workflows.train.measure",
        "polyhead.analysis.forgetting.drops_from_baselines",
    ],
    ids=["in a step", "after the training", "in the report"],
)
@pytest.mark.slow
def test_an_interrupted_run_that_is_resumed_reports_the_same_forgetting(
    function: str, run: Run, extended: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise StopError

    before = set(run.folder.parent.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(function, stop)
        with pytest.raises(StopError):
            cli.main(command(run))
    (folder,) = set(run.folder.parent.iterdir()) - before
    assert cli.main(["train", "--resume", str(folder)]) == 0
    assert reported(Run.open(folder)) == reported(extended)
    assert read_json(folder / "results.json")["forgetting"] == read_json(extended.results_json)["forgetting"]
    assert [path.name for path in folder.glob("before*")] == ["before"]


def reported(run: Run) -> list[str]:
    """Return the last lines of a run's log, from the report of forgetting on, without their times."""
    lines = [line[20:] for line in run.log.read_text(encoding="utf-8").splitlines()]
    return lines[max(index for index, line in enumerate(lines) if line.startswith("earlier tasks, on the saved")) :]


def test_the_new_run_predicts_with_both_heads_and_saves_exemplars_of_both(extended: Run) -> None:
    results = load(extended.folder).predict([Scenes(1, "signs", size=64).raw(0)], conf=0.0)
    assert [result.task for result in results] == ["signs", "fruit"]
    counts = {task: len(ExemplarReader(extended.exemplar_folder("train", task))) for task in ("signs", "fruit")}
    assert counts == {"signs": 3, "fruit": 2}


def test_an_extended_run_that_was_moved_away_from_the_earlier_one_can_be_extended_again(
    extended: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(extended.folder, tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    config = extended_recipe(
        Run.open("."), "third", {"reader": "scenes", "count": 8}, ["model.init_args.heads.third=detect"]
    )
    assert config["name"] == "moved_third"
    assert Path(config["runs"]) == tmp_path
    monkeypatch.chdir(tmp_path)
    again = extended_recipe(
        Run.open("moved"), "third", {"reader": "scenes", "count": 8}, ["model.init_args.heads.third=detect"]
    )
    assert again["runs"] == ".", "relative, as the run was given"
    assert config["stages"][0]["tasks"] == ["third"]
    roots = [Path(text) for task in ("signs", "fruit") for text in strings(config["data"][task]) if "/" in text]
    assert len(roots) == 6
    assert all(root.is_relative_to(tmp_path / "moved") and root.is_dir() for root in roots)


def strings(value: object) -> list[str]:
    """Return all strings in nested settings."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    return [value] if isinstance(value, str) else []


def test_loader_settings_of_earlier_tasks_are_inherited(run: Run) -> None:
    signs = extended_recipe(run, "new", {"reader": "scenes", "count": 8}, ["model.init_args.heads.new=detect"])["data"][
        "signs"
    ]
    assert (signs["workers"], signs["batch"]) == (0, 8)


def test_a_run_is_extended_and_evaluated_with_its_best_weights(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["evaluate"], ["extend", "--task", "new", "--data", *NEW, "--"]):
        assert cli.main([command[0], str(run.weights / "last.pt"), *command[1:]]) == 2
        error = capsys.readouterr().err
        assert f"(the weights that are evaluated), got '{run.weights / 'last.pt'}'. Use '{run.folder}'." in error
    assert Run.open(run.best).folder == run.folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "signs", "--data", "reader=scenes"], "already has a task 'signs'. Choose another name"),
        (["--task", "new", "--data", "scenes"], "--data: expected KEY=VALUE, such as reader=coco, got 'scenes'"),
        (["--task", "new", "--data", *NEW], "the model has no head for task 'new'"),
        (
            ["--task", "new", "--data", *NEW, "--", "epochs", "4"],
            "'epochs' after -- is not an override. Write KEY=VALUE.",
        ),
    ],
)
def test_mistakes_are_reported(run: Run, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["extend", str(run.folder), *words]) == 2
    assert message in capsys.readouterr().err


def test_changes_are_a_list(run: Run) -> None:
    with pytest.raises(PolyheadError, match=r"changes: expected a list such as \['epochs=1'\], got 'epochs=1'"):
        extended_recipe(run, "other", {"reader": "scenes"}, "epochs=1")


def test_a_run_whose_exemplars_and_data_are_gone_is_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = Run(Path(shutil.copytree(run.folder, tmp_path / "bare", ignore=shutil.ignore_patterns("exemplars"))))
    words = ["extend", str(bare.folder), "--task", "new", "--data", *NEW]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert "the run has no exemplars of task 'signs', and its data is not where it was: data.signs.root: " in error
    assert "Without images, the task would be forgotten and nothing could measure it." in error
    write_json(bare.manifest, {name: value for name, value in bare.read_manifest().items() if name != "finished"})
    assert cli.main(words) == 2
    assert f"Finish it with 'polyhead train --resume {bare.folder}'." in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_of_one_task_copies_no_images_and_is_extended_from_its_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(Scenes(COUNT, "signs", size=64), tmp_path / "data")
    data = {"signs": {**RECIPE["data"]["signs"], "root": str(tmp_path / "data")}}  # type: ignore[index]
    (tmp_path / "base.yaml").write_text(
        yaml.safe_dump({**RECIPE, "data": data, "exemplar_mib": None}), encoding="utf-8"
    )
    assert cli.main(["train", str(tmp_path / "base.yaml"), f"runs={tmp_path / 'runs'}"]) == 0
    base = Run.open(tmp_path / "runs" / "base")
    assert not base.exemplars.exists()
    assert not base.probe.exists()
    assert cli.main(command(base)) == 0
    assert "signs: the run has no exemplars; the data that it was trained on is read again\n" in capsys.readouterr().out
    longer = Run.open(tmp_path / "runs" / "base_fruit")
    splits = [each.read_manifest()["splits"]["signs"] for each in (base, longer)]
    assert splits[0] == splits[1]
    replayed = longer.read_manifest()["replayed"]["stage0"]["signs"]["images"]
    assert replayed == -(-len(splits[0]["train"]) // 10)
    assert [drop["task"] for drop in longer.results["forgetting"]] in ([], ["signs"])
    assert longer.exemplar_folder("test", "signs").is_dir(), "a run of several tasks stores exemplars"
    annotations = tmp_path / "data" / "annotations" / "instances_train.json"
    content = json.loads(annotations.read_text("utf-8"))
    left = content["images"][1:]
    boxes = [each for each in content["annotations"] if each["image_id"] != content["images"][0]["id"]]
    annotations.write_text(json.dumps({**content, "images": left, "annotations": boxes}), encoding="utf-8")
    assert cli.main(command(base)) == 2
    assert "data.signs: the data has changed since the run was trained: " in capsys.readouterr().err


def test_exemplar_mib_0_saves_no_exemplars(tmp_path: Path) -> None:
    small = ["data.fruit=null", "data.*.count=8", "data.*.val.count=4", "data.*.test.count=4", "epochs=1", "workers=0"]
    assert (
        cli.main(
            ["train", "demo", f"runs={tmp_path}", "exemplar_mib=0", "imgsz=64", "model.backbone=test_resnet", *small]
        )
        == 0
    )
    assert not (tmp_path / "demo" / "exemplars").exists()
    assert json.loads((tmp_path / "demo" / "results.json").read_text(encoding="utf-8"))
