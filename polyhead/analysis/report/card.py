"""The data card of a run, one section at a time."""

import re

from polyhead.analysis.markdown import escape
from polyhead.analysis.report.questions import MARK, open_questions
from polyhead.run import Run

TITLE = "# Data card: "
"""The beginning of the card of a task."""
_IMAGE = re.compile(r"^!\[.*\]\(.*\)$")
_COMMENT = re.compile(r"^<!--.*-->$")


def card_of(run: Run, task: str) -> str:
    """Return the part of ``data_card.md`` on the data of a task; empty if there is none."""
    path = run.folder / "data_card.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    parts = [part for part in text.split(f"{TITLE}") if part.split("\n", 1)[0] == escape(task)]
    return parts[0].partition("\n")[2] if parts else ""


def card_questions(run: Run, task: str) -> list[str]:
    """Return the questions of the card of a task that are not answered."""
    return open_questions(card_of(run, task))


def stated(run: Run, task: str) -> dict[str, str]:
    """Return the sections of the card of a task by title, without its questions and plots."""
    found: dict[str, str] = {}
    for part in f"\n{card_of(run, task)}".split("\n## "):
        title, _, text = part.partition("\n")
        lines = (line for line in text.splitlines() if not line.startswith(MARK))
        plain = "\n".join(line for line in lines if not _IMAGE.match(line) and not _COMMENT.match(line))
        found[title] = re.sub(r"\n{3,}", "\n\n", plain).strip()
    return {title: text for title, text in found.items() if text}
