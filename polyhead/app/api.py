"""Named endpoints for programs: ``/predict`` and ``/explain``, which ``gradio_client`` calls."""

from typing import Any

import gradio as gr

from polyhead.app import network
from polyhead.app.components import image_path
from polyhead.app.network import Asked, Explaining
from polyhead.app.try_tab import ONE_AT_A_TIME
from polyhead.app.words import in_words
from polyhead.errors import PolyheadError


class Endpoints:
    """Answers programs.

    Args:
        explaining: explains the model.
    """

    def __init__(self, explaining: Explaining) -> None:
        self.predictor, self.explaining = explaining.predictor, explaining

    def predict(self, image: str | None, conf: float, heads: list[str], overlap: float) -> list[dict[str, Any]]:
        """Return the predictions of each head, as ``polyhead predict --json`` does."""
        with in_words(image):
            return network.summary(network.answer(self.predictor, _asked(image, conf, heads, overlap)).results)

    def explain(
        self, image: str | None, conf: float, head: str, number: int, overlap: float
    ) -> tuple[Any, dict[str, Any]]:
        """Return the map of a prediction of a head, from 1, and its figures, as ``polyhead explain --json`` does."""
        with in_words(image):
            found = network.answer(self.predictor, _asked(image, conf, [head], overlap))
            if not 0 < number <= len(found.items):
                raise PolyheadError(f"there is no prediction {number}, only {len(found.items)}")
            *_, explanation = self.explaining.stream(found.asked, found.items[int(number) - 1])
            return network.drawn(explanation), explanation.to_json()


def _asked(image: str | None, conf: float, heads: list[str], overlap: float) -> Asked:
    """Return a question.

    Raises:
        PolyheadError: if there is no image.
    """
    if image is None:
        raise PolyheadError("there is no image. Give one.")
    return Asked(image, tuple(heads), conf, overlap)


def add(explaining: Explaining) -> None:
    """Add the endpoints to the page, which does not show them."""
    predictor, answers = explaining.predictor, Endpoints(explaining)
    tasks = list(predictor.names)
    image = image_path(visible=False, label="image")
    conf = gr.Slider(0, 1, network.default_conf(predictor), visible=False, label="conf")
    overlap = gr.Slider(0, 1, network.default_overlap(predictor), visible=False, label="overlap")
    heads = gr.CheckboxGroup(tasks, value=tasks, visible=False, label="heads")
    head, number = (
        gr.Dropdown(tasks, value=tasks[0], visible=False, label="head"),
        gr.Number(1, precision=0, visible=False, label="number"),
    )
    hidden = gr.Button(visible=False)
    hidden.click(
        answers.predict, [image, conf, heads, overlap], [gr.JSON(visible=False)], api_name="predict", **ONE_AT_A_TIME
    )
    hidden.click(
        answers.explain, [image, conf, head, number, overlap], [gr.Image(visible=False), gr.JSON(visible=False)],
        api_name="explain", **ONE_AT_A_TIME,
    )  # fmt: skip
