"""Letters of any script: DejaVu Sans draws a text, else a font of the system, else the codes of the letters stand in.

DejaVu Sans comes with matplotlib and has the letters of Latin, Greek, Cyrillic and Arabic, but no Chinese, Japanese or
Korean ones and few emoji.
"""

import unicodedata
import warnings
from collections.abc import Iterable
from functools import cache
from itertools import groupby
from pathlib import Path

from polyhead.errors import PolyheadWarning, few

MOST = 100
"""Words that a warning names."""
_INVISIBLE = ("Cf", "Mn")
"""Unicode categories of letters that may be left out: those that join or vary their neighbors."""
_substitutes: dict[str, str] = {}
"""The codes of each word that has been drawn with them since the last warning; empty for those that it named."""


@cache
def default_font() -> str:
    """Return the path of DejaVu Sans."""
    import matplotlib as mpl

    return str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def font_of(texts: Iterable[str]) -> str:
    """Return the path of the font that has most letters of the texts: DejaVu Sans where it has them all."""
    wanted = {ord(letter) for text in texts for letter in text}
    if wanted <= letters(default_font()):
        return default_font()
    return max([default_font(), *system_fonts()], key=lambda path: len(wanted & letters(path)))


def drawable(text: str, font: str) -> str:
    """Return a text with codes such as ``U+732B`` for the letters that a font lacks; :func:`warn` reports them."""
    known = letters(font)
    if all(ord(letter) in known for letter in text):
        return text
    words = []
    for is_known, run in groupby(text, lambda letter: ord(letter) in known):
        word = "".join(run)
        words.append(word if is_known else f" {_codes(word)} ")
    return " ".join("".join(words).split())


def _codes(word: str) -> str:
    """Return the codes of letters that a font lacks, and note them for :func:`warn`."""
    codes = " ".join(f"U+{ord(letter):04X}" for letter in word if unicodedata.category(letter) not in _INVISIBLE)
    if codes:
        _substitutes.setdefault(word, codes)
    return codes


def warn() -> None:
    """Warn once of each word that is drawn with codes."""
    new = {word: code for word, code in _substitutes.items() if code}
    if new:
        _substitutes.update(dict.fromkeys(new, ""))
        legend = few([f"{word} = {code}" for word, code in new.items()], MOST)
        warnings.warn(
            f"no font of this system has these letters, so their codes are drawn: {legend}. Install a font that has "
            "them, such as Noto Sans CJK.",
            PolyheadWarning,
            stacklevel=3,
        )


@cache
def letters(font: str) -> frozenset[int]:
    """Return the code points that a font has; none for a font that cannot be used."""
    from matplotlib.ft2font import FT2Font  # pylint: disable=no-name-in-module  # it is compiled

    try:
        opened = FT2Font(font)
        return frozenset(opened.get_charmap()) if opened.scalable else frozenset()
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@cache
def system_fonts() -> list[str]:
    """Return the paths of the fonts of the system, in a fixed order."""
    from matplotlib.font_manager import findSystemFonts

    return sorted(findSystemFonts())
