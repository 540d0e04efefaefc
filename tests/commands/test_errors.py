"""``polyhead errors`` prints what matters most of the analysis."""

from pathlib import Path

import pytest

from polyhead import cli
from polyhead.analysis.errors.report import lines, markdown
from polyhead.commands.errors import parser

SLICE = {
    "of": "wrong boxes",
    "slice": "class a|b",
    "cases": 30,
    "images": 12,
    "value": 0.5,
    "rest": 0.25,
    "difference": [0.25, 0.1, 0.4],
    "p": 0.002,
    "worse": True,
}
ENTRY = {
    "images": 60,
    "unread": ["x.png: cut off; restore it"],
    "metric": "AP50",
    "wrong": {"wrong boxes": {"cases": 90, "fraction": [0.3, 0.2, 0.4]}},
    "confusions": [["cat", "dog", 0.25]],
    "gains": {
        "score": "AP50",
        "value": [0.5, 0.4, 0.6],
        "types": {"Cls": [0.01, 0.0, 0.02], "Miss": [0.2, 0.1, 0.3], "FalseNeg": [0.25, None, None]},
        "counts": {"Cls": 3, "Miss": 20},
    },
    "slices": {
        "tried": [SLICE, {**SLICE, "slice": "size 0 to 1", "worse": False, "p": 0.00001}],
        "left_out": ["wrong boxes: class rare"],
    },
    "curves": {},
    "robustness": [
        {"change": "", "score": [0.5, 0.4, 0.6], "difference": [0.0, 0.0, 0.0]},
        {"change": "blur", "score": [0.4, 0.3, 0.5], "difference": [-0.1, -0.2, 0.0]},
    ],
}


def test_the_lines_have_what_matters_most() -> None:
    assert lines("det", ENTRY, "test") == [
        "det: 60 test images, 1 not read",
        "  wrong boxes: 0.300 [0.200, 0.400] of 90",
        "  AP50 0.500 [0.400, 0.600]; fixing one type of error would gain FalseNeg +0.250, Miss +0.200, Cls +0.010",
        "  most frequent confusions: cat as dog (25%)",
        "  significantly worse than the rest: 1 of 2 slices tried; 1 had too few images",
        "    wrong boxes: class a|b (30 in 12 images) 0.500, the rest 0.250; +0.250 [+0.100, +0.400], p = 0.002",
        "  AP50 0.500 [0.400, 0.600]; changed by blur -0.100 [-0.200, +0.000]",
    ]


def test_the_tables_have_everything() -> None:
    text = markdown("runs/x", {"split": "val", "tasks": {"det": ENTRY}})
    for line in (
        "# Errors of runs/x (val split)",
        "| FalseNeg |  | +0.250 [-, -] |",
        "| **class a\\|b** | wrong boxes | 30 | 12 | 0.500 | 0.250 | +0.250 [+0.100, +0.400] | = 0.002 |",
        "| none | 0.500 [0.400, 0.600] |  |",
        "| blur | 0.400 [0.300, 0.500] | -0.100 [-0.200, +0.000] |",
        "Not tried, with fewer than 10 images inside or outside: wrong boxes: class rare.",
    ):
        assert line in text.splitlines()
    assert "| < 0.0001 |" in text


def test_a_run_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["errors", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert cli.main(["errors", str(tmp_path), "--split", "train"]) == 2
    assert "argument --split: invalid choice: 'train'" in capsys.readouterr().err


def test_help_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, parser().format_help().splitlines())) <= 80
