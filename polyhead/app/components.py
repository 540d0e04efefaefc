"""Components that several tabs have."""

from pathlib import Path
from typing import Any

import gradio as gr


def image_path(**settings: Any) -> gr.Image:
    """Return a component whose value is the path of an image; Polyhead reads it, and says in words what is wrong."""
    component = gr.Image(type="filepath", **settings)
    # Not a subclass: Gradio would write a .pyi file for it beside this module.
    component.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign]
    return component


def shown_image(label: str, name: str, file: Path | None = None, *, show_label: bool = True) -> gr.Image:
    """Return a component that shows an image, for now that of a file; the label also describes it to those who hear."""
    buttons: Any = ["download", "fullscreen"]
    value = None if file is None else str(file)
    return gr.Image(
        value,
        label=label,
        show_label=show_label,
        elem_id=name,
        format="jpeg",
        interactive=False,
        buttons=buttons,
        alt_text=label,
    )
