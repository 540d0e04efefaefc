"""The plots of the error analysis are drawn, also with unknown intervals and many panels."""

from pathlib import Path

from PIL import Image

from polyhead.plotting import error_plots
from polyhead.plotting.error_plots import Point


def test_plots_are_drawn(tmp_path: Path) -> None:
    points = [Point(0.0, 0.2, 0.5, 0.4, 0.6), Point(0.3, 0.9, 0.1, None, None)]
    panels = {f"fact {number}": {"objects not found": points, "wrong $boxes$": points[:1]} for number in range(4)}
    curves = error_plots.curves(panels, "run: task, n = 3", tmp_path / "curves.png")
    gains = error_plots.gains({"Cls": (0.1, 0.05, 0.2), "Miss": (0.0, 0.0, 0.0)}, "AP50", "run", tmp_path / "gains.png")
    for path in (curves, gains):
        with Image.open(path) as drawn:
            assert drawn.width > 600
