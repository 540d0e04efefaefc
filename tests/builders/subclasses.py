"""Find all implementations of a contract, so that new ones are tested without being listed."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

Part = TypeVar("Part")


def concrete_subclasses(contract: type[Part], package: ModuleType) -> list[type[Part]]:
    """Return all concrete subclasses of a contract in the package, sorted by name."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    found, waiting = set[type[Part]](), [contract]
    while waiting:
        part = waiting.pop()
        waiting += part.__subclasses__()
        if part.__module__.startswith("polyhead.") and not inspect.isabstract(part):
            found.add(part)
    return sorted(found, key=lambda part: part.__name__)
