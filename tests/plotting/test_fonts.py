"""Texts in scripts that DejaVu Sans lacks: a font of the system draws them, or codes stand in, with one warning."""

import os
from pathlib import Path

import numpy as np
import pytest
from builders.plot_data import pixels
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from numpy.typing import NDArray
from PIL import Image

from polyhead.errors import PolyheadWarning
from polyhead.plotting import figures, fonts
from polyhead.plotting.draw import draw
from polyhead.types import Marks

CAT, DOG = "猫", "狗"


@pytest.fixture(autouse=True)
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without fonts, and a process that has warned of nothing yet."""
    monkeypatch.setattr(fonts, "system_fonts", list)
    monkeypatch.setattr(fonts, "_substitutes", {})


@pytest.fixture
def font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system with a font that has a black square for Chinese letters, and with files that are no fonts."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 700), (900, 700), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    path, square = tmp_path / "squares.ttf", pen.glyph()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap(dict.fromkeys([*range(32, 127), ord(CAT), ord(DOG)], "square"))
    builder.setupGlyf({".notdef": square, "square": square})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    files = [str(tmp_path / "broken.ttf"), str(tmp_path / "absent.ttf"), str(path)]
    monkeypatch.setattr(fonts, "system_fonts", lambda: files)
    return str(path)


def drawn(caption: str) -> NDArray[np.uint8]:
    marks = Marks("task", [[5.0, 40.0, 195.0, 90.0]], [caption], [(255, 194, 10)])
    return np.array(draw(Image.new("RGB", (200, 100), "white"), [marks]))


def test_texts_that_dejavu_has_are_drawn_as_they_are(font: str) -> None:
    del font
    text = "café Ж ψ ü 0.9"
    assert fonts.font_of([text, ""]) == fonts.default_font()
    assert fonts.drawable(text, fonts.default_font()) == text


def test_a_font_of_the_system_draws_what_dejavu_lacks(font: str, tmp_path: Path) -> None:
    assert fonts.font_of([f"{CAT} 0.9"]) == font
    assert fonts.drawable(CAT, font) == CAT
    before = drawn("0.9")
    assert (drawn(f"{CAT} 0.9") != before).any(), "and without a warning"
    figures.class_bars(np.array([2.0, 1.0]), [CAT, "b"], ["1", "2"], (DOG, "x"), tmp_path / "bars.png")
    assert pixels(tmp_path / "bars.png").std() > 1


def test_without_such_a_font_codes_are_drawn_and_one_warning_has_their_legend(tmp_path: Path) -> None:
    path = fonts.default_font()
    assert fonts.drawable(f"{CAT}{DOG} 0.9", path) == "U+732B U+72D7 0.9"
    with pytest.warns(PolyheadWarning) as caught:
        figures.class_bars(
            np.array([2.0, 1.0]), [CAT, "🐈\u200d\ufe0f"], ["1", "2"], ("title", "x"), tmp_path / "bars.png"
        )
    (message,) = (str(each.message) for each in caught)
    assert message.startswith(
        "no font of this system has these letters, so their codes are drawn: 猫狗 = U+732B U+72D7, 猫 "
    )
    assert message.endswith(", 🐈 = U+1F408. Install a font that has them, such as Noto Sans CJK.")
    assert np.array_equal(drawn(f"{CAT} 0.9"), drawn("U+732B 0.9")), "the second time without a warning"
    assert not np.array_equal(drawn(f"{CAT} 0.9"), drawn("U+72D7 0.9"))


def test_names_with_bytes_that_are_not_utf8_and_line_breaks_can_be_plotted(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n$x^2$\x1b")
    assert figures.escape(name) == "caf\\xe9\n\\$x^2\\$\\x1b"
    figures.class_bars(np.array([1.0]), [name], ["1"], ("title", "x"), tmp_path / "bars.png")
    assert np.array_equal(drawn(os.fsdecode(b"caf\xe9")), drawn("caf?"))
