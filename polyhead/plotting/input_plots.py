"""Plots of the images of a data set."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from polyhead.plotting import figures


def sizes_and_brightness(sizes: Int[np.ndarray, "n 2"], brightness: Float[np.ndarray, " n"], path: Path) -> Path:
    """Plot width and height of each image, and a histogram of their brightness.

    Args:
        sizes: height and width of each image in pixels.
        brightness: mean of its gray values, 0..1.
        path: the PNG file.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    different, counts = np.unique(sizes, axis=0, return_counts=True)  # [s, 2], [s]
    figures.style_axes(left, f"sizes of {len(sizes)} images", "width in pixels", "height in pixels")
    left.scatter(different[:, 1], different[:, 0], s=12 + 200 * counts / counts.max(), color=figures.rgb(0), alpha=0.5)
    left.set_xlim(0, 1.1 * sizes[:, 1].max())
    left.set_ylim(0, 1.1 * sizes[:, 0].max())
    figures.style_axes(right, f"brightness of {len(brightness)} images", "mean gray value, 0 to 1", "images")
    right.hist(brightness, bins=20, range=(0, 1), color=figures.rgb(0))
    return figures.save(figure, path)
