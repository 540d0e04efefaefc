"""One network, many heads: train a model, evaluate it, compare it and predict with it.

The public names are imported on first access, so that ``import polyhead`` takes milliseconds and does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyhead import models
    from polyhead.analysis.table import compare
    from polyhead.engine.fit import fit
    from polyhead.engine.stage import Stage
    from polyhead.errors import DataError, PolyheadError
    from polyhead.models import ssd300
    from polyhead.run import Run
    from polyhead.workflows.extend import extend
    from polyhead.workflows.predict import load
    from polyhead.workflows.train import train

__version__ = "0.1.0"

__all__ = [
    "DataError",
    "PolyheadError",
    "Run",
    "Stage",
    "compare",
    "extend",
    "fit",
    "load",
    "models",
    "ssd300",
    "train",
]

_MODULES = {
    "DataError": "polyhead.errors",
    "PolyheadError": "polyhead.errors",
    "Run": "polyhead.run",
    "Stage": "polyhead.engine.stage",
    "compare": "polyhead.analysis.table",
    "extend": "polyhead.workflows.extend",
    "fit": "polyhead.engine.fit",
    "load": "polyhead.workflows.predict",
    "models": "polyhead.models",
    "ssd300": "polyhead.models",
    "train": "polyhead.workflows.train",
}
"""The module of each public name; ``models`` is a module itself."""


def __getattr__(name: str) -> Any:
    """Import a public name on first access (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'polyhead' has no attribute {name!r}")
    module = import_module(_MODULES[name])
    return module if name == "models" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
