"""The tab *Model*: what it predicts, how well, compared with what, and where it comes from."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from polyhead.app.components import shown_image
from polyhead.app.words import lines, links_line, table
from polyhead.data.catalog import WEIGHTS_CATALOG
from polyhead.errors import counted
from polyhead.run import Run
from polyhead.workflows.predictor import Predictor


def add(predictor: Predictor, run: Run | None, name: str, links: Mapping[str, str]) -> None:
    """Add the contents of the tab to the page.

    Args:
        predictor: the model.
        run: its run; None for official weights.
        name: name of the run or of the weights.
        links: addresses by title.
    """
    gr.Markdown(f"## {name}")
    if links:
        gr.HTML(links_line(links), elem_id="links")
    if run is None:
        gr.Markdown(f"Official weights, as they are. {WEIGHTS_CATALOG[name].license}")
    else:
        results = run.results
        split = next((each for each in ("test", "val") if each in results), None)
        if split is None:
            gr.Markdown(f"This run has not been evaluated. Do so with `polyhead evaluate {run.quoted}`.")
        else:
            _add_scores(results[split]["tasks"], split)
        if run.verdict.is_file():
            gr.Markdown("### Verdict")
            gr.HTML(lines(run.verdict.read_text(encoding="utf-8")))
    for task, names in predictor.names.items():
        with gr.Accordion(f"{task}: {counted(len(names), 'class', 'classes')}", open=len(names) <= 20):
            gr.Markdown(", ".join(names))
    curves = None if run is None else run.plots / "results.png"
    if curves is not None and curves.is_file():
        shown_image("Training", "curves", curves)


def _add_scores(tasks: Mapping[str, Any], split: str) -> None:
    """Add the scores of all heads on a split, and those of each class."""
    gr.Markdown(f"### Scores on {split}")
    head = ["head", "score", "interval", "dummy baseline", "images", "protocol"]
    gr.HTML(table(head, [_row(task, numbers) for task, numbers in tasks.items()]), elem_id="scores")
    for task, numbers in tasks.items():
        classes = numbers.get("classes", {})
        columns = list(dict.fromkeys(key for each in classes.values() for key in each))
        if columns:
            with gr.Accordion(f"{task}: each class", open=False):
                gr.HTML(
                    table(
                        ["class", *columns],
                        [[name, *(_cell(each.get(key)) for key in columns)] for name, each in classes.items()],
                    )
                )


def _row(task: str, numbers: Mapping[str, Any]) -> list[str]:
    """Return the cells of the table of scores; older runs lack some."""
    interval, dummy = numbers.get("interval"), numbers.get("dummy_baseline")
    level = f" ({100 * numbers['level']:.0f} %)" if "level" in numbers else ""
    return [
        task,
        f"{numbers['metric']} {_cell(numbers['score'])}",
        f"{_cell(interval[0])} to {_cell(interval[-1])}{level}" if interval else "",
        f"{_cell(dummy['score'])} ({dummy.get('name', '')})" if dummy else "",
        str(numbers["images"]),
        str(numbers.get("protocol", "")),
    ]


def _cell(value: Any) -> str:
    """Return a number as a short text."""
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
