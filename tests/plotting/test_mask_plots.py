"""Plots of masks: the length and the text of each bar."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders.plot_data import pixels

from polyhead.plotting import figures, mask_plots

Bars = list[tuple[list[float], list[str], list[str]]]


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> Bars:
    """Record the values, names and tags of the bars that are drawn."""
    drawn: Bars = []

    def record(values: np.ndarray, names: list[str], tags: list[str], words: tuple[str, str], path: Path) -> Path:
        drawn.append((values.tolist(), names, tags))
        return figures.class_bars(values, names, tags, words, path)

    monkeypatch.setattr(mask_plots, "class_bars", record)
    return drawn


def test_fractions_of_the_pixels(bars: Bars, tmp_path: Path) -> None:
    counts, names = torch.tensor([[6, 2, 0], [2, 0, 0]]), ["background", "cat", "dog"]
    assert pixels(mask_plots.pixel_fractions(counts, names, "pets", tmp_path / "a.png")).std() > 1
    ((fractions, shown, tags),) = bars
    assert fractions == pytest.approx([0.8, 0.2, 0])
    assert (shown, tags) == (names, ["80.0% in 2", "20.0% in 1", "0.0% in 0"])


def test_masks_without_a_pixel_can_be_plotted(bars: Bars, tmp_path: Path) -> None:
    mask_plots.pixel_fractions(torch.zeros(2, 2, dtype=torch.int64), ["background", "cat"], "pets", tmp_path / "a.png")
    assert bars[0][0] == [0, 0]


def test_classes_without_a_pixel_have_no_iou(bars: Bars, tmp_path: Path) -> None:
    iou = {"background": 0.9, "cat": float("nan"), "dog": 0.25}
    assert pixels(mask_plots.iou_bars(iou, "pets", tmp_path / "a.png")).std() > 1
    assert bars == [([0.9, 0.25], ["background", "dog"], ["0.900", "0.250"])]
