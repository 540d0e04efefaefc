"""Read what an ablation varies: ``lr=0.001,0.0001`` lists values of a setting, ``lr=1e-5..1e-2`` is a range.

A factor is a setting of the recipe, written like an override (:mod:`polyhead.config.overrides`), with several values.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from polyhead.config.overrides import ALIASES
from polyhead.errors import PolyheadError

LOG_SPAN = 10
"""A range whose ends differ at least by this factor is searched on a logarithmic scale."""
MAX_NAME = 60
"""Maximum number of characters that a value has in the name of a variation."""
_RANGE = re.compile(r"(?P<low>[^\s,]+?)\.\.(?P<high>[^\s,]+)")
_FORMS = "Write KEY=VALUE,VALUE such as lr=0.001,0.0001, or for a search a range such as lr=1e-5..1e-2."
_OPENING, _CLOSING = "[{(", "]})"


class Bounds(NamedTuple):
    """A range of numbers.

    Attributes:
        low: the lowest value.
        high: the highest value.
        whole: whether only whole numbers are meant.
    """

    low: float
    high: float
    whole: bool

    @property
    def is_log(self) -> bool:
        """Whether the range is searched on a logarithmic scale."""
        return self.low > 0 and self.high / self.low >= LOG_SPAN


class Factor(NamedTuple):
    """A setting that is varied.

    Attributes:
        key: its key in the recipe, which may be a short one.
        values: its values in YAML, as in an override; empty for a range.
        bounds: the range; None for a list of values.
    """

    key: str
    values: list[str]
    bounds: Bounds | None = None

    def __str__(self) -> str:
        if self.bounds is None:
            return f"{self.key}={','.join(self.values)}"
        return f"{self.key}={self.bounds.low:g}..{self.bounds.high:g}"


def factors(given: Sequence[str] | Mapping[str, Any]) -> list[Factor]:
    """Read several factors.

    Args:
        given: ``KEY=VALUES`` for each, as on the command line; or from Python ``{"lr": [0.001, 0.0001]}``, where a
            range is a text (``{"lr": "1e-5..1e-2"}``).

    Raises:
        PolyheadError: when one is not valid, or a setting is given twice.
    """
    if isinstance(given, Mapping):
        found = [_factor(str(key), _texts(values)) for key, values in given.items()]
    else:
        found = [_factor(*_halves(word)) for word in given]
    if not found:
        raise PolyheadError(f"--vary: nothing is varied. {_FORMS}")
    keys: dict[str, str] = {}
    for factor in found:
        whole = ALIASES.get(factor.key, factor.key)
        if whole in keys:
            raise PolyheadError(
                f"--vary {factor}: {keys[whole]!r} is varied already. List all values of a setting together, such as "
                f"{factor.key}=VALUE,VALUE."
            )
        keys[whole] = factor.key
    return found


def one_at_a_time(varied: Iterable[Factor]) -> list[list[str]]:
    """Return the overrides of each variation, which changes a single factor.

    >>> one_at_a_time([Factor("lr", ["0.1", "0.01"]), Factor("batch", ["4"])])
    [['lr=0.1'], ['lr=0.01'], ['batch=4']]
    """
    return [[f"{factor.key}={value}"] for factor in varied for value in factor.values]


def combinations(varied: Iterable[Factor]) -> list[list[str]]:
    """Return the overrides of each combination of the values of all factors.

    >>> combinations([Factor("lr", ["0.1", "0.01"]), Factor("batch", ["4"])])
    [['lr=0.1', 'batch=4'], ['lr=0.01', 'batch=4']]
    """
    listed = [[f"{factor.key}={value}" for value in factor.values] for factor in varied]
    return [list(each) for each in product(*listed)]


def title(changes: Iterable[str]) -> str:
    """Return the name of a variation, which is used for folders: its settings, with plain numbers.

    >>> title(["lr=1e-3", "data.*.transforms={preset: yolov4, mosaic: 0}"])
    'lr=0.001,data._.transforms={preset_ yolov4- mosaic_ 0}'
    """
    parts = []
    for change in changes:
        key, _, text = change.partition("=")
        number = _number(text)
        value = text if number is None or text.isdecimal() else repr(number)
        parts.append(f"{_plain(key)}={_plain(value.replace(',', '-'))[:MAX_NAME]}")
    return ",".join(parts)


def varied_key(name: str) -> str:
    """Return the settings that a variation changes from its name; empty for the base.

    >>> varied_key("lr=0.001,batch=4"), varied_key("base")
    ('lr, batch', '')
    """
    return ", ".join(part.partition("=")[0] for part in name.split(",")) if "=" in name else ""


def _plain(text: str) -> str:
    """Replace what the name of a folder cannot have on some systems."""
    return re.sub(r"""[<>:"/\\|?*\x00-\x1f']""", "_", text).rstrip(". ")


def _halves(word: str) -> tuple[str, list[str]]:
    """Split ``KEY=VALUE,VALUE``; commas within brackets and quotes belong to a value."""
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise PolyheadError(f"--vary {word!r}: expected a setting with its values. {_FORMS}")
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += 0 if quote else (letter in _OPENING) - (letter in _CLOSING)
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return key, [part.strip() for part in parts]


def _texts(values: Any) -> list[str]:
    """Return the values that a Python user gives as texts in YAML."""
    if isinstance(values, str):
        return _halves(f"key={values}")[1]
    if not isinstance(values, Iterable) or isinstance(values, Mapping):
        raise PolyheadError(f"vary: expected a list of values such as {{'lr': [0.001, 0.0001]}}, got {values!r}")
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _factor(key: str, values: list[str]) -> Factor:
    """Return a factor after checking its values.

    Raises:
        PolyheadError: when a value is missing or given twice, or the ends of a range are wrong.
    """
    shown = f"--vary {key}={','.join(values)}"
    if not all(values) or not values:
        raise PolyheadError(f"{shown}: a value is missing. {_FORMS}")
    if len(values) == 1 and (match := _RANGE.fullmatch(values[0])):
        low, high = _number(match["low"]), _number(match["high"])
        if low is None or high is None or not low < high < math.inf:
            raise PolyheadError(f"{shown}: expected a range LOW..HIGH of numbers that grow, such as 1e-5..1e-2.")
        return Factor(key, [], Bounds(low, high, match["low"].isdecimal() and match["high"].isdecimal()))
    if any(_RANGE.fullmatch(value) for value in values):
        raise PolyheadError(f"{shown}: a range stands alone. Give one range, or a list of values.")
    names = [title([f"key={value}"]) for value in values]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise PolyheadError(f"{shown}: the value {values[number]} is given twice. Remove one of them.")
    return Factor(key, values)


def _number(text: str) -> float | None:
    """Return the number that a text is; None for other texts."""
    try:
        return float(text)
    except ValueError:
        return None
