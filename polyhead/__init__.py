"""One network, many heads: train, measure, explain and show a model that you can defend.

The public names are loaded when they are first asked for, so that ``import polyhead`` costs milliseconds and no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyhead.engine.fit import fit
    from polyhead.engine.stage import Stage
    from polyhead.errors import DataError, PolyheadError
    from polyhead.models import ssd300
    from polyhead.run import Run
    from polyhead.workflows.predict import load

__version__ = "0.1.0"

__all__ = ["DataError", "PolyheadError", "Run", "Stage", "fit", "load", "ssd300"]

_HOMES = {
    "DataError": "polyhead.errors",
    "PolyheadError": "polyhead.errors",
    "Run": "polyhead.run",
    "Stage": "polyhead.engine.stage",
    "fit": "polyhead.engine.fit",
    "load": "polyhead.workflows.predict",
    "ssd300": "polyhead.models",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'polyhead' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
