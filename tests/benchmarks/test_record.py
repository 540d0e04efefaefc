from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.record import TABLE, command, record
from polyhead.errors import PolyheadError
from polyhead.run import Run, read_rows, write_rows

NUMBERS = {
    "images": 50,
    "metric": "AP50",
    "score": 0.9,
    "interval": [0.8, 0.95],
    "coco": {"ap": 0.5, "ap50": 0.9, "ap_frequent": None},
    "voc2007": 0.85,
}


def finished(folder: Path, config: dict[str, Any], **manifest: Any) -> Run:
    run = Run.create(folder, "pets")
    run.config.write_text(yaml.safe_dump(config))
    write_rows(run.results_csv, [{"epoch": 0, "time": 60.0}, {"epoch": 1, "time": 150.0}])
    run.update_results(test={"tasks": {"pets": NUMBERS}})
    run.update_manifest(
        command=["/home/me/.venv/bin/polyhead", "train", "/home/me/pets.yaml", "runs=/tmp/runs", "epochs=2"],
        started="2026-01-02T03:04:05+0000",
        seed=7,
        hardware={"machine": "Linux", "threads": 2, "gpu": None},
        git={"commit": "0123456789abcdef", "changed": True},
    )
    run.update_manifest(**manifest)
    return run


def test_a_row_tells_the_run_without_the_machine_s_folders(tmp_path: Path) -> None:
    table = tmp_path / "results.csv"
    run = finished(tmp_path, {"name": "pets"})
    record([run], table)
    (row,) = read_rows(table)
    assert row["command"] == "polyhead train pets.yaml runs=runs epochs=2"
    assert row["run"] == "pets"
    assert (row["seed"], row["epochs"], row["minutes"], row["images"]) == ("7", "2", "2.5", "50")
    assert (row["ap"], row["score"], row["low"], row["ap_frequent"]) == ("0.5000", "0.9000", "0.8000", "")
    assert row["commit"] == "0123456789ab+changes"
    assert str(tmp_path) not in table.read_text()
    assert TABLE.read_text(encoding="utf-8").splitlines()[0] == ",".join(row), "the committed table has these columns"


def test_rows_are_added_and_a_run_is_taken_once(tmp_path: Path) -> None:
    table = tmp_path / "results.csv"
    first = finished(tmp_path, {"name": "pets"})
    reference = finished(tmp_path, {"reference": {}, "recipe": {"name": "pets"}}, git=None)
    record([first], table)
    before = table.read_text()
    with pytest.raises(PolyheadError, match=r"'pets' of 2026-01-02T03:04:05 is already in results\.csv"):
        record([reference, first], table)
    assert table.read_text() == before
    record([reference], table)
    assert [row["what"] for row in read_rows(table)] == ["pets", "torchvision's SSD on pets"]
    with pytest.raises(PolyheadError, match="already"):
        record([finished(tmp_path / "other", {"name": "pets"})], table)


def test_a_run_without_test_numbers_is_refused(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "new")
    run.config.write_text("name: new\n")
    with pytest.raises(PolyheadError, match="run 'new' has no test results"):
        record([run], tmp_path / "results.csv")


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["benchmarks/reference.py", "ssd_voc", "--seed", "1"], "python benchmarks/reference.py ssd_voc --seed 1"),
        (["/home/me/polyhead/__main__.py", "demo"], "polyhead demo"),
    ],
)
def test_commands(words: list[str], printed: str) -> None:
    assert command(words) == printed
