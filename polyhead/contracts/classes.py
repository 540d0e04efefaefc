"""Load classes that recipes, runs and weights files name; only from packages that the user allows."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from polyhead.errors import PolyheadError, suggest

ALLOWED = ["polyhead"]
"""Packages that may be imported by name (:func:`allow`)."""


def allow(packages: str | Iterable[str]) -> None:
    """Allow recipes, runs and weights files to import from a package, or from several, in this process."""
    ALLOWED.extend([packages] if isinstance(packages, str) else packages)


def load(name: str, base: type, short: Mapping[str, str]) -> Any:
    """Return a class by its short name or its class path.

    Args:
        name: a key of ``short``, or a path such as ``package.module.Class``.
        base: the class that it must be derived from.
        short: class paths by short name.

    Raises:
        PolyheadError: when the name is unknown, its package is not allowed, or it is no such class.
    """
    path = short.get(name, name)
    module, _, attribute = path.rpartition(".")
    what = base.__name__.lower()
    if not module:
        raise PolyheadError(f"there is no {what} {name!r}{suggest(name, short)}")
    if module.split(".")[0] not in ALLOWED:
        package = module.split(".")[0]
        raise PolyheadError(
            f"{what} {name!r}: package {package!r} is not allowed to be imported. If you trust it, allow it with "
            f"--allow {package}, in Python with polyhead.contracts.classes.allow({package!r})."
        )
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        # the script that another process runs is not the one that defines the class
        remedy = ". Define the class at the top level of a module with a name" if _is_nowhere(path) else ""
        raise PolyheadError(f"{what} {name!r} cannot be imported: {error}{remedy}") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise PolyheadError(f"{what} {name!r}: expected a class derived from {base.__name__}, got {found!r}")
    return found


def _is_nowhere(path: str) -> bool:
    """Return whether a class path is one that another process cannot import: of a script, or within a function."""
    return path.startswith("__main__.") or "<locals>" in path
