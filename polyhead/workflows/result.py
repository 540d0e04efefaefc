"""What a model said of one picture, to look at, to store and to hand on."""

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

from polyhead.data.io.images import read_picture
from polyhead.errors import PolyheadError
from polyhead.plotting import draw

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3
"""So many answers of a classifier are written on a picture."""


@dataclass(frozen=True, eq=False)
class Result:
    """Answers of one head for one picture, best first.

    A detector has a box for each answer. A classifier has no boxes, and an answer for each of its classes. A mask is
    answered by the classes that are in it; their scores are their shares of the picture's pixels.

    Attributes:
        image: the picture's path, or its number where it came without one.
        task: name of the head.
        boxes: xyxy in pixels of the original, upright picture.
        scores: 0..1.
        classes: index of each answer's class.
        names: all class names of the task.
        picture: the pixels where the picture did not come from a file, uint8 ``[3, h, w]``.
        mask: class of each pixel of the original, upright picture; 255 where the network did not look.
        mask_file: where :meth:`save_mask` has written it.
    """

    image: str
    task: str
    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " m"]
    classes: Int[np.ndarray, " m"]
    names: list[str]
    picture: Tensor | None = None
    mask: UInt8[np.ndarray, "h w"] | None = None
    mask_file: str | None = None

    def __len__(self) -> int:
        """Number of answers."""
        return len(self.classes)

    @property
    def labels(self) -> list[str]:
        """Class name of each answer."""
        return [self.names[index] for index in self.classes]

    @property
    def whole(self) -> bool:
        """Whether the answers are about the picture as a whole."""
        return self.mask is not None or len(self.classes) > len(self.boxes)

    def plot(self) -> Image.Image:
        """The picture with everything drawn on it.

        Raises:
            PolyheadError: when the picture's file is gone.
        """
        return plot([self])

    def save(self, path: str | Path) -> None:
        """Draw, and write a picture file; its suffix says in which format.

        Raises:
            PolyheadError: when the suffix is that of no picture format.
        """
        if Path(path).suffix.lower() not in Image.registered_extensions():
            raise PolyheadError(f"{str(path)!r}: expected the name of a picture file, such as drawn.png or drawn.jpg")
        self.plot().save(path)

    def save_mask(self, path: str | Path) -> "Result":
        """Write the mask as a PNG of class numbers, with the colours of :meth:`plot` as its palette.

        Returns:
            The same result, which knows the file.

        Raises:
            PolyheadError: when there is no mask, or the file is not called ``.png``.
        """
        if self.mask is None:
            raise PolyheadError(f"task {self.task!r} says nothing of pixels; it has no mask to save")
        if Path(path).suffix.lower() != ".png":
            raise PolyheadError(f"{str(path)!r}: a mask is saved without loss; name it .png")
        picture = Image.fromarray(self.mask)
        picture.putpalette([part for index in range(256) for part in (draw.colour(index) if index else (0, 0, 0))])
        picture.save(path)
        return replace(self, mask_file=str(path))

    def to_json(self) -> dict[str, Any]:
        """``{"image", "task", "boxes", "scores", "labels"}`` in plain types; numbers have float32's digits.

        Of a mask there is also ``mask``: the file that :meth:`save_mask` has written, or None.
        """
        answers: dict[str, Any] = {
            "image": self.image,
            "task": self.task,
            "boxes": [_plain(box) for box in self.boxes],
            "scores": _plain(self.scores),
            "labels": self.labels,
        }
        return answers if self.mask is None else {**answers, "mask": self.mask_file}

    def to_df(self) -> "pd.DataFrame":
        """A row for each answer: image, task, label, score, x1, y1, x2, y2; no corners where there is no box."""
        return table([self])

    def to_supervision(self) -> Any:
        """``supervision.Detections`` with ``class_name``, or ``supervision.Classifications`` of a classifier.

        A mask becomes a detection for each of its classes but the background.

        Raises:
            PolyheadError: when supervision is not installed.
        """
        try:
            import supervision as sv
        except ImportError as error:
            raise PolyheadError(
                "supervision is not installed; install it with: pip install 'polyhead[supervision]'"
            ) from error
        if self.mask is not None:
            labels = np.sort(self.classes[self.classes > 0])
            shapes = np.stack([self.mask == label for label in labels]) if labels.size else None
            corners = np.zeros((0, 4)) if shapes is None else sv.mask_to_xyxy(shapes)
            named = np.array([self.names[label] for label in labels], dtype=np.str_)
            return sv.Detections(xyxy=corners, mask=shapes, class_id=labels, data={"class_name": named})
        if self.whole:
            return sv.Classifications(class_id=self.classes, confidence=self.scores)
        data: dict[str, Any] = {"class_name": np.array(self.labels, dtype=np.str_)}
        return sv.Detections(xyxy=self.boxes, confidence=self.scores, class_id=self.classes, data=data)

    def __str__(self) -> str:
        """``2 person, 1 car``, or ``kitchen 0.93``, or ``background 71 %, cat 29 %``."""
        if self.mask is not None:
            shares = zip(self.labels[:SHOWN], self.scores.tolist(), strict=False)
            return ", ".join(f"{label} {share:.0%}".replace("%", " %") for label, share in shares) or "nothing"
        if self.whole:
            return f"{self.labels[0]} {self.scores[0]:.2f}"
        counts = np.bincount(self.classes, minlength=len(self.names))
        order = [index for index in np.argsort(-counts, kind="stable") if counts[index]]
        return ", ".join(f"{counts[index]} {self.names[index]}" for index in order) or "nothing"


