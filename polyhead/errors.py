"""Errors that a user can act on: what was expected, what came, and what to do.

Everything a user can cause ends in a :class:`PolyheadError`; the command line prints it and exits with 2.
Any other exception is a fault of ours and keeps its traceback.
"""

import errno
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when a disk, or a user's part of it, is full."""

ALIKE, SHOWN = 5, 50
"""So many faults of one kind are told, and so many in all; the others are counted."""
_NUMBER = re.compile(r"\d+(\.\d+)?")


class PolyheadError(Exception):
    """What the user asked for cannot be done, and the message says what to do instead."""


class SettingError(PolyheadError):
    """A value that a part of a recipe cannot have. The part does not know its place: the recipe puts it in front."""


class Problem(NamedTuple):
    """One fault in the user's data.

    Attributes:
        where: file, with line, image id or annotation id as far as they are known (``"a.json: annotation 17"``).
        what: what was expected and what came.
        remedy: what the user can do about it.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


class FileFault(PolyheadError):
    """A file that cannot be used; readers collect its ``problem``."""

    def __init__(self, where: str | Path, what: str, remedy: str) -> None:
        self.problem = Problem(str(where), what, remedy)
        super().__init__(str(self.problem))

    def __reduce__(self) -> tuple[type["FileFault"], Problem]:
        return type(self), self.problem


class DataError(PolyheadError):
    """Faults in a data set, all of them in one report; those are of a kind that differ in place and numbers alone."""

    def __init__(self, data: str, problems: Iterable[Problem]) -> None:
        self.data = data
        self.problems = list(problems)
        kinds: dict[tuple[str, str], list[int]] = {}
        for number, problem in enumerate(self.problems):
            kinds.setdefault((_NUMBER.sub("#", problem.what), problem.remedy), []).append(number)
        others = {alike[ALIKE - 1]: len(alike) - ALIKE for alike in kinds.values() if len(alike) > ALIKE}
        told = sorted(number for alike in kinds.values() for number in alike[:ALIKE])[:SHOWN]
        lines = [f"{data}: {len(self.problems)} problem(s) found, nothing was trained or changed"]
        for number in told:
            more = f" (and {others[number]} more of this kind)" if number in others else ""
            lines.append(f"  {number + 1}. {self.problems[number]}{more}")
        left = len(self.problems) - len(told) - sum(others.get(number, 0) for number in told)
        if left:
            lines.append(f"  ... and {left} more")
        super().__init__("\n".join(lines))


def few(words: Sequence[str], most: int = 10, joint: str = ", ") -> str:
    """The first of some words, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return joint.join(words[:most]) + more


def suggest(word: str, choices: Iterable[str]) -> str:
    """``"; did you mean 'epochs'?"`` for the nearest of ``choices``, or the sorted choices when none is near."""
    known = sorted(set(choices))
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; choose from {', '.join(known)}" if known else ""
