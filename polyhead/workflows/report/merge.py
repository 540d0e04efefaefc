"""Write the cells of a report into a notebook, with what people have written into an earlier version of it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polyhead.analysis.report.questions import MARK
from polyhead.workflows.report.cells import Cell, digest

if TYPE_CHECKING:
    from nbformat import NotebookNode

OURS = "polyhead"
"""Key of the metadata of our cells: their type, and the digest of their source as it was written."""
CODE = ("show", "work")


def merge(title: str, cells: Sequence[Cell], old: "NotebookNode | None" = None) -> "tuple[NotebookNode, list[str]]":
    """Return a notebook of cells, and what happened to cells of an earlier version that people have changed.

    Answers stay in their places, below their questions. Cells that people have added stay after the cell that they
    followed. A cell of ours that was changed is written anew, and the changed text follows it as a cell of its own.
    Nothing else of the earlier version stays.

    Args:
        title: title of the notebook.
        cells: its cells.
        old: the earlier version.
    """
    from nbformat import v4

    answers: dict[str, str] = {}
    after: dict[str, list[Any]] = {}
    notes, place, known = [], "", {cell.name for cell in cells}
    for each in old.cells if old is not None else ():
        if type_of(each) is None:
            after.setdefault(place, []).append(_own(each))
            continue
        place = each.id if each.id in known else place
        if is_unchanged(each):
            continue
        if type_of(each) == "question" and each.id in known:
            if answer := answer_of(each):
                answers[each.id] = f"**{asked_by(each)}**\n\n{answer}"
        else:
            after.setdefault(place, []).append(_own(each))
            notes.append(f"the cell {each.id!r} was changed; the changed text follows it as a cell of its own")
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook: NotebookNode = v4.new_notebook(metadata={"kernelspec": kernel, "title": title})
    notebook.cells = list(after.get("", ()))
    for cell in cells:
        notebook.cells += [_node(cell, answers.get(cell.name, cell.source)), *after.get(cell.name, ())]
    return notebook, notes


def type_of(cell: Mapping[str, Any]) -> str | None:
    """Return the type of a cell of ours; None for a cell that a person has written."""
    entry = cell["metadata"].get(OURS)
    return str(entry["type"]) if isinstance(entry, Mapping) and {"type", "digest"} <= entry.keys() else None


def asked_by(cell: "NotebookNode") -> str:
    """Return the question of a cell of ours that asks one."""
    return str(cell.metadata[OURS].get("asked", ""))


def answer_of(cell: "NotebookNode") -> str:
    """Return what a person has written in a cell that asks a question, without the question; empty if nothing."""
    asked = asked_by(cell)
    mine = ("", ">", f"{MARK} {asked}", f"**{asked}**", f"> **{asked}**")
    lines = cell.source.strip().splitlines()
    while lines and lines[0].strip() in mine:
        del lines[0]
    return "\n".join(lines).strip()


def is_unchanged(cell: "NotebookNode") -> bool:
    """Return whether a cell of ours is as it was written."""
    return bool(digest(cell.source) == cell.metadata[OURS]["digest"])


def _node(cell: Cell, source: str) -> "NotebookNode":
    """Return a cell of ours for a notebook."""
    entry = {"type": cell.type, "digest": digest(cell.source)}
    if cell.type == "question":
        entry["asked"] = cell.source.removeprefix(MARK).strip()
    return _new("code" if cell.type in CODE else "markdown", source, id=cell.name, metadata={OURS: entry})


def _own(cell: "NotebookNode") -> "NotebookNode":
    """Return a copy of a cell as one that a person has written, without its outputs."""
    return _new(cell.cell_type, cell.source, metadata={key: cell.metadata[key] for key in cell.metadata if key != OURS})


def _new(cell_type: str, source: str, **entries: Any) -> "NotebookNode":
    """Return a new cell."""
    from nbformat import v4

    node: NotebookNode
    if cell_type == "code":
        node = v4.new_code_cell(source, **entries)
    elif cell_type == "raw":
        node = v4.new_raw_cell(source, **entries)
    else:
        node = v4.new_markdown_cell(source, **entries)
    return node
