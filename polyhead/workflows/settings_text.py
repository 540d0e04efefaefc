"""Write settings with comments as lines of YAML."""

import json
from collections.abc import Iterable
from typing import NamedTuple


class Setting(NamedTuple):
    """A setting of a recipe, with the reason for its value; without a comment if that is empty."""

    name: str
    value: object
    comment: str = ""


def flow(value: object) -> str:
    """Return a value on one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(each)}" for key, each in value.items()) + "}"
    plain = isinstance(value, str) and value.replace("_", "").replace(".", "").isalnum() and not value[0].isdigit()
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def lines_of(settings: Iterable[Setting], indent: int) -> list[str]:
    """Return a line for each setting."""
    start = " " * indent
    return [
        f"{start}{each.name}: {flow(each.value)}" + (f"  # {each.comment}" if each.comment else "") for each in settings
    ]
