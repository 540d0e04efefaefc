"""What the page asks of a model: predictions for a file, and explanations of one of them."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from polyhead.boxes.overlap import pairwise_iou
from polyhead.contracts.explained import Item
from polyhead.data.io.images import image_size
from polyhead.errors import PolyheadError
from polyhead.plotting.draw import CONFIDENT, fit
from polyhead.workflows.explain import Explainer, Explanation, Forward
from polyhead.workflows.predictor import Predictor
from polyhead.workflows.result import Result, plot

SIDES = (640, 1280)
"""Smallest and largest number of pixels of the longer side of a drawn image."""
MAX_PIXELS = 50_000_000
"""Pixels of an image; larger ones are refused before they are decoded."""
SHOWN = 10
"""Classes of an image-level prediction, and boxes of a head, that can be explained; the best ones."""


class Asked(NamedTuple):
    """A question to the model.

    Attributes:
        path: the image file.
        tasks: the heads to use.
        conf: lowest score of a box; :func:`default_conf` stands for the operating point of each head.
        overlap: the IoU with a better box above which a box is dropped.
    """

    path: str
    tasks: tuple[str, ...]
    conf: float
    overlap: float


class Shown(NamedTuple):
    """An item of a prediction that is on the page.

    Attributes:
        task: its head.
        item: the item; its box is in pixels of the original image.
        box: its corners in pixels of the drawn image; None if it is about the whole image.
    """

    task: str
    item: Item
    box: tuple[float, ...] | None


class Answer(NamedTuple):
    """What the model predicts for a file.

    Attributes:
        asked: the question.
        results: the results of each head.
        image: the drawn image.
        items: what can be explained, heads in order, best first.
    """

    asked: Asked
    results: list[Result]
    image: Image.Image
    items: list[Shown]


def check_image(path: str) -> None:
    """Check an image by the header of its file, before its pixels are decoded.

    Raises:
        PolyheadError: if it is no image, or larger than :data:`MAX_PIXELS`.
    """
    height, width = image_size(path)
    if height * width > MAX_PIXELS:
        raise PolyheadError(
            f"{Path(path).name} has {height * width / 1e6:.0f} million pixels ({width} x {height}). Give an image with "
            f"at most {MAX_PIXELS / 1e6:.0f} million."
        )


def answer(predictor: Predictor, asked: Asked) -> Answer:
    """Predict for a file, and draw the predictions.

    Raises:
        PolyheadError: if no head is chosen, or the file is not an image that can be read.
    """
    if not asked.tasks:
        raise PolyheadError("no head is chosen. Choose at least one.")
    check_image(asked.path)
    predictor.limit(overlap=asked.overlap)
    results = predictor.predict(asked.path, asked.tasks, _conf(predictor, asked))
    image = plot(results, within=SIDES)
    assert image is not None  # images can be drawn
    before = max(image_size(asked.path))
    factor = min(max(before, SIDES[0]), SIDES[1]) / before
    items = [shown for result in results for shown in _shown(result, factor)]
    return Answer(asked, results, image, items)


def _shown(result: Result, factor: float) -> list[Shown]:
    """Return the items of a result; ``factor`` is the scale of the drawn image."""
    found = []
    for item in result.kind.items(result.prediction, result.names)[: SHOWN if result.image_level else None]:
        box = None if item.box is None else tuple(factor * side for side in item.box.tolist())
        found.append(Shown(result.task, item._replace(inside=None), box))
    return found


def place_at(items: Sequence[Shown], x: float, y: float) -> int | None:
    """Return the place of the smallest box at a point of the drawn image; of image-level items, the first."""
    areas = {}
    for place, shown in enumerate(items):
        if shown.box is None:
            areas[place] = float("inf")
        else:
            x1, y1, x2, y2 = shown.box
            if x1 <= x <= x2 and y1 <= y <= y2:
                areas[place] = (x2 - x1) * (y2 - y1)
    return min(areas, key=areas.__getitem__, default=None)


def default_conf(predictor: Predictor) -> float:
    """Return the score at which the page starts: the threshold of the first head that has one, rounded; else 0.25."""
    thresholds = (predictor.points[task].threshold for task in predictor.names if task in predictor.points)
    first = next((threshold for threshold in thresholds if threshold is not None), CONFIDENT)
    return max(0.01, round(first, 2))


def _conf(predictor: Predictor, asked: Asked) -> float | None:
    """Return the lowest score that is asked for; None for the operating points, where the page starts."""
    return None if math.isclose(asked.conf, default_conf(predictor)) else asked.conf


def default_overlap(predictor: Predictor) -> float | None:
    """Return the overlap that the first head with such a limit has; None without any."""
    limits = (predictor.model.head(task).overlap for task in predictor.names)
    return next((limit for limit in limits if limit is not None), None)


class Explaining:
    """Explains items on the page; the copies of the network that this needs are made once for each head.

    Args:
        predictor: the model.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._explainers: dict[str, Explainer] = {}

    def stream(self, asked: Asked, shown: Shown) -> Iterator[Explanation]:
        """Yield the explanation of an item without, then with the figures that decide whether it can be trusted.

        Raises:
            PolyheadError: if the file no longer exists.
        """
        if not Path(asked.path).is_file():
            raise PolyheadError("the image has been deleted from the server. Upload it again.")
        if shown.task not in self._explainers:
            self._explainers[shown.task] = Explainer(self.predictor, shown.task, trust=False)
        explainer = self._explainers[shown.task]
        self.predictor.limit(overlap=asked.overlap)
        (source,) = explainer.modality.sources(asked.path)
        forward = explainer.run(explainer.modality.decode(source.raw), _conf(self.predictor, asked))
        found = explainer.explain(forward, _same(explainer, forward, shown.item), Path(asked.path).name)
        yield found
        yield explainer.judged(forward, found)


def _same(explainer: Explainer, forward: Forward, wanted: Item) -> int:
    """Return the place of an item in a prediction of the same network, which may differ by rounding.

    Raises:
        PolyheadError: if there is none of its class.
    """
    restored = explainer.kind.restore(forward.prediction, forward.meta)
    items = explainer.kind.items(restored, explainer.names)
    likely: dict[int, float] = {}
    for place, item in enumerate(items):
        if item.label == wanted.label:
            likely[place] = 1.0
            if item.box is not None and wanted.box is not None:
                likely[place] = float(pairwise_iou(item.box[None], wanted.box[None]))
    if not likely:
        raise PolyheadError("the prediction can no longer be found. Predict again.")
    return max(likely, key=likely.__getitem__)


def drawn(explanation: Explanation) -> Image.Image | None:
    """Draw an explanation at the size of the page."""
    image = explanation.plot()
    return None if image is None else fit(image, min(max(*image.size, SIDES[0]), SIDES[1]))


def summary(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the results in plain types; the file has its name only."""
    return [{**result.to_json(), "image": Path(result.image).name} for result in results]
