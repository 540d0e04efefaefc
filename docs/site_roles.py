"""Turns the roles of docstrings (``:func:`fit```) into links of the API reference, where it has the name."""

import re
from typing import Any

from griffe import Extension, NameResolutionError, Object

ROLE = re.compile(r":\w+:`~?([^`]+)`")


class Roles(Extension):
    """An extension of griffe, which reads the docstrings."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Replace the roles in the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(lambda role: link(obj, role[1]), obj.docstring.value)


def link(obj: Object, name: str) -> str:
    """Return the HTML of a link from an object to a name of its scope; only the name where no page has it."""
    try:
        path = obj.resolve(name)
    except NameResolutionError:
        path = name
    return f'<autoref optional identifier="{path}"><code>{name.removeprefix("polyhead.")}</code></autoref>'
