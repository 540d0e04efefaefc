"""Questions in Markdown that only a person can answer: quoted lines that begin with a mark."""

MARK = "> **Question:**"
"""The beginning of a line with an open question."""


def open_questions(text: str) -> list[str]:
    r"""Return the questions of a text that are not answered.

    Examples:
        >>> open_questions("# Data card: a\n> **Question:** Who?\nText\n")
        ['Who?']
    """
    lines = (line.strip() for line in text.splitlines())
    return [line.removeprefix(MARK).strip() for line in lines if line.startswith(MARK)]
