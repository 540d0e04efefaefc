"""Predictions for one image: draw them, save them, or convert them to JSON, pandas and supervision."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor
from torchvision.ops import box_iou

from polyhead.data.io.images import read_image
from polyhead.errors import PolyheadError
from polyhead.plotting import draw

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3
"""Number of classes of an image-level prediction that are written on an image."""


@dataclass(frozen=True, eq=False)
class Result:
    """The predictions of one head for one image, highest score first.

    A detector predicts boxes, each with a class and a score. A classifier predicts a score for each of its classes and
    no boxes. A segmentation model predicts a mask; its predictions are the classes in the mask, and the score of a
    class is the fraction of the image's pixels that it covers.

    Attributes:
        image: path of the image file, or the index of the image in the source where it is not a file.
        task: name of the head.
        boxes: xyxy in pixels of the original, upright image.
        scores: in 0..1.
        classes: class index of each prediction.
        names: all class names of the task.
        pixels: the image, uint8 ``[3, h, w]``, where it is not a file.
        mask: class index of each pixel of the original, upright image; 255 where nothing was predicted.
        mask_file: the file that :meth:`save_mask` has written.
    """

    image: str
    task: str
    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " m"]
    classes: Int[np.ndarray, " m"]
    names: list[str]
    pixels: Tensor | None = None
    mask: UInt8[np.ndarray, "h w"] | None = None
    mask_file: str | None = None

    def __len__(self) -> int:
        """Return the number of predictions."""
        return len(self.classes)

    @property
    def labels(self) -> list[str]:
        """Class name of each prediction."""
        return [self.names[index] for index in self.classes]

    @property
    def image_level(self) -> bool:
        """Whether the predictions have no boxes because they are about the whole image (a classifier, a mask)."""
        return self.mask is not None or len(self.classes) > len(self.boxes)

    def plot(self) -> Image.Image:
        """Draw the predictions on the image.

        Raises:
            PolyheadError: when the image file no longer exists.
        """
        return plot([self])

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
        if Path(path).suffix.lower() != ".png":
            raise PolyheadError(f"{str(path)!r}: a mask needs a lossless format. Use the suffix .png.")
        image = Image.fromarray(self.mask)
        palette = [draw.color(index) if index else (0, 0, 0) for index in range(256)]
        image.putpalette([channel for color in palette for channel in color])
        image.save(path)
        return replace(self, mask_file=str(path))

    def to_json(self) -> dict[str, Any]:
        """Return ``{"image", "task", "boxes", "scores", "labels"}`` in plain types.

        Numbers are the shortest decimals that give the same float32. A result with a mask also has ``mask``: the file
        that :meth:`save_mask` has written, or None.
        """
        content: dict[str, Any] = {
            "image": self.image,
            "task": self.task,
            "boxes": [_plain(box) for box in self.boxes],
            "scores": _plain(self.scores),
            "labels": self.labels,
        }
        return content if self.mask is None else {**content, "mask": self.mask_file}

    def to_df(self) -> "pd.DataFrame":
        """Return a row for each prediction: image, task, label, score, x1, y1, x2, y2 (NaN where there is no box)."""
        return table([self])

    def to_supervision(self) -> Any:
        """Convert to ``supervision.Detections`` with ``class_name``; a classifier to ``supervision.Classifications``.

        A mask becomes one detection for each of its classes except the background.

        Raises:
            PolyheadError: when supervision is not installed.
        """
        try:
            import supervision as sv
        except ImportError as error:
            raise PolyheadError(
                "supervision is not installed. Install it with: pip install 'polyhead[supervision]'"
            ) from error
        if self.mask is not None:
            labels = np.sort(self.classes[self.classes > 0])
            masks = np.stack([self.mask == label for label in labels]) if labels.size else None  # [labels, h, w]
            corners = np.zeros((0, 4)) if masks is None else sv.mask_to_xyxy(masks)
            class_names = np.array([self.names[label] for label in labels], dtype=np.str_)
            return sv.Detections(xyxy=corners, mask=masks, class_id=labels, data={"class_name": class_names})
        if self.image_level:
            return sv.Classifications(class_id=self.classes, confidence=self.scores)
        data: dict[str, Any] = {"class_name": np.array(self.labels, dtype=np.str_)}
        return sv.Detections(xyxy=self.boxes, confidence=self.scores, class_id=self.classes, data=data)

    def __str__(self) -> str:
        """Return ``2 person, 1 car``, or ``kitchen 0.93``, or ``background 71 %, cat 29 %``."""
        if self.mask is not None:
            fractions = zip(self.labels[:SHOWN], self.scores.tolist(), strict=False)
            return ", ".join(f"{label} {fraction:.0%}".replace("%", " %") for label, fraction in fractions) or "nothing"
        if self.image_level:
            return f"{self.labels[0]} {self.scores[0]:.2f}"
        counts = np.bincount(self.classes, minlength=len(self.names))
        order = [index for index in np.argsort(-counts, kind="stable") if counts[index]]
        return ", ".join(f"{counts[index]} {self.names[index]}" for index in order) or "nothing"


def plot(results: Sequence[Result], like: Sequence[Result] = ()) -> Image.Image:
    """Draw the predictions of all heads on one image.

    With one head, boxes have the color of their class. With several heads, boxes have the color of their head, and a
    legend names the heads. No two heads share a color.

    Args:
        results: the results of one image, one for each head.
        like: results that are drawn on another copy of the image for comparison. Heads of the same task get the same
            color in both.
    """
    first = results[0]
    pixels = read_image(first.image) if first.pixels is None else first.pixels  # uint8 [3, h, w]
    image = Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())  # [h, w, 3]
    like_tasks = {result.task for result in like}
    order = [*like, *(result for result in results if result.task not in like_tasks)]
    several = len(order) > 1
    # A head with boxes takes one color; a head with a mask takes a color for each class.
    first_colors = [*accumulate((1 if result.mask is None else len(result.names) for result in order), initial=0)]
    color_of_task = {result.task: color for result, color in zip(like, first_colors, strict=False)}
    free = iter(first_colors[len(like) :])
    colors = [color_of_task[result.task] if result.task in color_of_task else next(free) for result in results]
    marks = [_marks(result, color, by_class=not several) for result, color in zip(results, colors, strict=True)]
    return draw.draw(image, marks)


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
    near = (box_iou(boxes, boxes) >= overlap).numpy() & (heads[:, None] != heads)  # [n, n]
    keep = np.ones(len(scores), dtype=np.bool_)
    for index in np.argsort(-scores, kind="stable"):
        if keep[index]:
            keep[near[index] & (scores <= scores[index])] = False
            keep[index] = True
    masks = [keep[heads == head] for head in range(len(results))]
    return [
        result
        if result.image_level
        else replace(result, boxes=result.boxes[mask], scores=result.scores[mask], classes=result.classes[mask])
        for result, mask in zip(results, masks, strict=True)
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


def _marks(result: Result, first: int, *, by_class: bool) -> draw.Marks:
    """Return what to draw for one result.

    Args:
        result: the predictions of one head.
        first: index of the head's first color.
        by_class: give each class a color of its own instead of the head's first color.
    """
    texts = [f"{label} {score:.2f}" for label, score in zip(result.labels, result.scores, strict=True)]
    if result.mask is not None:
        return draw.Marks(result.task, [], [], [], overlay=draw.mask_overlay(result.mask, result.names, first))
    if result.image_level:
        return draw.Marks(result.task, [], [], [], texts[:SHOWN])
    colors = [draw.color(first + index * by_class) for index in result.classes.tolist()]
    return draw.Marks(result.task, result.boxes.tolist(), texts, colors)


def _plain(values: Float[np.ndarray, " n"]) -> list[float]:
    """Return the shortest decimals that give the same float32."""
    return [float(str(value)) for value in values]
