"""The check of a report passes when it is complete and honest, and names what is not."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from builders.answered_report import answer
from nbformat import v4

from polyhead import cli
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows.report.cells import question
from polyhead.workflows.report.check import check_report
from polyhead.workflows.report.merge import merge
from polyhead.workflows.report.notebook_file import read_notebook, write_notebook
from polyhead.workflows.report.write import Report, write_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def answered(run: Run, written: Report, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of the run, whose questions are answered."""
    copy = Run(tmp_path_factory.mktemp("answered") / "small")
    shutil.copytree(run.folder, copy.folder)
    answer(copy.folder / written.notebook.name)
    write_report(copy, show=lambda _: None)
    return copy


def changed(run: Run, folder: Path) -> tuple[Any, Path]:
    """Return the notebook in a copy of a run, and its path."""
    shutil.copytree(run.folder, folder)
    path = folder / "report.ipynb"
    return read_notebook(path), path


def test_open_questions_are_all_that_is_wrong_at_first(
    run: Run, written: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_report(run.folder) == [f"not answered: {question}" for question in written.questions]
    assert cli.main(["report", str(run.folder), "--check"]) == 2
    assert f"{len(written.questions)} points to correct" in capsys.readouterr().out


def test_it_passes_when_they_are_answered(answered: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(answered.folder / "report.ipynb"), "--check"]) == 0
    printed = capsys.readouterr().out
    assert "the report is complete, and the numbers that it shows are those of the run" in printed
    assert "answers, 0 cells of yours" in printed


def test_faults_of_the_notebook_are_named(answered: Run, tmp_path: Path) -> None:
    notebook, path = changed(answered, tmp_path / "copy")
    cells = {cell.id: cell for cell in notebook.cells}
    cells["scores"].outputs[0].data["text/markdown"] = "AP50 0.999"
    cells["classes-det"].source = "report.classes(run, 'seg')"
    cells["question-purpose"].source = ""
    notebook.cells = [cell for cell in notebook.cells if cell.id not in ("section-analysis", "verdict")]
    notebook.cells += [
        v4.new_code_cell(""),
        v4.new_code_cell("print(1)  # TODO", execution_count=99),
        v4.new_code_cell("# print(2)", execution_count=100),
        v4.new_code_cell("1 / 0", execution_count=101, outputs=[v4.new_output("error", ename="E", evalue="e")]),
    ]
    write_notebook(notebook, path)
    found = "\n".join(check_report(path))
    for expected in (
        "the output of 'report.scores(run)' is not what the files of the run give",
        "(classes-det) was changed, so it may show something else",
        "not answered: Who would use these predictions",
        "section Analysis is missing",
        "the cell with 'report.verdict(run)' is missing",
        "is an empty code cell",
        "has scratch code ('TODO')",
        "has nothing but comments",
        "shows an error",
        "were not run once each, from top to bottom",
        "report.html is not the page of report.ipynb as it is now",
    ):
        assert expected in found, expected


def test_results_that_change_after_the_report_are_noticed(answered: Run, tmp_path: Path) -> None:
    _, path = changed(answered, tmp_path / "copy")
    run = Run(path.parent)
    content = run.results
    content["test"]["tasks"]["cls"]["score"] = 0.999
    run.update_results(**content)
    path.with_suffix(".html").unlink()
    found = "\n".join(check_report(run.folder))
    assert "'cls' on test: the score is stated as 0.999000" in found
    assert "the output of 'report.scores(run)' is not what" in found
    assert "report.html is missing" in found


def test_what_is_no_report_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{}", encoding="utf-8")
    with pytest.raises(PolyheadError, match=r"there is no .*report\.ipynb\. Write it with 'polyhead report'"):
        check_report(tmp_path)
    write_notebook(v4.new_notebook(), tmp_path / "a.ipynb")
    with pytest.raises(PolyheadError, match="was not written by Polyhead: no cell opens a run"):
        check_report(tmp_path / "a.ipynb")
    notebook, _ = merge("A", [question("why", "Why?")])
    write_notebook(notebook, tmp_path / "a.ipynb")
    with pytest.raises(PolyheadError, match=r"the cell that opens the run is missing\. Run the command that wrote"):
        check_report(tmp_path / "a.ipynb")
    assert run.folder.is_dir()
