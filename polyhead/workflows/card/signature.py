"""Sign a card with a digest of its text, so that a card that a person has edited is not overwritten."""

import re
from hashlib import blake2b
from pathlib import Path

from polyhead.run import write_text

_SIGNED = re.compile(r"\n<!-- written by polyhead [\w ]+: (\w+) -->\n$")


def signed(text: str, by: str) -> str:
    """Return a card with its signature.

    Args:
        text: the card.
        by: the command that wrote it, such as ``data card``.
    """
    return f"{text}\n<!-- written by polyhead {by}: {_digest(text)} -->\n"


def write_signed(path: Path, text: str, by: str) -> None:
    """Write a card with its signature; see :func:`signed`."""
    write_text(path, signed(text, by))


def is_edited(path: Path) -> bool:
    """Return whether a card exists and is not as it was written."""
    return path.exists() and not is_signed(path.read_text(encoding="utf-8", errors="surrogateescape"))


def is_signed(text: str) -> bool:
    """Return whether a card is as it was written."""
    found = _SIGNED.search(text)
    return found is not None and _digest(text[: found.start()]) == found[1]


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
