"""Settings of a reader that a user gives as ``key=value``, such as ``classes=cat,dog`` or ``on_bad=skip``."""

from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from polyhead.data.formats.data_folder import Found
from polyhead.data.io.yaml_files import yaml_value
from polyhead.errors import PolyheadError, suggest

APART = ("annotations", "split", "images", "masks")
"""Settings of readers that may tell splits apart."""


def parse_settings(words: Sequence[str]) -> dict[str, Any]:
    """Return settings by name.

    Args:
        words: ``key=value`` each, where the value is YAML.

    Raises:
        PolyheadError: if a value is not valid YAML.

    >>> parse_settings(["images=train2017", "cap=0.2", "classes=[cat, dog]"])
    {'images': 'train2017', 'cap': 0.2, 'classes': ['cat', 'dog']}
    """
    settings = {}
    for word in words:
        key, _, text = word.partition("=")
        settings[key] = yaml_value(text, word)
    return settings


def fit_settings(name: str, reader: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in the types of a reader; a text with commas becomes a list where a list is expected.

    Args:
        name: short name of the reader, for messages.
        reader: the class.
        settings: the settings by name.

    Raises:
        PolyheadError: if the reader has no such setting, or a value has another type.
    """
    hints = settings_of(reader)
    fitted = {}
    for key, value in settings.items():
        if key not in hints:
            raise PolyheadError(f"reader {name} has no setting {key!r}{suggest(key, hints)}")
        listed = [part.strip() for part in str(value).split(",")]
        if not _accepts(hints[key], value) and not _accepts(hints[key], listed):
            raise PolyheadError(f"{key}: expected {_words(hints[key])}, got {value!r}")
        fitted[key] = value if _accepts(hints[key], value) else listed
    return fitted


def one_split(found: Found, settings: Mapping[str, Any]) -> Found:
    """Return one split, train, if the user's settings replace what tells the found splits apart; else what was found.

    Args:
        found: the arguments of each split.
        settings: the user's settings, which every split gets.
    """
    differing = [key for key in APART if len({repr(arguments.get(key)) for arguments in found.splits.values()}) > 1]
    given = [key for key in (differing[:1] if "annotations" in differing else differing) if key in settings]
    if not given:
        return found
    others = {} if "annotations" in given else next(iter(found.splits.values()))
    note = f"only what {' and '.join(given)} names is read, as train; the folder has {', '.join(found.splits)}"
    return Found({"train": {key: value for key, value in others.items() if key in APART}}, [note])


def settings_of(reader: Callable[..., Any]) -> dict[str, Any]:
    """Return the type of each setting of a reader except its root."""
    hints = get_type_hints(vars(reader)["__init__"])
    return {key: hint for key, hint in hints.items() if key not in ("root", "return")}


def _accepts(hint: Any, value: Any) -> bool:
    """Return whether a value of YAML has a type."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(_accepts(each, value) for each in inner)
    if kind is Literal:
        return value in inner
    if kind is list:
        return isinstance(value, list) and all(_accepts(inner[0], each) for each in value)
    if kind is dict:
        return isinstance(value, dict) and all(_accepts(inner[1], each) for each in value.values())
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _words(hint: Any) -> str:
    """Return a type in words."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return " or ".join(_words(each) for each in inner if each is not NoneType)
    if kind is Literal:
        return " or ".join(map(repr, inner))
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}
    return names.get(kind or hint, "key: value pairs")
