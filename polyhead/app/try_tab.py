"""The tab *Try*: an image, what the model predicts for it, and why."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from polyhead.app import network
from polyhead.app.components import image_path, shown_image
from polyhead.app.network import Answer, Asked, Explaining
from polyhead.app.words import in_words, json_link, table
from polyhead.errors import PolyheadError
from polyhead.workflows.explain import Explanation

ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
"""Settings of every event that runs the network: one call at a time, through one queue."""
HINT = "Click a box, or choose a prediction in the list, to see what it depends on."
ROWS = 50
"""Largest number of rows of the table of classes."""
CHOSEN = "{:.2f} stands for the operating points of the model, which may differ by class."
COMPUTING = "Whether the map can be trusted is being computed …"


class Try:
    """Answers the events of the tab.

    Args:
        explaining: explains the model.
    """

    def __init__(self, explaining: Explaining) -> None:
        self.predictor, self.explaining = explaining.predictor, explaining

    def predict(self, path: str | None, conf: float, overlap: float, tasks: list[str]) -> tuple[Any, ...]:
        """Return what is stored for later events, the drawn image, the counts, the choices, no map, and a hint."""
        if path is None:
            return None, None, "", gr.Dropdown([], value=None), None, HINT
        with in_words(path):
            found = network.answer(self.predictor, Asked(path, tuple(tasks), conf, overlap))
        several = len(found.results) > 1
        choices = [
            (f"{place + 1}. {f'{shown.task}: ' if several else ''}{shown.item.caption}", place)
            for place, shown in enumerate(found.items)
        ]
        stored = found._replace(results=[], image=Image.new("RGB", (1, 1)))  # sessions keep no pixels
        return stored, found.image, counts(found), gr.Dropdown(choices, value=None), None, HINT

    def click(self, found: Answer | None, event: gr.SelectData) -> int:
        """Return the place of the prediction that was clicked on."""
        with in_words():
            place = None if found is None else network.place_at(found.items, *map(float, event.index))
            if place is None:
                raise PolyheadError("there is no prediction at this place. Click inside a box.")
            return place

    def explain(self, found: Answer | None, place: int | None) -> Iterator[tuple[Any, str]]:
        """Yield the map and its verdict, first without the latter."""
        if found is None or place is None:
            yield None, HINT
            return
        with in_words(found.asked.path):
            for explanation in self.explaining.stream(found.asked, found.items[place]):
                yield network.drawn(explanation), verdict(explanation)


def add(explaining: Explaining, samples: Sequence[Path]) -> None:
    """Add the contents of the tab to the page.

    Args:
        explaining: explains the model.
        samples: images to try it on.
    """
    tasks = list(explaining.predictor.names)
    limit = network.default_overlap(explaining.predictor)
    start = network.default_conf(explaining.predictor)
    chosen = any(point.thresholds for point in explaining.predictor.points.values())
    events, stored = Try(explaining), gr.State(None, time_to_live=3600)
    with gr.Row():
        with gr.Column(min_width=300):
            given = image_path(label="Image", sources=["upload", "webcam", "clipboard"], elem_id="given", height=320)
            conf = gr.Slider(
                0.01, 1, start, step=0.01, label="Lowest score of a box", elem_id="conf",
                info=CHOSEN.format(start) if chosen else None,
            )  # fmt: skip
            overlap = gr.Slider(
                0, 1, limit, step=0.05, label="Overlap (IoU) above which the weaker box is dropped",
                elem_id="overlap", visible=limit is not None,
            )  # fmt: skip
            heads = gr.CheckboxGroup(tasks, value=tasks, label="Heads", elem_id="heads", visible=len(tasks) > 1)
            if samples:
                gr.Examples([[str(path)] for path in samples], [given], label="Test images")
        with gr.Column(min_width=300, scale=2):
            drawn = shown_image("Predictions", "drawn")
            found = gr.HTML(elem_id="counts")
    with gr.Row():
        with gr.Column(min_width=300):
            which = gr.Dropdown([], label="Why? Choose a prediction", elem_id="which", interactive=True)
            words = gr.Markdown(HINT, elem_id="verdict")
        with gr.Column(min_width=300, scale=2):
            heat = shown_image("What it depends on", "heat")
    inputs, outputs = [given, conf, overlap, heads], [stored, drawn, found, which, heat, words]
    for event in (given.change, conf.change, overlap.change, heads.input):
        event(
            events.predict, inputs, outputs, api_visibility="private", show_progress="minimal",
            trigger_mode="always_last", **ONE_AT_A_TIME,
        )  # fmt: skip
    drawn.select(events.click, [stored], [which], api_visibility="private", show_progress="hidden")
    which.change(
        events.explain, [stored, which], [heat, words], api_visibility="private", show_progress="minimal",
        trigger_mode="always_last", **ONE_AT_A_TIME,
    )  # fmt: skip


def counts(found: Answer) -> str:
    """Return how often each class is predicted, or its score, and a link to all predictions, in HTML."""
    rows = []
    for result in found.results:
        scores = dict(zip(result.labels, (f"{score:.2f}" for score in result.scores), strict=True))
        cells = scores.items() if result.image_level else Counter(result.labels).most_common()
        rows += [[result.task, label, str(cell)] for label, cell in cells]
    if not rows:
        return "<p>Nothing was found. Lower the score to see weaker predictions.</p>"
    levels = {result.image_level for result in found.results}
    number = "count or score" if len(levels) > 1 else "score" if True in levels else "count"
    first = 0 if len(found.results) > 1 else 1  # one head needs no name
    link = json_link(network.summary(found.results), "predictions.json")
    return table(["head", "class", number][first:], [row[first:] for row in rows[:ROWS]]) + link


def verdict(explanation: Explanation) -> str:
    """Return the verdict on a map in Markdown."""
    if explanation.trust is None:
        return f"**{explanation.item.caption}** — {COMPUTING}"
    trusted = "✓" if not explanation.trust.faults else "✗"
    return f"{trusted} **{explanation.item.caption}**: {explanation.verdict}. ({explanation.method})"
