"""Building blocks of plots: colors, axes, class bars, confusion matrices, and saving without half-written files.

Figures use matplotlib's object interface: no global figure and no display.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.text import Text
from PIL import Image

from polyhead.errors import counted, printable
from polyhead.plotting import draw, fonts
from polyhead.run import atomic_write

INK, FAINT = "#1a202c", "#a0aec0"
MAX_BARS = 40
"""Maximum number of classes with a bar; a title says how many classes there are in all."""
MAX_SHARES = 12
"""Maximum number of rows of a confusion matrix whose cells have room for a percentage below the count."""
CELL = 400
"""Pixels of an image's longer side in a grid."""


def class_bars(
    values: Float[np.ndarray, " c"], names: Sequence[str], tags: Sequence[str], words: tuple[str, str], path: Path
) -> Path:
    """Plot a bar for each class, longest first.

    Args:
        values: length of each bar.
        names: class names.
        tags: text at the end of each bar.
        words: title, and name of the x axis.
        path: the PNG file.
    """
    order = largest(values)
    figure = Figure(figsize=(7, max(3.0, 0.24 * len(order) + 1)), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, words[0], words[1], "")
    axes.bar_label(bars(axes, values, names, order), [tags[index] for index in order], padding=3, fontsize=8)
    axes.margins(x=0.2)
    return save(figure, path)


def class_counts(counts: Int[np.ndarray, " c"], names: Sequence[str], title: str, unit: str, path: Path) -> Path:
    """Plot how many training samples or objects each class has.

    Args:
        counts: of each class.
        names: class names.
        title: written above the bars; the number of classes is added.
        unit: what is counted, such as ``images``.
        path: the PNG file.
    """
    figure = Figure(figsize=(7, max(3.0, 0.24 * min(MAX_BARS, len(names)) + 1)), layout="constrained")
    draw_class_counts(figure.add_subplot(), counts, names, title, unit)
    return save(figure, path)


def draw_class_counts(axes: Axes, counts: Int[np.ndarray, " c"], names: Sequence[str], title: str, unit: str) -> None:
    """Draw a bar for each class with its count; see :func:`class_counts`."""
    more = f" (the {MAX_BARS} most frequent)" if len(names) > MAX_BARS else ""
    classes = counted(len(names), "class", "classes")
    style_axes(axes, f"{title}, {classes}{more}", f"training {unit}", "")
    axes.bar_label(bars(axes, counts, names, largest(counts)), padding=3, fontsize=8)
    axes.margins(x=0.1)


def largest(values: Float[np.ndarray, " c"] | Int[np.ndarray, " c"]) -> list[int]:
    """Return the indices of the :data:`MAX_BARS` largest values, largest first; ties in their order."""
    order: list[int] = np.argsort(-values, kind="stable")[:MAX_BARS].tolist()
    return order


def bars(
    axes: Axes, values: Float[np.ndarray, " c"] | Int[np.ndarray, " c"], names: Sequence[str], order: Sequence[int]
) -> BarContainer:
    """Draw a bar for each class of ``order``, from top to bottom, in the color of the class."""
    container = axes.barh(range(len(order)), values[order], color=[rgb(index) for index in order])
    axes.set_yticks(range(len(order)), [escape(names[index]) for index in order], fontsize=8)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return container


def confusion_matrix(
    matrix: Int[np.ndarray, "n m"], names: Sequence[str], path: Path, title: str = "confusion"
) -> Path:
    """Plot a confusion matrix: rows are targets, columns are predictions.

    Colors are fractions of the row. Numbers are counts, with percentages below them where they fit, or fractions where
    counts would be too long.

    Args:
        matrix: counts. With one row and one column more than there are names, the last row and column are background;
            with one column more, that column is for targets without a prediction.
        names: class names.
        path: the PNG file.
        title: written above the matrix.
    """
    rows, columns = list(names), list(names)
    if matrix.shape[0] > len(names):
        rows, columns = [*names, "background"], [*names, "missed"]
    elif matrix.shape[1] > len(names):
        columns = [*names, "nothing"]
    side = min(16.0, max(4.5, 0.42 * len(rows) + 2.5))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    fractions = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # [n, m]
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    small = min(9.0, max(3.0, 300 / len(rows)))
    axes.set_xticks(range(len(columns)), [escape(name) for name in columns], rotation=90, fontsize=small)
    axes.set_yticks(range(len(rows)), [escape(name) for name in rows], fontsize=small)
    axes.set_xlabel("prediction")
    axes.set_ylabel("target")
    axes.set_title(escape(title), fontsize=11)
    figure.colorbar(image, ax=axes, shrink=0.8, label="fraction of the row")
    large = matrix.max(initial=0) >= 10**5  # counts of pixels would not fit into their cells
    for row, column in np.argwhere(matrix > 0) if len(rows) <= MAX_BARS else ():
        ink = "white" if fractions[row, column] > 0.55 else INK  # where the color map becomes dark
        text = f"{fractions[row, column]:.2f}" if large else str(matrix[row, column])
        text += f"\n{fractions[row, column]:.0%}" if not large and len(rows) <= MAX_SHARES else ""
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=small)
    return save(figure, path)


def evenly_spaced(length: int, count: int) -> list[int]:
    """Return up to ``count`` evenly spaced indices below ``length``, including the first and the last."""
    indices: list[int] = np.unique(np.linspace(0, length - 1, count).round().astype(int)).tolist()
    return indices


def style_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Set the title, the names of the axes and a faint grid."""
    axes.set_title(escape(title), fontsize=11)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color="#e2e8f0", linewidth=0.8)


def rgb(index: int) -> tuple[float, float, float]:
    """Return the color of a class in matplotlib's form: red, green and blue in 0..1."""
    red, green, blue = draw.color(index)
    return red / 255, green / 255, blue / 255


def escape(text: str) -> str:
    """Escape dollar signs, so that matplotlib does not read math, and replace what no font can draw by its code."""
    lines = printable(text.replace("\t", " ")).split("\n")
    return "\n".join(fonts.drawable(line, fonts.font_of([line])) for line in lines).replace("$", r"\$")


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, atomically."""
    for text in figure.findobj(Text):
        font = fonts.font_of([text.get_text()])
        if font != fonts.default_font():
            fontManager.addfont(font)
            text.set_fontfamily([*text.get_fontfamily(), FontProperties(fname=font).get_name()])
    with atomic_write(path) as partial:
        figure.savefig(partial, format="png", dpi=130)
    fonts.warn()
    return path


def save_image(image: Image.Image, path: Path) -> Path:
    """Write an image as PNG, atomically."""
    with atomic_write(path) as partial:
        image.save(partial, format="PNG")
    return path
