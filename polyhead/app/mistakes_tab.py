"""The tab *Mistakes*: the worst mistakes of each type on a split, with annotation, prediction and map."""

from pathlib import Path

import gradio as gr

from polyhead.app.components import shown_image
from polyhead.app.words import table
from polyhead.run import Run
from polyhead.stored import run_files
from polyhead.workflows.mistakes import MISTAKES, TABLE


def add(run: Run | None) -> None:
    """Add the contents of the tab to the page.

    Args:
        run: the run; None for official weights, which have no test split of their own.
    """
    if run is None:
        gr.Markdown(
            "Official weights have no test split of their own. Fine-tune them on your data to see their mistakes."
        )
        return
    folder = run.folder / MISTAKES
    gallery = run_files.read_mistakes(folder / TABLE)
    if not gallery:
        command = f"polyhead mistakes {run.quoted}"
        gr.Markdown(f"There is no gallery of mistakes yet. Make one with `{command}`, and start the app again.")
        return
    rows = [
        [task, name, str(count), str(found["images"])]
        for task, found in gallery["tasks"].items()
        for name, count in found["types"].items()
    ]
    gr.Markdown(f"The worst mistakes on **{gallery['split']}**: annotation, prediction, and what it depends on.")
    gr.HTML(table(["head", "type", "mistakes", "images"], rows), elem_id="types")
    with gr.Column(elem_id="gallery"):
        for number, each in enumerate(gallery["mistakes"]):
            file = folder / Path(each["file"] or "").name
            if each["file"] and file.is_file():
                shown_image(
                    f"{each['task']}, {each['type']}: {each['caption']}", f"mistake{number}", file, show_label=False
                )
