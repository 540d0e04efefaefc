"""``polyhead mistakes`` prints how many mistakes of each type there are, and draws the worst."""

import json
from pathlib import Path

import pytest
from builders.three_heads import three_heads

from polyhead import cli
from polyhead.commands.mistakes import parser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return three_heads(tmp_path_factory.mktemp("mistakes")).folder


def test_types_are_counted_and_the_worst_are_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mistakes", str(run), "--task", "det", "--conf", "0.5", "--most", "2", "--no-trust"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = json.loads((run / "mistakes" / "mistakes.json").read_text())
    types = table["tasks"]["det"]["types"]
    assert f"det: {sum(types.values())} mistakes in 8 test images" in lines
    assert all(f"  {kind}: {number}, the worst:" in lines for kind, number in types.items())
    for each in table["mistakes"]:
        verdict = each["verdict"].partition(":")[0]
        assert f"    {each['caption']}: {verdict} ({each['file']})" in lines
    assert lines[-1] == f"{len(table['mistakes'])} mistakes drawn; drawn images in {run / 'mistakes'}"


def test_a_head_without_mistakes_is_named_too(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--task", "det", "--conf", "0.5", "--split", "train", "--out", str(tmp_path / "out")]
    assert cli.main(["mistakes", str(run), "--no-trust", "--most", "1", *words]) == 0
    assert "in 4 train images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "dte"], "the model has no head 'dte'; did you mean 'det'?"),
        (["--most", "0"], "most must be 1 or more, got 0"),
        (["--split", "tests"], "argument --split: invalid choice: 'tests'"),
    ],
)
def test_wrong_options_are_refused(
    run: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["mistakes", str(run), *words]) == 2
    assert message in capsys.readouterr().err


def test_help_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, parser().format_help().splitlines())) <= 80