def plot(results: Sequence[Result], like: Sequence[Result] = ()) -> Image.Image:
    """Everything that was said of one picture, by all its heads, drawn on it.

    The boxes of one head have the colours of their classes; those of several have a colour for each head, which a
    legend names. No two heads share a colour.

    Args:
        results: one for each head.
        like: of a picture beside which this one is to lie: heads of the same tasks have the same colours in both.
    """
    first = results[0]
    pixels = read_picture(first.image) if first.picture is None else first.picture
    picture = Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())
    shown = {result.task for result in like}
    order = [*like, *(result for result in results if result.task not in shown)]
    several = len(order) > 1
    firsts = [*accumulate((1 if result.mask is None else len(result.names) for result in order), initial=0)]
    known = {result.task: first for result, first in zip(like, firsts, strict=False)}
    free = iter(firsts[len(like) :])
    numbers = [known[result.task] if result.task in known else next(free) for result in results]
    marks = [_marks(result, number, by_class=not several) for result, number in zip(results, numbers, strict=True)]
    return draw.draw(picture, marks)


def best_of_heads(results: Sequence[Result], overlap: float) -> list[Result]:
    """Answers of several heads for one picture, without boxes that a better one of another head overlaps.

    Best first, over all heads; what a head says beside its own boxes is left as it is.

    Args:
        results: one for each head.
        overlap: IoU from which two boxes are of one object.
    """
    scores = np.concatenate([result.scores[: len(result.boxes)] for result in results])
    boxes = torch.from_numpy(np.concatenate([result.boxes for result in results]))
    heads = np.repeat(np.arange(len(results)), [len(result.boxes) for result in results])
    near = (box_iou(boxes, boxes) >= overlap).numpy() & (heads[:, None] != heads)
    kept = np.ones(len(scores), dtype=np.bool_)
    for index in np.argsort(-scores, kind="stable"):
        if kept[index]:
            kept[near[index] & (scores <= scores[index])] = False
            kept[index] = True
    chosen = [kept[heads == head] for head in range(len(results))]
    return [
        result
        if result.whole
        else replace(result, boxes=result.boxes[mask], scores=result.scores[mask], classes=result.classes[mask])
        for result, mask in zip(results, chosen, strict=True)
    ]


def table(results: Sequence[Result]) -> "pd.DataFrame":
    """The rows of all results, as :meth:`Result.to_df` has them; typed columns also without any row."""
    import pandas as pd

    rows = [(result.image, result.task, label) for result in results for label in result.labels]
    scores = np.concatenate([np.zeros(0, dtype=np.float32), *(result.scores for result in results)])
    boxes = np.concatenate([np.zeros((0, 4), dtype=np.float32), *(_corners(result) for result in results)])
    text = pd.DataFrame(rows, columns=["image", "task", "label"], dtype=str)
    return pd.concat(
        [text, pd.DataFrame({"score": scores}), pd.DataFrame(boxes, columns=["x1", "y1", "x2", "y2"])], axis=1
    )


def _corners(result: Result) -> Float[np.ndarray, "m 4"]:
    return np.full((len(result), 4), np.nan, dtype=np.float32) if result.whole else result.boxes


def _marks(result: Result, first: int, *, by_class: bool) -> draw.Marks:
    """What to draw; ``first`` is the number of the first colour, which all boxes have where classes have none."""
    texts = [f"{label} {score:.2f}" for label, score in zip(result.labels, result.scores, strict=True)]
    if result.mask is not None:
        return draw.Marks(result.task, [], [], [], layer=draw.layer(result.mask, result.names, first))
    if result.whole:
        return draw.Marks(result.task, [], [], [], texts[:SHOWN])
    shades = [draw.colour(first + index * by_class) for index in result.classes.tolist()]
    return draw.Marks(result.task, result.boxes.tolist(), texts, shades)


def _plain(values: Float[np.ndarray, " n"]) -> list[float]:
    """The shortest decimals that are the same float32."""
    return [float(str(value)) for value in values]
