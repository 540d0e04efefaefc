"""Read and write notebooks as files."""

from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.errors import PolyheadError
from polyhead.run import write_text

if TYPE_CHECKING:
    from nbformat import NotebookNode


def read_notebook(path: Path) -> "NotebookNode | None":
    """Read a notebook; None if there is none.

    Raises:
        PolyheadError: if the file is damaged.
    """
    import nbformat

    if not path.is_file():
        return None
    try:
        notebook: NotebookNode = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except (ValueError, KeyError, AttributeError, TypeError, nbformat.ValidationError) as error:
        raise PolyheadError(
            f"{path} is not a valid notebook ({type(error).__name__}). Restore it, or delete it to write a new one."
        ) from error
    return notebook


def write_notebook(notebook: "NotebookNode", path: Path) -> None:
    """Write a notebook."""
    import nbformat

    write_text(path, nbformat.writes(notebook) + "\n")
