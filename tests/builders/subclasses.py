"""Finds what is to keep a contract: a new part of the package is tested by existing."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

Part = TypeVar("Part")


def finished(contract: type[Part], package: ModuleType) -> list[type[Part]]:
    """All subclasses of a contract in the package that can be built, by name."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    found, waiting = set[type[Part]](), [contract]
    while waiting:
        part = waiting.pop()
        waiting += part.__subclasses__()
        if part.__module__.startswith("polyhead.") and not inspect.isabstract(part):
            found.add(part)
    return sorted(found, key=lambda part: part.__name__)
