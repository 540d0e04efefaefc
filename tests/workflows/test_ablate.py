"""Ablations: the study that is written, its rows, tables and plot, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from builders.pretended_runs import pretend
from PIL import Image

import polyhead
from polyhead import cli
from polyhead.errors import PolyheadError
from polyhead.workflows import ablate, study

BASE = """\
model: {class_path: ssd300, init_args: {backbone: regnetx_002, size: 64, width: 16}}
data:
  shapes: {reader: scenes, domain: shapes, count: 8, size: 64, val: {count: 4, seed: 1}, test: {count: 4, seed: 2}}
stages: [{epochs: 20, lr: 0.003}]
"""
LR = ["--vary", "lr=1e-3,0.003,1e-4", "--vary", "transforms=light"]


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe in the current folder; runs are not trained, but have the files of finished ones."""
    monkeypatch.chdir(tmp_path)

    def fake(plan: study.Plan, *_: object) -> None:
        missing = {name: [[m for m in seed if not m.finished] for seed in seeds] for name, seeds in plan.items()}
        pretend(missing)

    monkeypatch.setattr(ablate, "train_missing", fake)
    monkeypatch.setattr(study, "check_settings", lambda member: None)  # it takes most of the time, and is tested there
    (tmp_path / "mine.yaml").write_text(BASE)
    return tmp_path / "mine.yaml"


@pytest.mark.usefixtures("base")
def test_an_ablation_is_a_study_that_study_runs_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ablate", "mine.yaml", *LR, "--seeds", "1", "batch=4"]) == 0
    shown = capsys.readouterr().out
    assert "lr=0.003: these are the settings of the base, so it is not a variation" in shown
    file = Path("runs/mine_ablation.yaml")
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert list(written["variations"]) == ["short", "base", "lr=0.001", "lr=0.0001", "transforms=light"]
    folders = [Path("runs/mine_ablation") / f"{name}.seed0" for name in written["variations"]]
    configs = [yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")) for folder in folders]
    assert [config["stages"][0]["epochs"] for config in configs] == [2, 20, 20, 20, 20]
    assert [config["stages"][0]["lr"] for config in configs] == [0.003, 0.003, 0.001, 0.0001, 0.003]
    assert {config["data"]["shapes"]["batch"] for config in configs} == {4}
    assert configs[-1]["data"]["shapes"]["transforms"] == "light"
    table = Path("runs/mine_ablation/table.txt").read_text(encoding="utf-8")
    assert table in shown
    assert cli.main(["study", str(file)]) == 0
    assert capsys.readouterr().out == table
    assert Path("runs/mine_ablation/table.txt").read_text(encoding="utf-8") == table


@pytest.mark.usefixtures("base")
def test_differences_are_to_the_base_in_all_forms_of_the_table() -> None:
    table = polyhead.ablate("mine.yaml", {"lr": [1e-3], "batch": [4]}, seeds=2, show=lambda line: None)
    assert list(table["run"]) == ["short", "base", "lr=0.001", "batch=4"]
    assert list(table["seeds"]) == [2] * 4
    assert table["difference"].isna().tolist() == [False, True, False, False]
    assert table["difference"][2] == pytest.approx(table["ap50"][2] - table["ap50"][1])
    assert table["difference_low"][3] <= table["difference"][3] <= table["difference_high"][3]
    folder = Path("runs/mine_ablation")
    pd.testing.assert_frame_equal(pd.read_csv(folder / "table.csv"), table, check_dtype=False)
    rows = json.loads((folder / "table.json").read_text(encoding="utf-8"))["rows"]
    assert [row["difference"] is None for row in rows] == [False, True, False, False]
    head, _, short, *_ = (folder / "table.md").read_text(encoding="utf-8").splitlines()
    assert "| AP50 vs. base |" in head
    assert short.startswith("| short | 2 |")
    assert ablate.ADVICE in (folder / "table.txt").read_text(encoding="utf-8")
    assert ablate.ADVICE in (folder / "table.md").read_text(encoding="utf-8")
    colors = np.asarray(Image.open(folder / "effects.png").convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colors, axis=0)) > 3


@pytest.mark.usefixtures("base")
def test_a_grid_has_all_combinations_but_that_of_the_base() -> None:
    words = ["--vary", "lr=0.003,0.001", "--vary", "batch=8,4", "--grid", "--seeds", "1", "--name", "all"]
    assert cli.main(["ablate", "mine.yaml", *words]) == 0
    written = yaml.safe_load(Path("runs/all.yaml").read_text(encoding="utf-8"))
    assert list(written["variations"])[2:] == ["lr=0.003,batch=4", "lr=0.001,batch=8", "lr=0.001,batch=4"]


