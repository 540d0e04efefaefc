"""What the plots share: colours, how axes look, bars of classes, confusion, and files that are never half-written.

Figures are made by matplotlib's object interface: no global figure and no display.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from PIL import Image

from polyhead.plotting import draw
from polyhead.run import whole
from polyhead.types import Sample

INK, FAINT = "#1a202c", "#a0aec0"
LISTED = 40
"""So many classes have a bar; the rest is counted in the title."""
CELL = 400
"""Pixels of a picture's longer side where pictures lie side by side."""


def class_bars(
    values: Float[np.ndarray, " c"], names: Sequence[str], tags: Sequence[str], words: tuple[str, str], path: Path
) -> Path:
    """A bar for each class, longest first."""
    order = longest(values)
    figure = Figure(figsize=(7, max(3.0, 0.24 * len(order) + 1)), layout="constrained")
    axes = figure.add_subplot()
    dress(axes, words[0], words[1], "")
    axes.bar_label(bars(axes, values, names, order), [tags[index] for index in order], padding=3, fontsize=8)
    axes.margins(x=0.2)
    return save(figure, path)


def longest(values: Float[np.ndarray, " c"] | Int[np.ndarray, " c"]) -> list[int]:
    """The classes that have a bar, the one with the largest value first."""
    order: list[int] = np.argsort(-values, kind="stable")[:LISTED].tolist()
    return order


def bars(
    axes: Axes, values: Float[np.ndarray, " c"] | Int[np.ndarray, " c"], names: Sequence[str], order: Sequence[int]
) -> BarContainer:
    """A bar for each class of ``order``, from top to bottom, in the colour of the class."""
    made = axes.barh(range(len(order)), values[order], color=[shade(index) for index in order])
    axes.set_yticks(range(len(order)), [literal(names[index]) for index in order], fontsize=8)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return made


def confusion_matrix(
    matrix: Int[np.ndarray, "n m"], names: Sequence[str], path: Path, title: str = "confusion"
) -> Path:
    """Rows are the truth, columns what was said; colours are shares of a row, numbers are counts (shares, if too long).

    Args:
        matrix: counts; where it has one row and column more than there are names, the last ones are background, and
            where it has one column more, that is of what nothing was said of.
        names: class names.
        path: the PNG file.
        title: written above the matrix.
    """
    rows, columns = list(names), list(names)
    if matrix.shape[0] > len(names):
        rows, columns = [*names, "nothing there"], [*names, "missed"]
    elif matrix.shape[1] > len(names):
        columns = [*names, "nothing"]
    side = min(16.0, max(4.5, 0.42 * len(rows) + 2.5))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    small = min(9.0, max(3.0, 300 / len(rows)))
    axes.set_xticks(range(len(columns)), [literal(name) for name in columns], rotation=90, fontsize=small)
    axes.set_yticks(range(len(rows)), [literal(name) for name in rows], fontsize=small)
    axes.set_xlabel("prediction")
    axes.set_ylabel("truth")
    axes.set_title(title, fontsize=11)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the row")
    large = matrix.max(initial=0) >= 10**5  # pixels: their numbers would not fit
    for row, column in np.argwhere(matrix > 0) if len(rows) <= LISTED else ():
        ink = "white" if shares[row, column] > 0.55 else INK  # where Blues turns dark
        text = f"{shares[row, column]:.2f}" if large else str(matrix[row, column])
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=small)
    return save(figure, path)


def evenly(length: int, count: int) -> list[int]:
    """Up to ``count`` places of a set, evenly taken from it, the first and the last among them."""
    places: list[int] = np.unique(np.linspace(0, length - 1, count).round().astype(int)).tolist()
    return places


def cell(sample: Sample) -> Image.Image:
    """A sample's picture, as large as a cell of a grid."""
    return draw.fit(Image.fromarray(sample.input.permute(1, 2, 0).numpy()), CELL)


def dress(axes: Axes, title: str, x: str, y: str) -> None:
    """Title, names of the axes and a faint grid."""
    axes.set_title(literal(title), fontsize=11)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color="#e2e8f0", linewidth=0.8)


def shade(index: int) -> tuple[float, float, float]:
    """The colour of a class, as matplotlib wants it."""
    red, green, blue = draw.colour(index)
    return red / 255, green / 255, blue / 255


def literal(name: str) -> str:
    """A name that matplotlib shall not read as mathematics."""
    return name.replace("$", r"\$")


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    with whole(path) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # class names in scripts that the font lacks
        figure.savefig(partial, format="png", dpi=130)
    return path


def save_picture(picture: Image.Image, path: Path) -> Path:
    """Write a picture as PNG, whole or not at all."""
    with whole(path) as partial:
        picture.save(partial, format="PNG")
    return path
