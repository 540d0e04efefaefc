"""Studies: planning, training, resuming, and tables that are never incomplete."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from builders.pretended_runs import pretend
from builders.split_targets import split_targets

from polyhead import cli
from polyhead.analysis import table
from polyhead.analysis.costs import costs
from polyhead.config import recipe
from polyhead.config.overrides import merge
from polyhead.errors import PolyheadError
from polyhead.paths import studies
from polyhead.run import Run, partial_path, write_json, write_text
from polyhead.types import ClassLabel, Labels
from polyhead.workflows import study
from polyhead.workflows.study_runs import remove_leftovers

pytestmark = pytest.mark.usefixtures("undrawn")

BASE = """\
# a small recipe
model: {class_path: ssd300, init_args: {backbone: regnetx_002, size: 64, width: 16}}
data:
  shapes: {reader: scenes, domain: shapes, count: 8, size: 64, val: {count: 4, seed: 1}, test: {count: 4, seed: 2}}
  signs: {reader: scenes, domain: signs, count: 8, size: 64, val: {count: 4, seed: 1}, test: {count: 4, seed: 2}}
stages: [{epochs: 1}]
"""
STUDY = """\
base: %s
seeds: [0, 1]
variations:
  joint: {}
  single: [{data: {signs: null}}, {data: {shapes: null}}]
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study file next to its base; runs are made in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "heads.yaml").write_text(STUDY % (tmp_path / "base.yaml"))
    return tmp_path / "heads.yaml"


def test_the_plan_names_every_run(files: Path) -> None:
    plan = study.plan(study.load(files), ["epochs=3"])
    assert list(plan) == ["joint", "single"]
    assert [[member.folder.name for member in seed] for seed in plan["single"]] == [
        ["single.seed0.0", "single.seed0.1"],
        ["single.seed1.0", "single.seed1.1"],
    ]
    joint, (shapes, signs) = plan["joint"][1][0], plan["single"][1]
    assert joint.folder == Path("runs/heads/joint.seed1")
    assert joint.config["seed"] == 1
    assert joint.config["stages"][0]["epochs"] == 3
    assert [list(member.config["data"]) for member in (joint, shapes, signs)] == [
        ["shapes", "signs"],
        ["shapes"],
        ["signs"],
    ]
    assert shapes.config["data"]["shapes"] == joint.config["data"]["shapes"]


def test_overrides_apply_in_order_of_the_study_the_variation_and_the_command_line(files: Path) -> None:
    text = files.read_text().replace("joint: {}", "joint: {changes: [lr=0.2, batch=2]}")
    files.write_text(f"changes: [lr=0.1, epochs=5, batch=1]\n{text}")
    planned = study.plan(study.load(files), ["batch=3"])
    joint, single = planned["joint"][0][0].config, planned["single"][0][0].config
    assert [config["stages"][0]["lr"] for config in (joint, single)] == [0.2, 0.1]
    assert [config["stages"][0]["epochs"] for config in (joint, single)] == [5, 5]
    assert [config["data"]["shapes"]["batch"] for config in (joint, single)] == [3, 3]


def test_differences_are_to_the_row_that_is_named(files: Path) -> None:
    plan = study.plan(study.load(files))
    pretend(plan)
    rows = study.run_folders(plan)
    forward, backward = table.compare(rows), table.compare(rows, reference="single")
    assert [row.difference is None for row in backward] == [False, True]
    assert forward[1].difference is not None
    value, low, high = forward[1].difference
    assert backward[0].difference == pytest.approx([-value, -high, -low], abs=1e-3)
    assert "AP vs. single" in table.text(backward)
    with pytest.raises(PolyheadError, match=r"^there is no row 'singel' to compare with; did you mean 'single'\?$"):
        table.compare(rows, reference="singel")


def test_folds_test_each_fold_of_every_task(files: Path) -> None:
    text = files.read_text().replace("seeds: [0, 1]", "seeds: [5]\nfolds: 3")
    files.write_text(text.replace("joint: {}", "joint: {data: {shapes: {test: null}, signs: {test: null}}}"))
    members = study.plan(study.load(files))["joint"][0]
    assert [member.folder.name for member in members] == [f"joint.seed5.fold{fold}" for fold in range(3)]
    assert [member.config["data"]["signs"]["split"] for member in members] == [
        {"folds": 3, "fold": fold} for fold in range(3)
    ]
    assert members[0].config["data"]["signs"]["test"] is None


