"""The JSON and CSV files of a run: damaged ones are named, with how they are written again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyhead.errors import PolyheadError
from polyhead.run import Run, write_json, write_rows
from polyhead.stored.run_files import read_errors, read_mistakes

ROWS = [{"stage": 0, "epoch": 1, "time": 1.5, "val/a/accuracy": 0.5}, {"stage": 1, "epoch": 1, "time": 2.5}]
MANIFEST = {"seed": 0, "splits": {"a": {"train": ["x"], "val": []}}, "git": None, "precision": "32-true"}
RESULTS = {"test": {"tasks": {"a": {"metric": "accuracy", "score": 0.5, "images": 3}}}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    write_rows(run.results_csv, ROWS)
    write_json(run.manifest, MANIFEST)
    write_json(run.results_json, RESULTS)
    return run


def refused(read: Callable[[], Any], path: Path, data: bytes) -> str:
    """Return the message about a file with these bytes, after what is the same for all."""
    path.write_bytes(data)
    with pytest.raises(PolyheadError) as caught:
        read()
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_what_was_written_is_read(run: Run) -> None:
    assert run.read_manifest() == MANIFEST
    assert run.results == RESULTS
    assert [row["val/a/accuracy"] for row in run.epochs] == ["0.5", ""]
    empty = Run(run.folder / "none")
    assert (empty.read_manifest(), empty.results, empty.epochs) == ({}, {}, [])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xff\xfe{}", "it is not UTF-8 text (byte 0)"),
        (b"", "is not valid JSON, perhaps truncated"),
        (b'{"seed": 1', "is not valid JSON, perhaps truncated"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"[1]", "expected a mapping, got a list"),
        (b"null", "expected a mapping, got null"),
        (b'"text"', "expected a mapping, got text"),
        (b'{"seed": 1e999}', "1e999 is not a finite number"),
        (b'{"seed": NaN}', "NaN is not a finite number"),
        (b'{"seed": "0"}', "seed: expected a whole number, got text"),
        (b'{"precision": "32"}', "precision: expected one of 16-mixed, 32-true, auto, bf16-mixed"),
        (b'{"precision": 32}', "precision: expected text or null, got a whole number"),
    ],
)
def test_a_damaged_manifest_is_named(data: bytes, what: str, run: Run) -> None:
    message = refused(run.read_manifest, run.manifest, data)
    assert what in message
    assert message.endswith(f"Restore or delete it; 'polyhead train --resume {run.folder}' then writes a new one.")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'{"seed": 0, "splits": {}}', "expected some of the entries train, val, test and 1 more, got seed, splits"),
        (b'{"test": []}', "test: expected a mapping, got a list"),
        (b'{"test": {"tasks": {"a": 3}}}', "test.tasks.a: expected a mapping, got a whole number"),
        (b'{"test": {"tasks": {"a": {"score": "x", "metric": "", "images": 1}}}}', "score: expected a number or null"),
    ],
)
def test_damaged_results_are_named(data: bytes, what: str, run: Run) -> None:
    message = refused(lambda: run.results, run.results_json, data)
    assert what in message
    assert f"'polyhead evaluate {run.folder}' then writes it again" in message


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "line 1: expected the names of the columns, with 'stage'"),
        (b"0,1,1.5\n1,1,2.5\n", "line 1: expected the names of the columns, with 'stage'"),
        (b"stage,time\n\xff,1\n", "it is not UTF-8 text (byte 11)"),
        (b"stage,time\n", "it is truncated"),
        (b"stage,time\n0,1", "it is truncated"),
        (b"stage,time\n0\n", "line 2: expected 2 values, got 1"),
        (b"stage,time\n0,1,2\n", "line 2: expected 2 values, got 3"),
        (b"stage,time\n0,word\n", "line 2, column 'time': expected a number, got 'word'"),
        (b"stage,time\n0,1_0\n", "line 2, column 'time': expected a number, got '1_0'"),
        (b"stage,time\n-1,1\n", "line 2, column 'stage': expected a whole number, got '-1'"),
        (b'stage,time\n0,"1\n0,2\n', "it is not valid CSV"),
        (b"stage,time\n0," + b"1" * 200_000 + b"\n", "it is not valid CSV"),
        (b"stage,time,time\n0,1,1\n", "two columns have the same name"),
    ],
)
def test_damaged_epochs_are_named(data: bytes, what: str, run: Run) -> None:
    message = refused(lambda: run.epochs, run.results_csv, data)
    assert what in message
    assert message.endswith(f"'polyhead train --resume {run.folder}' writes it again.")


def test_a_file_that_is_too_large_is_not_read(run: Run) -> None:
    with run.manifest.open("r+b") as file:
        file.truncate(2**28 + 1)  # sparse
    with pytest.raises(PolyheadError, match="it is larger than 256 MiB"):
        run.read_manifest()


def test_a_gallery_of_mistakes_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "mistakes" / "mistakes.json"
    assert read_mistakes(path) == {}
    path.parent.mkdir()
    entry = {"file": None, "task": "a", "type": "missed", "caption": "missed cat", "severity": 0.5}
    content = {"split": "test", "tasks": {"a": {"images": 3, "types": {"missed": 1}}}, "mistakes": [entry]}
    write_json(path, content)
    assert read_mistakes(path) == content
    write_json(path, {**content, "mistakes": [{**entry, "caption": 7}]})
    with pytest.raises(PolyheadError, match=rf"mistakes\.json.*'polyhead mistakes {tmp_path}' writes it again\.$"):
        read_mistakes(path)


def test_an_error_analysis_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "errors" / "errors.json"
    assert read_errors(path) == {}
    path.parent.mkdir()
    wrong = {"wrong classes": {"cases": 3, "fraction": [0.5, None, None]}}
    slices: dict[str, Any] = {"tried": [], "left_out": ["wrong classes: class a"]}
    entry = {"images": 3, "wrong": wrong, "slices": slices, "robustness": []}
    write_json(path, {"split": "test", "tasks": {"a": entry}})
    assert read_errors(path)["tasks"] == {"a": entry}
    write_json(path, {"split": "test", "tasks": {"a": {**entry, "images": "3"}}})
    with pytest.raises(PolyheadError, match=rf"errors\.json.*'polyhead errors {tmp_path}' writes it again\.$"):
        read_errors(path)
