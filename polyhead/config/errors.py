"""Turn a jsonargparse error into one line: the key, what was expected and what was given."""

import re
from collections.abc import Iterable
from importlib import import_module
from inspect import Parameter, signature

from polyhead.config.renamed import suggest_key
from polyhead.errors import suggest

FACTORY = re.compile(
    r"Type \S*Callable\[.*\] expects a function or a callable class: "
    r"((?:.|\n)*?)\. Got value: Namespace\(.*class_path='([^']+)'.*"
)
"""A problem with a class that is built later, and the class: the last one, since ``init_args`` come first."""

PARTS = {"continual": "polyhead.engine.continual"}
"""Settings that are lists of objects, and the module with the classes that Polyhead provides for them."""


CURLY = "\u201c\u201d\u201e\u2018\u2019\u201a"
"""Quotes that word processors and chat programs put in the place of straight ones; YAML takes them for letters."""
_TEXT = {"<class 'str'>", "<class 'NoneType'>"}


def explain(text: str, where: str, more_keys: Iterable[str] = ()) -> str:
    """Return one line for an error message of jsonargparse.

    Args:
        text: the error message; it is nested, outermost key first.
        where: key path of the section that was parsed, such as ``stages.0``.
        more_keys: keys that are valid there in addition to the parameters of the class that refused a key.
    """
    line = _explain(text, where, more_keys)
    return f"{line}; use straight quotes instead of curly ones" if set(CURLY) & set(text) else line


def _explain(text: str, where: str, more_keys: Iterable[str]) -> str:
    """Return the line of :func:`explain`, but for a hint at quotes."""
    text = FACTORY.sub(r"Problem with given class_path '\2': \1", text)  # as for a class that is built at once
    # The first key is the parser's own. The settings of a reader are written next to those of its source.
    chain = [key for key in re.findall(r'Parser key "([^"]+)"', text)[1:] if key != "reader"]
    path = ".".join([where, *chain] if where else chain)
    owners = re.findall(r"given class_path '([^']+)'", text)
    owner = owners[-1] if owners else ""
    if denied := re.search(r"Importing '(([^'.]+)[^']*)' is not allowed", text):
        return f"{path}: recipes may not import {denied[1]!r}. If you trust this package, add --allow {denied[2]}"
    if unknown := re.search(r"Option '([^']+)' is not accepted", text):
        keys = [*parameters(owner), *more_keys]
        return f"unknown key {unknown[1]!r} of {path or 'the recipe'}{suggest_key(unknown[1], keys)}"
    if missing := re.search(r"arguments are required: (.+)", text):
        return f"{path}: {missing[1]} is missing"
    if unknown_class := _explain_class(text, chain):
        return f"{path}: {unknown_class}"
    for pattern in (r"Expected an? (.+)\. Got value: (.*)", r"Subtypes: \[(.+)\]\n(?:.*\n)*? *Given value: (.*)"):
        if wrong := re.search(pattern, text):
            return f"{path}: expected {_type_names(wrong[1])}, got {_value(wrong[2], wrong[1])}"
    return f"{path}: {' '.join(text.split())}"


def parameters(path: str) -> dict[str, Parameter]:
    """Return the parameters of a class or function by its import path; empty when it cannot be found."""
    module, _, name = path.rpartition(".")
    try:
        return dict(signature(getattr(import_module(module), name)).parameters)
    except (ImportError, AttributeError, ValueError, TypeError):
        return {}


def _explain_class(text: str, chain: list[str]) -> str:
    """Return the message for a class that does not exist or does not fit; empty for errors of another kind."""
    if absent := re.search(r"module '([^']+)' has no attribute '([^']+)'", text):
        return f"there is no {absent[2]!r} in {absent[1]}{suggest(absent[2], _classes(absent[1]))}"
    if odd := re.search(r"Unexpected import path format: (\S+)", text):
        return f"there is no {odd[1].rpartition('.')[2]!r}"
    if short := re.search(r"Expected a dot import path string: (\S+)", text):
        return f"there is no {short[1]!r}{suggest(short[1], _choices(chain))}"
    if wrong := re.search(r"Expected '([^']+)' to be a subclass of <class '(\w+)'>", text):
        return f"expected a {wrong[2]}, got {wrong[1]!r}"
    if other := re.search(r"Not a valid subclass of (\w+)\. Got value: (\S+)", text):
        return f"expected {' or '.join(_choices(chain)) or other[1]}, got {'null' if other[2] == 'None' else other[2]}"
    return ""


def _choices(chain: list[str]) -> list[str]:
    """Return the short names of the classes that a list setting accepts."""
    return [name for name in _classes(PARTS[chain[-1]]) if name != "ContinualLoss"] if chain[-1] in PARTS else []


def _classes(module: str) -> list[str]:
    """Return the public names of a module."""
    content = import_module(module)
    if hasattr(content, "__all__"):
        return [*content.__all__]
    return [
        name for name, value in vars(content).items() if getattr(value, "__module__", "") == module and name[0] != "_"
    ]


def _type_names(types: str) -> str:
    """Convert ``<class 'int'>, <class 'NoneType'>`` to ``int or null``."""
    named = re.sub(r"<class '(?:[\w]+\.)*(\w+)'>", r"\1", types).replace("NoneType", "null")
    named = re.sub(r"collections\.abc\.Callable\[\[.*?\], (?:\w+\.)*(\w+)\]", r"a factory of \1", named)
    named = re.sub(r"typing\.Literal\[([^\]]*)\]", r"one of \1", named)
    return named if named.startswith("one of") else " or ".join(re.split(r", (?![^\[]*\])", named))


def _value(text: str, types: str) -> str:
    """Return the given value, shortened, with a hint where a string was expected."""
    short = text if len(text) <= 80 else text[:77] + "..."
    is_text = "<class 'str'>" in types and set(types.split(", ")) <= _TEXT
    return f"{short!r}; put it in quotes" if is_text else repr(short)
