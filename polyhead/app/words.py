"""Errors of the page in words, and texts in HTML."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from polyhead.errors import PolyheadError


@contextmanager
def in_words(path: str | None = None) -> Iterator[None]:
    """Show an error that a user can cause on the page, with the name of the uploaded file but not its folder."""
    try:
        yield
    except PolyheadError as error:
        import gradio as gr

        message = str(error) if path is None else str(error).replace(f"{Path(path).parent}/", "")
        raise gr.Error(escape(message), duration=None, title="This did not work", print_exception=False) from error


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return an HTML table, which scrolls on a narrow screen."""
    lines = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f'<div class="table"><table><thead><tr>{names}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def json_link(content: Any, name: str) -> str:
    """Return a link that saves plain types as a JSON file; the content is in the link, so the server stores no file."""
    data = base64.b64encode(json.dumps(content, indent=1).encode()).decode()
    return f'<a class="download" download="{escape(name)}" href="data:application/json;base64,{data}">Download JSON</a>'


def links_line(links: Mapping[str, str]) -> str:
    """Return links in HTML, which open in a new window."""
    parts = (
        f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(title)}</a>'
        for title, address in links.items()
    )
    return " · ".join(parts)


def lines(text: str) -> str:
    """Return text in HTML, line by line."""
    return f'<div class="lines">{escape(text)}</div>'