def test_an_unfinished_run_makes_the_table_fail(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = study.plan(study.load(files))
    pretend({"joint": plan["joint"], "single": plan["single"][:1]})
    assert cli.main(["study", str(files), "--table"]) == 2
    error = capsys.readouterr().err
    assert "2 run(s) of the study are not finished: runs/heads/single.seed1.0, runs/heads/single.seed1.1" in error


def test_costs_of_models_add_up_and_those_of_folds_are_averaged(files: Path) -> None:
    planned = study.plan(study.load(files))
    pretend(planned)
    for seeds in planned.values():
        for member in (member for seed in seeds for member in seed):
            Run(member.folder).update_manifest(parameters={"backbone": 1000})
    rows = study.run_folders(planned)
    assert [row.parameters for row in table.compare(rows)] == [1000, 2000]
    folds = [(Run.open(folder), ["shapes", "signs"]) for seed in rows["joint"] for folder in seed]
    assert [costs([[run]], "test").parameters for run in folds] == [1000, 1000]
    assert costs([folds], "test").parameters == 1000


def test_leftovers_of_a_run_that_was_killed_at_once_are_removed(files: Path) -> None:
    member = study.plan(study.load(files))["joint"][0][0]
    (member.folder / "weights").mkdir(parents=True)
    remove_leftovers(member.folder)
    assert not member.folder.exists()
    (member.folder / "weights").mkdir(parents=True)
    (member.folder / "manifest.json").write_text("{}\n")
    remove_leftovers(member.folder)
    assert not member.folder.exists()
    run = Run.create(member.folder.parent, member.folder.name)
    with run.locked():
        run.update_manifest(seed=0)
        for file in (run.manifest, run.config):
            partial_path(file).write_text("half")
    remove_leftovers(member.folder)
    assert not member.folder.exists()
    (member.folder / "weights").mkdir(parents=True)
    (member.folder / "config.yaml").write_text("seed: 0\n")
    remove_leftovers(member.folder)
    assert member.folder.exists()


def test_a_folder_without_a_run_is_not_changed_and_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("runs/heads/single.seed1.0")
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine\n")
    assert cli.main(["study", str(files)]) == 2
    assert (
        "'runs/heads/single.seed1.0' exists but contains no run, and a run of the study needs"
        in capsys.readouterr().err
    )
    assert (folder / "notes.txt").read_text() == "mine\n"
    assert not Path("runs/heads/joint.seed0").exists()


def test_a_variation_with_special_characters_names_its_runs(files: Path) -> None:
    files.write_text(files.read_text().replace("  joint:", "  'row #2: [x]':"))
    for (member,) in study.plan(study.load(files), runs="a #b")["row #2: [x]"]:
        assert member.folder == Path(member.config["runs"]) / member.config["name"]


def test_folds_of_labels_are_one_test(tmp_path: Path) -> None:
    folds = [Run.create(tmp_path, "fold") for _ in range(3)]
    for number, run in enumerate(folds):
        write_text(run.config, "seed: 0\n")
        ids = [str(2 * number), str(2 * number + 1)]
        fold = split_targets("classification", ["a", "b"], {each: ClassLabel(torch.tensor(0)) for each in ids})
        predictions = {each: Labels(torch.eye(2)[int(each == "5")]) for each in ids}
        fold.kind.save(run.predictions_path("test", "cls"), fold, predictions)
    folders = [str(run.folder) for run in folds]
    row = table.compare({"cv": [folders]})[0]
    assert row.images == 6
    assert row.scores["accuracy"][0] == pytest.approx(5 / 6)
    assert [table.study_metric({"cv": [folders]}, metric) for metric in (None, "ap50", "mean_accuracy")] == [
        "accuracy",
        "accuracy",
        "mean_accuracy",
    ]
    with pytest.raises(PolyheadError, match="image '0' of task 'cls' was tested twice"):
        table.compare({"cv": [[*folders, folders[0]]]})


def test_finished_runs_are_not_trained_again_and_the_table_pools_a_models_tasks(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(study.plan(study.load(files)))
    assert cli.main(["study", str(files), "--metric", "ap"]) == 0
    head, joint, single, note = capsys.readouterr().out.splitlines()
    assert "AP vs. first row" in head
    assert joint.split()[:4] == ["joint", "2", "12", "24"]
    assert single.split()[:4] == ["single", "2", "12", "24"]
    assert "means over seeds" in note
    rows = json.loads(Path("runs/heads/table.json").read_text(encoding="utf-8"))["rows"]
    assert rows[0]["difference"] is None
    assert rows[1]["difference"][0] < 0
    assert rows[1]["runs"][1] == ["runs/heads/single.seed1.0", "runs/heads/single.seed1.1"]
    assert Path("runs/heads/table.txt").read_text(encoding="utf-8").splitlines()[0] == head


def test_a_table_for_each_task(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.write_text(files.read_text() + "tables: tasks\n")
    pretend(study.plan(study.load(files)))
    assert cli.main(["study", str(files), "--table"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("task shapes") < shown.index("task signs")
    rows = json.loads(Path("runs/heads/table.json").read_text(encoding="utf-8"))["rows"]
    assert [(row["task"], row["name"], row["seeds"], row["images"]) for row in rows] == [
        ("shapes", "joint", 2, 6),
        ("shapes", "single", 2, 6),
        ("signs", "joint", 2, 6),
        ("signs", "single", 2, 6),
    ]
    assert all(row["metric"] == "ap50" for row in rows)
    assert rows[1]["difference"][2] < 0


def test_a_task_that_a_row_lacks_makes_the_tables_fail(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.write_text(files.read_text().replace(", {data: {shapes: null}}", "") + "tables: tasks\n")
    assert cli.main(["study", str(files)]) == 2, "before the first training"
    assert "variation 'single': it has no task 'signs', which other variations have" in capsys.readouterr().err
    assert not Path("runs/heads").exists()


@pytest.mark.parametrize("words", [[], ["--table"]])
def test_a_run_with_other_settings_is_refused(
    files: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    pretend(study.plan(study.load(files)))
    assert cli.main(["study", str(files), "epochs=7", *words]) == 2
    assert "'runs/heads/joint.seed0' was started with other settings (stages)" in capsys.readouterr().err


@pytest.mark.slow
def test_a_study_is_trained_and_resumed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = files.read_text().replace("seeds: [0, 1]", "seeds: [0]")
    rows = "  joint: {data: {signs: null}}\n  slow: {data: {signs: null}, stages: [{epochs: 1, lr: 0.00001}]}\n"
    files.write_text(text[: text.index("  joint")] + rows)
    assert cli.main(["study", str(files), "batch=4", "workers=0"]) == 0
    first = capsys.readouterr().out
    assert "run 1 of 2: runs/heads/joint.seed0" in first
    table = first.splitlines()[-5:]
    assert "parameters" in table[0]
    assert table[1].split()[0] == "joint"
    assert table[4].startswith("dummy baseline, AP50: ")
    trained = Run("runs/heads/joint.seed0").best.stat().st_mtime_ns
    stopped = Run("runs/heads/slow.seed0")  # as if killed before it finished; evaluating it does not finish it
    write_json(stopped.manifest, {key: value for key, value in stopped.read_manifest().items() if key != "finished"})
    assert cli.main(["study", str(files), "batch=4", "workers=0"]) == 0
    again = capsys.readouterr().out
    assert "run 2 of 2" in again
    assert "run 1 of 2" not in again
    assert [line.split("  ")[0] for line in again.splitlines()[-5:]] == [line.split("  ")[0] for line in table]
    assert Run("runs/heads/joint.seed0").best.stat().st_mtime_ns == trained


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("base:", "bse:", "unknown key 'bse' of the study heads.yaml; did you mean 'base'"),
        ("base: ", "base: [] #", "base: expected the name or file of a recipe, got []"),
        ("seeds: [0, 1]", "seeds: 3", "seeds: expected a list of whole numbers, got 3"),
        ("seeds: [0, 1]", "folds: 1", "folds: expected a whole number of 2 or more, got 1"),
        (
            "seeds: [0, 1]",
            "metric: map",
            "metric: expected one of ap, ap50, ap_frequent, ap50_frequent, miou, pixel_accuracy, accuracy, mean_",
        ),
        ("seeds: [0, 1]", "seeds: [1, 1]", "seeds: expected different seeds, got [1, 1]. Remove the duplicates."),
        (
            "signs: null",
            "sings: null",
            "variation 'single': data.sings: there is no such task to remove; did you mean",
        ),
        (
            "joint: {}",
            "joint: {seed: 3}",
            "variation 'joint' sets 'seed', which the study sets from its 'seeds'",
        ),
        ("joint:", "a/b:", "variations.a/b: the name is used for folders. Use a name without slashes."),
        ("joint: {}", "joint: [3]", "variations.joint: expected settings to merge into the base, or a list of them"),
        ("joint: {}", "joint: {changes: lr=3}", "variations.joint.changes: expected a list of overrides such as [lr=0"),
        ("joint: {}", "joint: {changes: [seed=3]}", "variation 'joint' sets 'seed', which the study sets from its"),
        ("seeds: [0, 1]", "changes: [runs=x]", "the key 'changes' sets 'runs', which is set with --runs DIR"),
        (
            "seeds: [0, 1]",
            "changes: {lr: 3}",
            "changes: expected a list of overrides such as [lr=0.001], got {'lr': 3}",
        ),
        ("seeds: [0, 1]", "reference: jiont", "reference: there is no variation 'jiont'; did you mean 'joint'?"),
        ("seeds: [0, 1]", "note: [a]", "note: expected a text, got ['a']"),
        ("variations:", "variations: 3 #", "is not valid YAML"),
        ("variations:", "seeds: [3]\nvariations:", "the key 'seeds' is given twice, first on line "),
        ("{data: {signs: null}}", "{dat: {}}", "unknown key 'dat' of the recipe; did you mean 'data'"),
    ],
)
def test_mistakes_are_one_line(
    files: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    files.write_text(files.read_text().replace(old, new))
    assert cli.main(["study", str(files), "--table"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=7"], "the command line sets 'seed', which the study sets from its 'seeds'"),
        (["name=x"], "the command line sets 'name', which is made of the variation and the seed"),
        (["runs=elsewhere"], "the command line sets 'runs', which is set with --runs DIR"),
        (["--metric", "map"], "--metric: expected one of ap, ap50"),
    ],
)
def test_settings_that_the_study_sets_are_refused(
    files: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert cli.main(["study", str(files), "--table", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_cannot_be_trained_is_reported_before_the_first_training(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A study may take hours; here the second variation names a part that does not exist."""
    given = STUDY.replace("[{data: {signs: null}}, {data: {shapes: null}}]", "{stages: [{lr_mult: {nekc: 0.1}}]}")
    files.write_text(given % (files.parent / "base.yaml"))
    assert cli.main(["study", str(files)]) == 2
    assert "variation 'single': stages.0.lr_mult" in capsys.readouterr().err
    assert not Path("runs/heads").exists()


def test_the_base_is_found_next_to_the_study(
    files: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_text(files.read_text().replace(str(files.parent / "base.yaml"), "base.yaml"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert study.plan(study.load(files))["joint"]


def test_data_is_found_next_to_the_base_or_the_study_and_runs_are_recognized_when_it_moves(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = files.parent / "project"
    for folder in ("bases/pets", "studies/dogs"):
        (top / folder).mkdir(parents=True)
    (top / "bases/base.yaml").write_text("model: classifier\ndata: {a: {reader: folder, root: pets}}\nstages: [{}]\n")
    text = "base: ../bases/base.yaml\nvariations:\n  b: {data: {a: {root: dogs}}}\n  a: {}\n"
    path = top / "studies/mine.yaml"
    path.write_text(text)
    plan = study.plan(study.load(path))
    roots = [seed[0].config["data"]["a"]["reader"]["init_args"]["root"] for (seed,) in plan.values()]
    assert [Path(root) for root in roots] == [top / "studies/dogs", top / "bases/pets"]
    pretend(plan)
    moved = top.rename(files.parent / "moved") / "studies/mine.yaml"
    assert study.run_folders(study.plan(study.load(moved)))
    (moved.parent / "dogs").rmdir()  # a table needs no data
    assert study.run_folders(study.plan(study.load(moved)))
    moved.write_text(text.replace("dogs", "cats"))
    with pytest.raises(PolyheadError, match=r"'runs/mine/b.seed0' was started with other settings \(data\)"):
        study.run_folders(study.plan(study.load(moved)))
    shutil.rmtree("runs")
    assert cli.main(["study", str(moved)]) == 2
    message = "variation 'b': data.a.root: 'cats' was not found; looked at {0}/bases/cats, {0}/studies/cats, "
    assert message.format(moved.parents[1]) in capsys.readouterr().err


def test_an_unknown_study_names_the_nearest() -> None:
    with pytest.raises(
        PolyheadError, match="no study 'two_domain', neither a file nor a name; did you mean 'two_domains'"
    ):
        study.load("two_domain")


@pytest.mark.parametrize("name", studies())
def test_every_study_that_ships_can_be_planned(name: str) -> None:
    shipped = study.load(name)
    plan = study.plan(shipped._replace(seeds=shipped.seeds[:1], folds=shipped.folds and 2))
    assert all(member.config["stages"] for seeds in plan.values() for seed in seeds for member in seed)


@pytest.mark.parametrize("name", ["three_tasks", "unified_control"])
def test_every_row_of_a_study_of_forgetting_has_the_same_budget(name: str) -> None:
    """The rows repeat the stages of the recipe, and must follow its changes."""
    given = study.load(name)
    expected = yaml.safe_load(recipe.find(given.base).read_text(encoding="utf-8"))["stages"]
    assert len(expected) == 3
    stages = {
        row: [stage for part in parts for stage in part.get("stages", expected)]
        for row, parts in given.variations.items()
    }
    for row in set(stages) - {"joint"}:
        assert [budget(stage) for stage in stages[row]] == [budget(stage) for stage in expected], row
    (joint,) = stages["joint"]
    assert budget(joint) == budget(max(expected, key=lambda stage: int(stage["epochs"])))


@pytest.mark.parametrize(
    ("name", "row", "base"),
    [("unified_control", "coco", "unified_coco"), ("appliance_food_control", "coco", "appliance_food_coco")],
)
def test_a_row_of_another_recipe_is_that_recipe(name: str, row: str, base: str) -> None:
    """The study repeats its model and stages, and must follow its changes."""
    (part,) = study.load(name).variations[row]
    own = yaml.safe_load(recipe.find(base).read_text(encoding="utf-8"))
    assert part["stages"] == own["stages"]
    resolved = merge(yaml.safe_load(recipe.find(study.load(name).base).read_text(encoding="utf-8")), part)
    assert resolved["model"] == own["model"]
    for task, given in resolved["data"].items():
        assert [given[key] for key in ("transforms", "batch")] == [
            own["data"][task][key] for key in ("transforms", "batch")
        ]


def budget(stage: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that decide how long and how fast a stage trains."""
    return {
        key: value for key, value in stage.items() if key not in ("tasks", "lr_mult", "continual", "freeze_bn_stats")
    }


@pytest.mark.parametrize("name", ["2024_01", "on", "null", "1.5"])
def test_a_variation_has_the_name_that_was_typed(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"base: demo\nvariations:\n  {name}: {{}}\n", encoding="utf-8")
    with pytest.raises(PolyheadError, match=r"mine\.yaml: variations: expected names, got .*; put the name in quotes$"):
        study.load(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_text(f"base: demo\nvariations:\n  '{name}': {{}}\n", encoding="utf-8")
    assert list(study.load(tmp_path / "mine.yaml").variations) == [name]


@pytest.mark.parametrize("name", ["...yaml", "..yaml", "a\nb.yaml"])
def test_the_runs_of_a_study_stay_in_their_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("base: demo\nvariations:\n  a: {}\n", encoding="utf-8")
    with pytest.raises(PolyheadError, match=r"the runs of the study are in a folder of its name\. Rename the file\.$"):
        study.load(tmp_path / name)