@pytest.mark.usefixtures("base")
def test_no_short_row_where_it_would_be_the_base() -> None:
    assert cli.main(["ablate", "mine.yaml", "--vary", "lr=0.1", "--seeds", "1", "epochs=1"]) == 0
    assert list(yaml.safe_load(Path("runs/mine_ablation.yaml").read_text(encoding="utf-8"))["variations"]) == [
        "base",
        "lr=0.1",
    ]


def test_tasks_have_a_table_each(base: Path) -> None:
    two = BASE.replace("data:\n", "data:\n  signs: {reader: scenes, domain: signs, count: 8, size: 64}\n")
    base.write_text(two)
    table = polyhead.ablate("mine.yaml", {"lr": [1e-3]}, ["epochs=1"], seeds=1, show=lambda line: None)
    assert list(zip(table["task"], table["run"], strict=True)) == [
        ("shapes", "base"),
        ("shapes", "lr=0.001"),
        ("signs", "base"),
        ("signs", "lr=0.001"),
    ]
    names = sorted(path.name for path in Path("runs/mine_ablation").glob("*.*") if path.is_file())
    ends = ["csv", "md"]
    assert names == [
        *(f"effects.{task}.png" for task in ("shapes", "signs")),
        "table.json",
        *(f"table.{task}.{end}" for task in ("shapes", "signs") for end in ends),
        "table.txt",
    ]


@pytest.mark.usefixtures("base")
def test_another_study_of_this_name_is_refused_and_the_same_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ablate", "mine.yaml", "--vary", "lr=0.1", "--seeds", "1"]) == 0
    first = Path("runs/mine_ablation/table.txt").read_text(encoding="utf-8")
    assert cli.main(["ablate", "mine.yaml", "--vary", "lr=0.1", "--seeds", "1"]) == 0
    assert Path("runs/mine_ablation/table.txt").read_text(encoding="utf-8") == first
    capsys.readouterr()
    assert cli.main(["ablate", "mine.yaml", "--vary", "lr=0.1", "--seeds", "2"]) == 2
    assert capsys.readouterr().err == (
        "polyhead: error: runs/mine_ablation.yaml describes another study (other seeds). Give this one another name "
        "with --name, or delete the file: finished runs with the same settings are used again.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--vary", "lr=0.1", "--seeds", "0"], "--seeds: expected a whole number of 1 or more, got 0"),
        (["--vary", "lr=0.1", "--minutes", "0"], "--minutes: expected a number above 0, got 0"),
        (["--vary", "lr=0.1", "--metric", "map"], "--metric: expected one of ap, ap50"),
        (["--vary", "dropuot=0.1"], "unknown key 'dropuot' of the recipe; did you mean 'dropout'?"),
        (["--vary", "lr=-1"], "stages.0: lr must be positive, got -1"),
        (["--vary", "seed=1,2"], "--vary seed=1,2: 'seed' cannot be varied; the study sets it for each run"),
        (["--vary", "lr=1e-4..1"], "--vary lr=0.0001..1: a range needs a search. Add --search TRIALS, or list its"),
        (["--vary", "lr=0.003"], "--vary: nothing differs from the recipe: lr=0.003 is what it has already."),
        (["--vary", "lr=0.1", "--name", "../x"], "--name: expected a name for a folder, got '../x'"),
        (["--vary"], "--vary '': expected a setting with its values."),
        (
            ["--vary", "lr=0.1", "--search", "3"],
            "--vary lr=0.1: a search needs a range or several values. To set a value",
        ),
        (["--vary", "lr=1..2", "--search", "0"], "--search: expected a whole number of 1 or more trials, got 0"),
        (["--vary", "lr=1..2", "--search", "3", "--grid"], "--grid trains all combinations, and --search draws some"),
        (
            ["--vary", "lr=0.1", "seed=3"],
            "study mine_ablation: the key 'changes' sets 'seed', which the study sets from",
        ),
    ],
)
@pytest.mark.usefixtures("base")
def test_mistakes_are_named_before_any_training(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert cli.main(["ablate", "mine.yaml", *words]) == 2
    assert capsys.readouterr().err.startswith(f"polyhead: error: {message}")
    assert not Path("runs/mine_ablation").exists()


@pytest.mark.usefixtures("base")
def test_changes_are_a_list() -> None:
    with pytest.raises(PolyheadError, match=re.escape("changes: expected a list such as ['epochs=1'], got 'epochs=1'")):
        polyhead.ablate("mine.yaml", {"lr": [0.1]}, "epochs=1")
