"""A report that is written again: answers and cells of people stay."""

from typing import Any

import nbformat
import pytest
from nbformat import v4

from polyhead.errors import PolyheadError
from polyhead.workflows.report.cells import Cell, Sources, question, sections
from polyhead.workflows.report.check import unanswered
from polyhead.workflows.report.merge import merge, type_of
from polyhead.workflows.report.notebook_file import read_notebook, write_notebook

CELLS = [Cell("title", "text", "# A"), question("why", "Why?"), Cell("scores", "show", "report.scores(run)")]


def sources_of(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells]


def test_a_new_notebook_is_valid_and_has_all_cells() -> None:
    notebook, notes = merge("A", CELLS)
    nbformat.validate(notebook)
    assert [type_of(cell) for cell in notebook.cells] == ["text", "question", "show"]
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "markdown", "code"]
    assert unanswered(notebook) == ["Why?"]
    assert not notes


def test_answers_and_own_cells_stay_in_their_places() -> None:
    old, _ = merge("A", CELLS)
    old.cells[1].source = "Because."
    old.cells.insert(0, v4.new_markdown_cell("before"))
    old.cells.insert(3, v4.new_code_cell("print(1)", outputs=[v4.new_output("stream", text="1")]))
    old.cells.append(v4.new_raw_cell("after"))
    new, notes = merge("A", [CELLS[0], *CELLS[1:], Cell("last", "text", "end")], old)
    nbformat.validate(new)
    assert sources_of(new) == [
        "before",
        "# A",
        "**Why?**\n\nBecause.",
        "print(1)",
        "report.scores(run)",
        "after",
        "end",
    ]
    assert new.cells[3].outputs == []
    assert not notes
    assert unanswered(new) == []
    again, _ = merge("A", [CELLS[0], *CELLS[1:], Cell("last", "text", "end")], new)
    assert sources_of(again) == sources_of(new)


def test_a_changed_cell_of_ours_is_written_anew_and_the_change_is_not_lost() -> None:
    old, _ = merge("A", CELLS)
    old.cells[2].source = "report.scores(run)  # my way"
    new, notes = merge("A", CELLS, old)
    assert sources_of(new)[-2:] == ["report.scores(run)", "report.scores(run)  # my way"]
    assert type_of(new.cells[-1]) is None
    assert notes == ["the cell 'scores' was changed; the changed text follows it as a cell of its own"]
    again, notes = merge("A", CELLS, new)
    assert sources_of(again) == sources_of(new)
    assert not notes


def test_an_answer_to_a_question_that_is_no_longer_asked_stays() -> None:
    old, _ = merge("A", CELLS)
    old.cells[1].source = "Because."
    new, _ = merge("A", [CELLS[0], CELLS[2]], old)
    assert sources_of(new) == ["# A", "Because.", "report.scores(run)"]


def test_an_empty_answer_is_none() -> None:
    notebook, _ = merge("A", CELLS)
    notebook.cells[1].source = "  "
    assert unanswered(notebook) == ["Why?"]
    new, _ = merge("A", CELLS, notebook)
    assert sources_of(new) == sources_of(merge("A", CELLS)[0])


@pytest.mark.parametrize(
    "source",
    ["Because.", "> **Question:** Why?\n\nBecause.", "> **Question:** Why?\n>\nBecause.", "**Why?**\n\nBecause."],
)
def test_an_answer_may_stand_below_its_question_or_in_its_place(source: str) -> None:
    old, _ = merge("A", CELLS)
    old.cells[1].source = source
    assert unanswered(old) == []
    new, notes = merge("A", CELLS, old)
    assert new.cells[1].source == "**Why?**\n\nBecause."
    assert not notes


def test_names_of_tasks_and_studies_make_valid_and_different_ids() -> None:
    cells = list(sections(Sources({"a b": ["x"], "a-b": ["x"], "ü" * 80: ["x"]}, studies=["'../a/b'", "'../a-b'"])))
    names = [cell.name for cell in cells]
    assert len({*names}) == len(names)
    notebook, _ = merge("A", cells)
    nbformat.validate(notebook)


def test_a_notebook_is_written_and_read_again(tmp_path: Any) -> None:
    notebook, _ = merge("A", CELLS)
    path = tmp_path / "a.ipynb"
    assert read_notebook(path) is None
    write_notebook(notebook, path)
    assert sources_of(read_notebook(path)) == sources_of(notebook)
    for damaged in ("{", "[]", '{"cells": 3}', '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}'):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(PolyheadError, match="is not a valid notebook"):
            read_notebook(path)
