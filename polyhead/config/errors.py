"""What jsonargparse says of a wrong setting, in one line that names the key, what was expected and what came."""

import re
from collections.abc import Iterable
from importlib import import_module
from inspect import Parameter, signature

from polyhead.errors import suggest

PARTS = {"keep": "polyhead.engine.continual"}
"""Settings that are lists of parts, and the module of those that ship; their kind is called like the setting."""


def explain(text: str, where: str, more_keys: Iterable[str] = ()) -> str:
    """One line for jsonargparse's report.

    Args:
        text: the report; it nests, outermost place first.
        where: place of the part that was parsed, such as ``stages.0``.
        more_keys: keys that are known there beside those of the class that refused one.
    """
    # The first key is the parser's own. A reader's settings are written beside those of its source.
    chain = [key for key in re.findall(r'Parser key "([^"]+)"', text)[1:] if key != "reader"]
    place = ".".join([where, *chain] if where else chain)
    owners = re.findall(r"given class_path '([^']+)'", text)
    owner = owners[-1] if owners else ""
    if denied := re.search(r"Importing '(([^'.]+)[^']*)' is not allowed", text):
        return f"{place}: recipes may not import {denied[1]!r}; if you trust it, add --allow {denied[2]}"
    if unknown := re.search(r"Option '([^']+)' is not accepted", text):
        keys = [*parameters(owner), *more_keys]
        return f"unknown key {unknown[1]!r} of {place or 'the recipe'}{suggest(unknown[1], keys)}"
    if missing := re.search(r"arguments are required: (.+)", text):
        return f"{place}: {missing[1]} is missing"
    if named := _misnamed(text, chain):
        return f"{place}: {named}"
    for report in (r"Expected an? (.+)\. Got value: (.*)", r"Subtypes: \[(.+)\]\n(?:.*\n)*? *Given value: (.*)"):
        if wrong := re.search(report, text):
            return f"{place}: expected {_plain(wrong[1])}, got {_value(wrong[2], wrong[1])}"
    return f"{place}: {' '.join(text.split())}"


def parameters(path: str) -> dict[str, Parameter]:
    """The parameters of a class or function by its import path; none when it cannot be found."""
    module, _, name = path.rpartition(".")
    try:
        return dict(signature(getattr(import_module(module), name)).parameters)
    except (ImportError, AttributeError, ValueError, TypeError):
        return {}


def _misnamed(text: str, chain: list[str]) -> str:
    """What is said of a class that there is none of; empty where the report is of something else."""
    if absent := re.search(r"module '([^']+)' has no attribute '([^']+)'", text):
        return f"there is no {absent[2]!r} in {absent[1]}{suggest(absent[2], _classes(absent[1]))}"
    if short := re.search(r"Expected a dot import path string: (\S+)", text):
        return f"there is no {short[1]!r}{suggest(short[1], _kinds(chain))}"
    if other := re.search(r"Not a valid subclass of (\w+)\. Got value: (\S+)", text):
        return f"expected {' or '.join(_kinds(chain)) or other[1]}, got {'null' if other[2] == 'None' else other[2]}"
    return ""


def _kinds(chain: list[str]) -> list[str]:
    """The short names of what a list of parts may hold."""
    return [name for name in _classes(PARTS[chain[-1]]) if name != chain[-1].title()] if chain[-1] in PARTS else []


def _classes(module: str) -> list[str]:
    content = import_module(module)
    if hasattr(content, "__all__"):
        return [*content.__all__]
    return [
        name for name, value in vars(content).items() if getattr(value, "__module__", "") == module and name[0] != "_"
    ]


def _plain(types: str) -> str:
    """``<class 'int'>, <class 'NoneType'>`` -> ``int or null``."""
    named = re.sub(r"<class '(?:[\w]+\.)*(\w+)'>", r"\1", types).replace("NoneType", "null")
    named = re.sub(r"typing\.Literal\[([^\]]*)\]", r"one of \1", named)
    return named if named.startswith("one of") else " or ".join(re.split(r", (?![^\[]*\])", named))


def _value(text: str, types: str) -> str:
    short = text if len(text) <= 80 else text[:77] + "..."
    return f"{short!r}; put it in quotes" if types == "<class 'str'>" else repr(short)
