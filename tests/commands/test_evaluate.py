"""``polyhead evaluate``: evaluating a run from its folder gives the numbers of the training again."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.undrawn import without_plots
from polyhead import cli
from polyhead.commands import evaluate
from polyhead.kinds import kind_of
from polyhead.run import Run, read_json


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("evaluate")
    small = ["data.fruit=null", "data.*.count=12", "data.*.val.count=6", "data.*.test.count=6", "epochs=1", "workers=0"]
    assert cli.main(["train", "demo", f"runs={root}", "name=small", "imgsz=96", "max_drop=0.05", *small]) == 0
    return Run.open(root / "small")


@pytest.fixture
def undrawn_copy(run: Run, tmp_path: Path) -> Iterator[Run]:
    """A copy of the run, whose plots are written empty."""
    with without_plots():
        yield Run(Path(shutil.copytree(run.folder, tmp_path / "copy")))


def test_the_numbers_of_the_run_are_reproduced(
    undrawn_copy: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first = read_json(undrawn_copy.results_json)["test"]["tasks"]["signs"]
    assert cli.main(["evaluate", str(undrawn_copy.folder), "--json", str(tmp_path / "numbers.json")]) == 0
    again = read_json(tmp_path / "numbers.json")["tasks"]["signs"]
    same = ("score", "interval", "coco", "voc2007", "voc2010", "classes", "dummy_baseline", "errors")
    assert {key: again[key] for key in same} == {key: first[key] for key in same}
    for key in ("voc2007", "voc2010"):
        present = [entry[key] for entry in again["classes"].values() if entry["objects"]]
        assert again[key] == pytest.approx(sum(present) / len(present))
    shown = capsys.readouterr().out
    assert "90 % interval" in shown
    assert "dummy baseline" in shown


def test_the_model_card_is_written_again_unless_it_was_edited(run: Run) -> None:
    card = run.folder / "model_card.md"
    score = read_json(run.results_json)["test"]["tasks"]["signs"]["score"]
    assert f"| signs | test | 6 | AP50 | {score:.3f} |" in card.read_text(encoding="utf-8")
    card.unlink()
    assert cli.main(["evaluate", str(run.folder)]) == 0
    written = card.read_text(encoding="utf-8")
    assert "val has only 6 samples" in written
    assert "train, 6 val, 6 test" in written
    card.write_text("mine")
    assert cli.main(["evaluate", str(run.folder)]) == 0
    assert card.read_text(encoding="utf-8") == "mine"


def test_long_names_and_large_counts_are_aligned() -> None:
    numbers = {
        "images": 60,
        "split": "test",
        "protocol": "IoU",
        "metric": "mIoU",
        "score": 0.5,
        "interval": [0.4, 0.6],
        "level": 0.9,
        "dummy_baseline": {"score": 0.1},
        "miou_foreground": 0.25,
        "seconds_per_image": 0.1,
        "peak_memory_mb": 10.0,
        "classes": {"background": {"pixels": 7_714_462, "iou": 0.828}, "cow": {"pixels": 9, "iou": 0.5}},
    }
    lines = evaluate.table("seg", numbers, kind_of("segmentation"))
    assert "  miou_foreground  0.250" in lines
    assert "  background  n 7714462  iou 0.828" in lines
    assert "  cow         n 9        iou 0.500" in lines
    assert lines[-1] == "  100 ms per image including loading; peak memory 10 MB"
    del numbers["peak_memory_mb"]  # not measured on Windows
    cost = "  100 ms per image including loading; peak memory is not available on this system"
    assert evaluate.table("seg", numbers, kind_of("segmentation")) == [*lines[:-1], cost]


def test_every_plot_is_drawn_again(run: Run) -> None:
    before = {path.name: path.read_bytes() for path in run.plots.iterdir()}
    assert {"labels.signs.png", "train_batch.signs.png", "results.png", "pr_curve.signs.val.png"} <= set(before)
    for path in run.plots.iterdir():
        path.unlink()
    assert cli.main(["evaluate", str(run.folder)]) == 0
    again = {path.name: path.read_bytes() for path in run.plots.iterdir()}
    assert again == {name: content for name, content in before.items() if ".val." not in name}
    assert cli.main(["evaluate", str(run.folder), "--split", "val"]) == 0
    assert {path.name: path.read_bytes() for path in run.plots.iterdir()} == before


@pytest.mark.slow
def test_evaluating_only_some_tasks_or_val_does_not_change_the_verdict(undrawn_copy: Run) -> None:
    """The verdict is about all tasks on the test split."""
    copy = undrawn_copy
    text = copy.verdict.read_text(encoding="utf-8")
    copy.verdict.write_text("unchanged\n", encoding="utf-8")
    assert cli.main(["evaluate", str(copy.folder), "--split", "val"]) == 0
    assert copy.verdict.read_text(encoding="utf-8") == "unchanged\n"
    splits = copy.read_manifest()["splits"]
    copy.update_manifest(splits={**splits, "another": {}})
    assert cli.main(["evaluate", str(copy.folder)]) == 0
    assert copy.verdict.read_text(encoding="utf-8") == "unchanged\n"
    copy.update_manifest(splits=splits)
    assert cli.main(["evaluate", str(copy.folder)]) == 0
    assert copy.verdict.read_text(encoding="utf-8") == text


def test_standard_output_can_be_json_only(undrawn_copy: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["val", str(undrawn_copy.folder), "--split", "val", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"]["signs"]["split"] == "val"


def test_a_run_without_weights_is_refused(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.yaml").write_bytes(run.config.read_bytes())
    assert cli.main(["evaluate", str(bare)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("polyhead: error: ")
    assert "has no weights yet" in error


def test_a_drop_below_the_baseline_decides_the_exit_code(undrawn_copy: Run, capsys: pytest.CaptureFixture[str]) -> None:
    score = read_json(undrawn_copy.results_json)["test"]["tasks"]["signs"]["score"]
    assert score > 0
    for baseline, code in ((score, 0), (score / 0.9, 1)):
        words = ["--tasks", "signs", "--baseline", f"signs={baseline}", "--max-drop", "0.05"]
        assert cli.main(["evaluate", str(undrawn_copy.folder), *words]) == code
        assert ("within 5.0%" in capsys.readouterr().out) is (code == 0)


def test_the_default_of_max_drop_is_that_of_the_recipe(undrawn_copy: Run, capsys: pytest.CaptureFixture[str]) -> None:
    score = read_json(undrawn_copy.results_json)["test"]["tasks"]["signs"]["score"]
    words = ["evaluate", str(undrawn_copy.folder), "--tasks", "signs", "--baseline", f"signs={score / 0.9}"]
    assert cli.main(words) == 1
    assert "exceeds 5.0%" in capsys.readouterr().out
    assert cli.main([*words, "--max-drop", "0.9"]) == 0
    assert "within 90.0%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-drop", "0.05"], "--max-drop needs a --baseline. Give TASK=SCORE, TASK=RUN or the folder of a run"),
        (["--json", "nowhere/x.json"], "the folder of 'nowhere/x.json' does not exist. Create it first"),
        (["--json", "."], "'.' is a folder. Give the name of a file"),
        (["--tasks", "sign"], "the model has no head 'sign'; did you mean 'signs'"),
        (["--baseline", "sign=0.5"], "--baseline: 'sign' is not one of the tasks signs; did you mean 'signs'"),
        (
            ["--baseline", "signs=0"],
            "--baseline: the score is out of range (expected above 0 and at most 1, got 'signs=0')",
        ),
        (["--baseline", "signs=1", "--max-drop", "5"], "expected a fraction between 0 and 1 (0.05 is 5 %), got 5"),
        (["--baseline", "signs=1", "--max-drop", "nan"], "expected a fraction between 0 and 1 (0.05 is 5 %), got nan"),
        (["--baseline", "signs=1", "--max-drop", "5%"], "expected a fraction between 0 and 1 (0.05 is 5 %), got 5%"),
    ],
)
def test_wrong_arguments_are_refused_before_the_evaluation(
    run: Run, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", str(run.folder), *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert not shown.out
