"""A notebook as one HTML file, which needs no other file and loads nothing from elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.workflows.report.merge import type_of

if TYPE_CHECKING:
    from nbformat import NotebookNode

_TEMPLATE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block extra_css -%}
<style>
body { max-width: 1100px; margin: 0 auto; padding: 0 1em 4em; }
.highlight pre, .highlight span { font-family: monospace; }
@media print { .jp-Cell { break-inside: avoid; } }
</style>
{%- endblock -%}
"""
"""The page of nbconvert without the scripts that load formulas, diagrams and widgets from elsewhere."""


def html(notebook: "NotebookNode", folder: Path) -> str:
    """Return a notebook as HTML; without its code, unless it is the code that trains.

    Args:
        notebook: the notebook, with outputs and a title.
        folder: where the images that its texts name are.
    """
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        raw_template=_TEMPLATE,
        embed_images=True,
        mathjax_url="",
        exclude_input=not any(type_of(cell) == "work" for cell in notebook.cells),
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"path": str(folder)}})
    return str(page)
