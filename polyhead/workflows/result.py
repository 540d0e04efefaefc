"""Predictions for one image: draw them, save them, or convert them to JSON, pandas and supervision."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image

from polyhead.boxes.overlap import pairwise_iou
from polyhead.contracts.kind import Kind
from polyhead.contracts.score import Columns
from polyhead.errors import PolyheadError
from polyhead.plotting import draw
from polyhead.types import Marks

if TYPE_CHECKING:
    import pandas as pd

    from polyhead.workflows.explain import Explanation


@dataclass(frozen=True, eq=False)
class Result:
    """The predictions of one head for one input, highest score first.

    A detector predicts boxes, each with a class and a score. A classifier predicts a score for each of its classes and
    no boxes. A segmentation model predicts a mask; its predictions are the classes in the mask, and the score of a
    class is the fraction of the image's pixels that it covers.

    Attributes:
        image: path of the input's file, or the index of the input in the source where it is not a file.
        task: name of the head.
        prediction: what the head predicts, in the space of the original input.
        names: all class names of the task.
        kind: the kind of the task.
        drawing: returns the input as an image; None where it cannot be drawn.
        mask_file: the file that :meth:`save_mask` has written.
        explainer: explains the predictions; see :meth:`explain`.
        certain: whether a classifier's probability reaches its operating point; where no precision was asked for, it
            has none and is certain.
    """

    image: str
    task: str
    prediction: Any
    names: list[str]
    kind: Kind
    drawing: Callable[[], Image.Image | None]
    mask_file: str | None = None
    explainer: "Callable[..., list[Explanation]] | None" = None
    certain: bool = True

    @cached_property
    def columns(self) -> Columns:
        """The prediction as arrays."""
        return self.kind.columns(self.prediction)

    @property
    def boxes(self) -> Float[np.ndarray, "n 4"]:
        """Boxes, xyxy in pixels of the original, upright image; none for kinds without boxes."""
        boxes = self.columns.boxes
        return np.zeros((0, 4), dtype=np.float32) if boxes is None else boxes

    @property
    def scores(self) -> Float[np.ndarray, " m"]:
        """Score of each prediction, or the predicted number."""
        return self.columns.scores

    @property
    def classes(self) -> Int[np.ndarray, " m"]:
        """Class index of each prediction."""
        return self.columns.classes

    @property
    def mask(self) -> UInt8[np.ndarray, "h w"] | None:
        """Class index of each pixel of the original, upright image; 255 where nothing was predicted. None without."""
        return self.columns.mask

    def __len__(self) -> int:
        """Return the number of predictions."""
        return len(self.classes)

    @property
    def labels(self) -> list[str]:
        """Class name of each prediction."""
        return [self.names[index] for index in self.classes]

    @property
    def image_level(self) -> bool:
        """Whether the predictions have no boxes because they are about the whole input (a classifier, a mask)."""
        return self.columns.boxes is None

    def explain(self, **settings: Any) -> "list[Explanation]":
        """Return which places of the input each prediction depends on, and whether that can be trusted.

        Args:
            settings: ``method``, ``levels``, ``trust`` and ``seed`` of :class:`polyhead.workflows.explain.Explainer`.

        Raises:
            PolyheadError: if the file of the input no longer exists, or the layers have no positions.
        """
        if self.explainer is None:
            raise PolyheadError("this result was not made by a predictor, so there is no model to explain.")
        return self.explainer(**settings)

    def plot(self) -> Image.Image:
        """Draw the predictions on the image.

        Raises:
            PolyheadError: when the image file no longer exists, or the input is nothing that can be drawn.
        """
        drawn = plot([self])
        if drawn is None:
            raise PolyheadError(f"task {self.task!r}: its inputs cannot be drawn. Use to_json or to_df.")
        return drawn

    def save(self, path: str | Path) -> None:
        """Draw the predictions on the image and write it to a file, in the format of the file's suffix.

        Raises:
            PolyheadError: when the suffix is not that of an image format.
        """
        if Path(path).suffix.lower() not in Image.registered_extensions():
            raise PolyheadError(
                f"{str(path)!r}: expected the name of an image file. Use a suffix such as .png or .jpg."
            )
        self.plot().save(path)

    def save_mask(self, path: str | Path) -> "Result":
        """Write the mask as a PNG file of class indices, with the colors of :meth:`plot` as its palette.

        Returns:
            The same result with ``mask_file`` set.

        Raises:
            PolyheadError: when there is no mask, or the file name does not end in ``.png``.
        """
        if self.mask is None:
            raise PolyheadError(f"task {self.task!r} has no mask to save: its head does not predict masks")
        self.kind.save_prediction(self.prediction, self.names, Path(path))
        return replace(self, mask_file=str(path))

    def to_json(self) -> dict[str, Any]:
        """Return ``{"image", "task", "boxes", "scores", "labels"}`` in plain types.

        Numbers are the shortest decimals that give the same float32. A result with a mask also has ``mask``: the file
        that :meth:`save_mask` has written, or None. A classifier's result that is not certain has ``uncertain``: true.
        """
        content: dict[str, Any] = {
            "image": self.image,
            "task": self.task,
            "boxes": [_plain(box) for box in self.boxes],
            "scores": _plain(self.scores),
            "labels": self.labels,
            **({} if self.certain else {"uncertain": True}),
        }
        return content if self.mask is None else {**content, "mask": self.mask_file}

    def to_df(self) -> "pd.DataFrame":
        """Return a row for each prediction: image, task, label, score, x1, y1, x2, y2 (NaN where there is no box)."""
        return table([self])

    def to_supervision(self) -> Any:
        """Convert to ``supervision.Detections`` with ``class_name``; a classifier to ``supervision.Classifications``.

        A mask becomes one detection for each of its classes except the background.

        Raises:
            PolyheadError: when supervision is not installed, or has no class for such predictions.
        """
        try:
            import supervision  # noqa: F401  # pylint: disable=unused-import  # the kind uses it
        except ImportError as error:
            raise PolyheadError(
                "supervision is not installed. Install it with: pip install 'polyhead[supervision]'"
            ) from error
        return self.kind.to_supervision(self.prediction, self.names)

    def marks(self, color: int = 0, *, by_class: bool = True) -> Marks:
        """Return what to draw (:meth:`polyhead.contracts.kind.Kind.marks`), with a note where it is not certain."""
        marks = self.kind.marks(self.prediction, self.names, self.task, color, by_class)
        return marks if self.certain else marks._replace(notes=["uncertain", *marks.notes])

    def __str__(self) -> str:
        """Return ``2 person, 1 car``, or ``kitchen 0.93``, or ``background 71 %, cat 29 %``."""
        text = self.kind.describe(self.prediction, self.names)
        return text if self.certain else f"uncertain ({text})"


def plot(
    results: Sequence[Result], like: Sequence[Result] = (), within: tuple[int, int] | None = None
) -> Image.Image | None:
    """Draw the predictions of all heads on one image.

    With one head, boxes have the color of their class. With several heads, boxes have the color of their head, and a
    legend names the heads. No two heads share a color.

    Args:
        results: the results of one image, one for each head.
        like: results that are drawn on another copy of the image for comparison. Heads of the same task get the same
            color in both.
        within: smallest and largest number of pixels of the longer side; an image is resized before it is drawn on.

    Returns:
        The image; None where the input is nothing that can be drawn.
    """
    image = results[0].drawing()
    if image is None:
        return None
    before = max(image.size)
    if within is not None and not within[0] <= before <= within[1]:
        image = draw.fit(image, min(max(before, within[0]), within[1]))
    factor = max(image.size) / before
    like_tasks = {result.task for result in like}
    order = [*like, *(result for result in results if result.task not in like_tasks)]
    several = len(order) > 1
    # A head with boxes takes one color; a head with a mask takes a color for each class.
    first_colors = [*accumulate((result.kind.colors(result.names) for result in order), initial=0)]
    color_of_task = {result.task: color for result, color in zip(like, first_colors, strict=False)}
    free = iter(first_colors[len(like) :])
    colors = [color_of_task[result.task] if result.task in color_of_task else next(free) for result in results]
    return draw.draw(
        image,
        [
            result.marks(color, by_class=not several).scaled(factor)
            for result, color in zip(results, colors, strict=True)
        ],
    )


def best_of_heads(results: Sequence[Result], overlap: float) -> list[Result]:
    """Suppress boxes of one head that overlap a box of another head with a higher score.

    Boxes of the same head do not suppress each other. Of equal scores, the box of the first head stays. Image-level
    results are returned unchanged.

    Args:
        results: the results of one image, one for each head.
        overlap: IoU from which two boxes count as the same object.
    """
    scores = np.concatenate([result.scores[: len(result.boxes)] for result in results])  # [n], all heads
    boxes = torch.from_numpy(np.concatenate([result.boxes for result in results]))  # [n, 4]
    heads = np.repeat(np.arange(len(results)), [len(result.boxes) for result in results])  # [n]
    near = (pairwise_iou(boxes, boxes) >= overlap).numpy() & (heads[:, None] != heads)  # [n, n]
    keep = np.ones(len(scores), dtype=np.bool_)
    for index in np.argsort(-scores, kind="stable"):
        if keep[index]:
            keep[near[index] & (scores <= scores[index])] = False
            keep[index] = True
    return [
        result
        if result.image_level
        else replace(result, prediction=result.kind.take(result.prediction, keep[heads == head]))
        for head, result in enumerate(results)
    ]


def table(results: Sequence[Result]) -> "pd.DataFrame":
    """Return the rows of all results, see :meth:`Result.to_df`; columns have their types even without rows."""
    import pandas as pd

    rows = [(result.image, result.task, label) for result in results for label in result.labels]
    scores = np.concatenate([np.zeros(0, dtype=np.float32), *(result.scores for result in results)])
    boxes = np.concatenate([np.zeros((0, 4), dtype=np.float32), *(_corners(result) for result in results)])
    text = pd.DataFrame(rows, columns=["image", "task", "label"], dtype=str)
    return pd.concat(
        [text, pd.DataFrame({"score": scores}), pd.DataFrame(boxes, columns=["x1", "y1", "x2", "y2"])], axis=1
    )


def _corners(result: Result) -> Float[np.ndarray, "m 4"]:
    """Return a box for each prediction, NaN for image-level predictions."""
    return np.full((len(result), 4), np.nan, dtype=np.float32) if result.image_level else result.boxes


def _plain(values: Float[np.ndarray, " n"]) -> list[float]:
    """Return the shortest decimals that give the same float32."""
    return [float(str(value)) for value in values]
