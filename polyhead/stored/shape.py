"""Check that what was read from a file has the expected shape: a mapping where a mapping belongs, and so on.

A shape is written like what it describes:

* a type: ``str``, ``bool``, ``int``, ``float`` (any number), ``dict``, ``list``; ``None``; ``Any`` for anything
* ``[shape]``: a list of values of this shape
* ``{str: shape}``: a mapping of texts to values of this shape
* ``{"name": shape, "other?": shape}``: a mapping with these keys, and any others; those with ``?`` may be missing
* ``(shape, shape)``: one of these
* ``frozenset({"a", "b"})``: one of these texts
"""

from collections.abc import Iterator, Mapping
from typing import Any

Shape = Any

LIMIT = 2**63
"""Whole numbers from this on are refused: they fit no column, and take long to print."""
_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "a mapping",
    list: "a list",
    type(None): "null",
}


def fault(value: Any, shape: Shape, where: str = "") -> str | None:
    """Return the first difference between a value and its shape, with its key path; None where there is none.

    >>> fault({"names": ["cat", 3]}, {"names": [str]})
    'names.1: expected text, got a whole number'
    >>> fault({"names": ["cat"]}, {"names": [str], "license?": str}) is None
    True
    """
    if shape is Any:
        return None
    if isinstance(shape, tuple):
        fitting = [each for each in shape if _has_type(value, each)]
        faults = [fault(value, each, where) for each in fitting] or [_wrong(value, shape, where)]
        return None if None in faults else faults[0]
    if not _has_type(value, shape):
        return _wrong(value, (shape,), where)
    if isinstance(shape, frozenset):
        return None if value in shape else _prefixed(where, f"expected one of {', '.join(sorted(shape))}")
    missing = [key for key in _keys(shape) if not key.endswith("?") and key not in value]
    if missing:
        return _prefixed(where, f"{missing[0]} is missing")
    found = (
        fault(each, below, f"{where}.{key}" if where else str(key)[:99]) for key, each, below in _items(value, shape)
    )
    return next((each for each in found if each is not None), None)


def _keys(shape: Shape) -> list[str]:
    """Return the keys that a shape names, with the ``?`` of those that may be missing."""
    return [*shape] if isinstance(shape, Mapping) and str not in shape else []


def _items(value: Any, shape: Shape) -> Iterator[tuple[Any, Any, Shape]]:
    """Yield what a value contains: the key or index, the value there, and its shape."""
    if isinstance(shape, list):
        yield from ((number, each, shape[0]) for number, each in enumerate(value))
    elif isinstance(shape, Mapping) and str in shape:
        for key, each in value.items():
            yield key, key, str
            yield key, each, shape[str]
    else:
        for key in _keys(shape):
            name = key.removesuffix("?")
            if name in value:
                yield name, value[name], shape[key]


def _has_type(value: Any, shape: Shape) -> bool:
    """Return whether a value has the type of a shape; what it contains is not looked at."""
    kind = _kind(shape)
    if kind in (int, float):
        number = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
        return number and not (isinstance(value, int) and abs(value) >= LIMIT)
    if kind is list:
        return isinstance(value, list | tuple)
    return isinstance(value, Mapping if kind is dict else kind)


def _kind(shape: Shape) -> type:
    """Return the type that a value of a shape has."""
    if shape is None:
        return type(None)
    if isinstance(shape, type):
        return shape
    return dict if isinstance(shape, Mapping) else str if isinstance(shape, frozenset) else list


def _wrong(value: Any, shapes: tuple[Shape, ...], where: str) -> str:
    expected = " or ".join(dict.fromkeys(_name(_kind(shape)) for shape in shapes))
    got = "a number that is too large" if isinstance(value, int) and abs(value) >= LIMIT else _name(type(value))
    return _prefixed(where, f"expected {expected}, got {got}")


def _name(kind: type) -> str:
    return _NAMES.get(kind, kind.__name__)


def _prefixed(where: str, what: str) -> str:
    return f"{where[:200]}: {what}" if where else what
