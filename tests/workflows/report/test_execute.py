"""Notebooks are run with this Python; what stops them is told in words."""

import sys
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4

from polyhead.errors import PolyheadError
from polyhead.workflows.report import execute as module
from polyhead.workflows.report.execute import check_packages, execute

pytestmark = pytest.mark.slow


def notebook(*sources: str) -> Any:
    return v4.new_notebook(cells=[v4.new_markdown_cell("# A"), *map(v4.new_code_cell, sources)])


def test_it_runs_in_its_folder_with_this_python_and_leaves_no_files(tmp_path: Path) -> None:
    content = notebook("import sys, os; print(sys.executable); print(os.getcwd())", "1 + 1")
    execute(content, tmp_path)
    assert content.cells[1].outputs[0].text.split() == [sys.executable, str(tmp_path)]
    assert content.cells[2].outputs[0].data["text/plain"] == "2"
    assert [cell.execution_count for cell in content.cells[1:]] == [1, 2]
    assert not list(tmp_path.iterdir())


def test_a_plot_of_an_own_cell_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")  # as the command line sets it
    content = notebook("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    execute(content, tmp_path)
    assert any("image/png" in output.get("data", {}) for output in content.cells[1].outputs)


def test_an_error_names_the_cell(tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match=r"cell 3 \('1 / 0'\): ZeroDivisionError: division by zero\. Correct"):
        execute(notebook("1", "1 / 0", "2"), tmp_path)


def test_a_cell_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match=r"cell 2 \('import time'\): it took more than 1 s\. Allow more time"):
        execute(notebook("import time\ntime.sleep(60)"), tmp_path, seconds=1.0)


def test_a_kernel_that_dies_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match=r"cell 2 \('import os'\): the Python process that ran it has ended"):
        execute(notebook("import os\nos._exit(3)", "1"), tmp_path)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "nbclient" else name)
    with pytest.raises(PolyheadError, match=r"nbclient: not installed.*pip install 'polyhead\[report\]'"):
        check_packages()
    assert module.MISSING.endswith("'polyhead[report]'")
