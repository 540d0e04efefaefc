"""What cells show: texts, and images that are small enough to be passed on."""

import base64
import io
from pathlib import Path

import torch
from PIL import Image

from polyhead.analysis.report.shown import WIDEST, Gallery, Text, image


def save_noise(path: Path, width: int, height: int) -> Path:
    pixels = torch.randint(256, (height, width, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    Image.fromarray(pixels.numpy()).save(path)
    return path


def test_a_text_is_shown_as_markdown() -> None:
    assert repr(Text("**a**")) == "**a**"
    # pylint: disable-next=protected-access
    assert Text("**a**")._repr_markdown_() == "**a**"  # notebooks call it


def test_a_wide_plot_is_scaled_down_and_stays_a_png(tmp_path: Path) -> None:
    shown = image(save_noise(tmp_path / "a.png", 2 * WIDEST, 300))
    # pylint: disable-next=protected-access
    bundle = shown._repr_mimebundle_()  # as above
    assert {*bundle} == {"image/png", "text/plain"}
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as opened:
        assert opened.size == (WIDEST, 150)
        assert len(opened.getcolors(256) or []) <= 128


def test_a_photo_stays_a_jpeg(tmp_path: Path) -> None:
    shown = image(save_noise(tmp_path / "a.jpg", 40, 30))
    assert shown.mime == "image/jpeg"
    with Image.open(io.BytesIO(shown.content)) as opened:
        assert opened.format == "JPEG"
        assert opened.size == (40, 30)


def test_a_gallery_is_a_list_that_names_its_images(tmp_path: Path) -> None:
    assert repr(Gallery([image(save_noise(tmp_path / "a.jpg", 8, 8))])) == "[image a.jpg]"
