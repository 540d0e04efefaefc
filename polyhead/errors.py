"""Errors that a user can act on: what was expected, what was found, and what to do.

Everything that a user can cause raises a :class:`PolyheadError`; the command line prints its message and exits with
code 2. Any other exception is a bug of Polyhead and keeps its traceback.
"""

import errno
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers for a full disk and an exceeded disk quota."""

MAX_PER_KIND, MAX_LISTED = 3, 50
"""How many problems of one kind, and how many in total, a report lists; the others are counted."""
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tabs and line breaks, characters that turn the direction of a text, and single surrogates."""
_VARYING = re.compile(r"'[^']*'|\d+(\.\d+)?")


class PolyheadError(Exception):
    """A request of the user that cannot be fulfilled; the message says what to do instead."""


class PolyheadWarning(UserWarning):
    """Something that a user should know; the command line prints its message on one line."""


class SettingError(PolyheadError):
    """An invalid value of a setting. Its message lacks the location in the recipe, which the recipe's loader adds."""


class Problem(NamedTuple):
    """A fault in the user's data.

    Attributes:
        where: file, with line, image id or annotation id where known (``"a.json: annotation 17"``).
        what: what was expected and what was found.
        remedy: what the user can do about it.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.what}; {self.remedy}")


class Finding(NamedTuple):
    """What a check of the data found.

    Attributes:
        check: short name of the check, which ``docs/data.md`` lists.
        problem: where it is, what is wrong and what to do.
        stops: whether it is an error, which stops a training, and not a warning.
    """

    check: str
    problem: Problem
    stops: bool = False

    @property
    def what(self) -> str:
        """What is wrong."""
        return self.problem.what

    @property
    def remedy(self) -> str:
        """What the user can do about it."""
        return self.problem.remedy

    def __str__(self) -> str:
        return f"{self.check}: {self.problem}"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while a run was being trained; it can be resumed."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = str(folder)
        super().__init__(self.folder)


class InvalidFileError(PolyheadError):
    """A file that cannot be used; readers collect its ``problem``."""

    def __init__(self, where: str | Path, what: str, remedy: str) -> None:
        self.problem = Problem(str(where), what, remedy)
        super().__init__(str(self.problem))

    def __reduce__(self) -> tuple[type["InvalidFileError"], Problem]:
        return type(self), self.problem


class SampleError(PolyheadError):
    """An input or a target that cannot be used; a reader, which knows the sample, collects it as a :class:`Problem`.

    Args:
        what: what was expected and what was found.
        remedy: what the user can do about it.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}; {remedy}")

    def __reduce__(self) -> tuple[type["SampleError"], tuple[str, str]]:
        return type(self), (self.what, self.remedy)


class DataError(PolyheadError):
    """All faults of a data set in one report (:func:`summarize`), which a hint may end."""

    def __init__(self, data: str, problems: Iterable[Problem], hint: str = "") -> None:
        self.data = data
        self.problems = list(problems)
        count = counted(len(self.problems), "problem")
        lines = [f"{data}: {count} found, nothing was trained or changed", *summarize(self.problems)]
        lines += [hint] if hint else []
        super().__init__("\n".join(lines))


def summarize(problems: Sequence[Problem | Finding]) -> list[str]:
    """Return numbered lines for problems.

    Problems that differ only in their location, in numbers and in quoted names are of one kind; a few of each kind are
    listed, and the others are counted.
    """
    kinds: dict[tuple[str, str], list[int]] = {}
    for number, problem in enumerate(problems):
        kinds.setdefault((_VARYING.sub("#", problem.what), problem.remedy), []).append(number)
    # The last listed problem of a kind is followed by the number of those that are not listed.
    others = {
        alike[MAX_PER_KIND - 1]: len(alike) - MAX_PER_KIND for alike in kinds.values() if len(alike) > MAX_PER_KIND
    }
    listed = sorted(number for alike in kinds.values() for number in alike[:MAX_PER_KIND])[:MAX_LISTED]
    lines = []
    for number in listed:
        more = f" (and {others[number]} more of this kind)" if number in others else ""
        lines.append(f"  {number + 1}. {problems[number]}{more}")
    left = len(problems) - len(listed) - sum(others.get(number, 0) for number in listed)
    return [*lines, f"  ... and {left} more"] if left else lines


def few(words: Sequence[str], most: int = 10, joint: str = ", ") -> str:
    """Join the first ``most`` words and add how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return joint.join(map(one_line, words[:most])) + more


def printable(text: str) -> str:
    r"""Escape what a terminal would obey or cannot show: control characters, and bytes of names that are not UTF-8.

    >>> printable("a\x1b[2J.jpg"), printable("caf\udce9.jpg")
    ('a\\x1b[2J.jpg', 'caf\\xe9.jpg')
    """
    return _UNSAFE.sub(lambda found: _escaped(found[0]), text)


def one_line(text: str) -> str:
    r"""Escape line breaks and tabs too, for names in texts of one line.

    >>> one_line("a\nb")
    'a\\nb'
    """
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(letter: str) -> str:
    """Return the escape sequence of a character; of a byte that is not UTF-8 that of the byte."""
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 class``, ``2 classes``; the plural is ``one`` + ``s`` by default."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return a suggestion to append to a message about an unknown word.

    Returns:
        ``"; did you mean 'epochs'?"`` with the nearest of ``choices``, or the choices in order if none is near.
    """
    known = sorted(set(choices))
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; choose from {few(known, MAX_LISTED)}" if known else ""
