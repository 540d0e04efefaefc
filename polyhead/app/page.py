"""The page of a model: the tabs *Try*, *Model* and *Mistakes*."""

import os
from collections.abc import Mapping
from pathlib import Path

from polyhead.app.network import Explaining
from polyhead.config.names import check_links
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows.official import is_official
from polyhead.workflows.predict import load

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # gradio reads it when it is imported
try:
    import gradio as gr
except ImportError as error:
    raise PolyheadError("gradio is not installed. Install it with: pip install 'polyhead[app]'") from error

# These need gradio, too.
from polyhead.app import api, mistakes_tab, model_tab, try_tab  # pylint: disable=wrong-import-position,ungrouped-imports

CSS = """
.table { overflow-x: auto; }
.table table { border-collapse: collapse; }
.table th, .table td { padding: 0.25rem 0.75rem; text-align: left; vertical-align: top; }
.lines { white-space: pre-wrap; overflow-wrap: anywhere; }
.download { display: inline-block; margin-top: 0.5rem; }
"""


def build(run: str | Path, links: Mapping[str, str] | None = None) -> gr.Blocks:
    """Build the page of a model.

    Args:
        run: a run folder, or the name of official weights (``yolox_nano``).
        links: addresses by title, such as ``{"code": "https://..."}``; they replace those of the run.

    Raises:
        PolyheadError: if there is no such run, or its inputs are no images.
    """
    predictor = load(run)
    others = {task: each.name for task, each in predictor.modalities.items() if each.name != "image"}
    if others:
        read = ", ".join(f"{task} reads {name}" for task, name in others.items())
        raise PolyheadError(f"the app shows models of images, and {read}. Use 'polyhead predict'.")
    opened = None if is_official(run) else Run.open(run)
    name = str(run) if opened is None else opened.name
    shown = links or ({} if opened is None else opened.read_manifest().get("links", {}))
    check_links(shown)  # a manifest may say anything
    samples = [] if opened is None else sorted(opened.samples.glob("*.jpg"))
    explaining = Explaining(predictor)  # one for all, because it holds copies of the network
    with gr.Blocks(title=f"{name} · Polyhead", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        api.add(explaining)  # first, because the first event with a name has it
        with gr.Tab("Try", id="try"):
            try_tab.add(explaining, samples)
        with gr.Tab("Model", id="model"):
            model_tab.add(predictor, opened, name, shown)
        with gr.Tab("Mistakes", id="mistakes"):
            mistakes_tab.add(opened)
    result: gr.Blocks = page
    return result
