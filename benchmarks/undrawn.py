"""Empty plots, for what evaluates often and looks at no plot: drawing takes almost half of an evaluation's time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from matplotlib.figure import Figure
from PIL import Image


@contextlib.contextmanager
def without_plots() -> Iterator[None]:
    """Write the files of plots empty within the block; what is plotted is still computed."""
    with (
        patch.object(Figure, "savefig", lambda _, path, **__: Path(path).touch()),
        patch("polyhead.analysis.plots.save_image", _touch),
    ):
        yield


def _touch(_: Image.Image, path: Path) -> Path:
    """Write an empty file in place of an image."""
    path.touch()
    return path
