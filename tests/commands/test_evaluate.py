"""``polyhead evaluate``: a run is measured again from its folder alone, with the same numbers."""

import json
from pathlib import Path

import pytest

from polyhead import cli
from polyhead.run import Run, read_json


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("evaluate")
    small = ["data.signs.count=12", "data.signs.val.count=6", "data.signs.test.count=6", "epochs=1", "workers=0"]
    assert cli.main(["train", "demo", f"runs={root}", "name=small", "imgsz=96", *small]) == 0
    return Run.open(root / "small")


def test_the_numbers_of_the_run_come_again(run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = read_json(run.results_json)["test"]["tasks"]["signs"]
    assert cli.main(["evaluate", str(run.folder), "--json", str(tmp_path / "numbers.json")]) == 0
    again = read_json(tmp_path / "numbers.json")["tasks"]["signs"]
    same = ("score", "interval", "coco", "voc2007", "voc2010", "classes", "rival", "errors")
    assert {key: again[key] for key in same} == {key: first[key] for key in same}
    shown = capsys.readouterr().out
    assert "90 % interval" in shown
    assert "trivial rival" in shown


def test_json_alone_on_standard_output(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["val", str(run.folder), "--split", "val", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"]["signs"]["split"] == "val"


def test_a_run_without_weights(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.yaml").write_bytes(run.config.read_bytes())
    assert cli.main(["evaluate", str(bare)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("polyhead: error: ")
    assert "has no weights yet" in error
