"""One network, many heads: train a model, evaluate it, compare it and predict with it.

The public names are imported on first access, so that ``import polyhead`` takes milliseconds and does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyhead import models
    from polyhead.analysis.table import compare
    from polyhead.engine.stage import Stage
    from polyhead.errors import DataError, PolyheadError
    from polyhead.models import ssd300
    from polyhead.nets.heads.classify import Classify
    from polyhead.nets.model import Model
    from polyhead.run import Run
    from polyhead.workflows.ablate import ablate
    from polyhead.workflows.card.write import data_card
    from polyhead.workflows.errors import analyze_errors
    from polyhead.workflows.extend import extend
    from polyhead.workflows.hub.pretrained import from_pretrained, save_pretrained
    from polyhead.workflows.hub.push import push_to_hub
    from polyhead.workflows.lr_find import lr_find
    from polyhead.workflows.measure import evaluate
    from polyhead.workflows.mistakes import find_mistakes
    from polyhead.workflows.own import Task, fit
    from polyhead.workflows.predict import load, predict
    from polyhead.workflows.report.check import check_report
    from polyhead.workflows.report.script import notebook
    from polyhead.workflows.report.write import write_report
    from polyhead.workflows.train import resume, train
    from polyhead.workflows.train_or_resume import train_or_resume
    from polyhead.workflows.write_split import data_split

__version__ = "0.1.0"

_NAMES = {
    "Classify": ("polyhead.nets.heads.classify", "Classify"),
    "DataError": ("polyhead.errors", "DataError"),
    "Model": ("polyhead.nets.model", "Model"),
    "PolyheadError": ("polyhead.errors", "PolyheadError"),
    "Run": ("polyhead.run", "Run"),
    "Stage": ("polyhead.engine.stage", "Stage"),
    "Task": ("polyhead.workflows.own", "Task"),
    "analyze_errors": ("polyhead.workflows.errors", "analyze_errors"),
    "ablate": ("polyhead.workflows.ablate", "ablate"),
    "check_report": ("polyhead.workflows.report.check", "check_report"),
    "compare": ("polyhead.analysis.table", "compare"),
    "data_card": ("polyhead.workflows.card.write", "data_card"),
    "data_split": ("polyhead.workflows.write_split", "data_split"),
    "evaluate": ("polyhead.workflows.measure", "evaluate"),
    "extend": ("polyhead.workflows.extend", "extend"),
    "find_mistakes": ("polyhead.workflows.mistakes", "find_mistakes"),
    "fit": ("polyhead.workflows.own", "fit"),
    "from_pretrained": ("polyhead.workflows.hub.pretrained", "from_pretrained"),
    "load": ("polyhead.workflows.predict", "load"),
    "lr_find": ("polyhead.workflows.lr_find", "lr_find"),
    "models": ("polyhead.models", ""),
    "notebook": ("polyhead.workflows.report.script", "notebook"),
    "predict": ("polyhead.workflows.predict", "predict"),
    "push_to_hub": ("polyhead.workflows.hub.push", "push_to_hub"),
    "resume": ("polyhead.workflows.train", "resume"),
    "save_pretrained": ("polyhead.workflows.hub.pretrained", "save_pretrained"),
    "ssd300": ("polyhead.models", "ssd300"),
    "train": ("polyhead.workflows.train", "train"),
    "train_or_resume": ("polyhead.workflows.train_or_resume", "train_or_resume"),
    "write_report": ("polyhead.workflows.report.write", "write_report"),
}
"""Module and name of each public name; ``models`` is a module itself."""

__all__ = [
    "Classify",
    "DataError",
    "Model",
    "PolyheadError",
    "Run",
    "Stage",
    "Task",
    "ablate",
    "analyze_errors",
    "check_report",
    "compare",
    "data_card",
    "data_split",
    "evaluate",
    "extend",
    "find_mistakes",
    "fit",
    "from_pretrained",
    "load",
    "lr_find",
    "models",
    "notebook",
    "predict",
    "push_to_hub",
    "resume",
    "save_pretrained",
    "ssd300",
    "train",
    "train_or_resume",
    "write_report",
]


if not TYPE_CHECKING:  # a type checker would accept any name of a module that has this function

    def __getattr__(name: str) -> Any:
        """Import a public name on first access (PEP 562)."""
        if name not in _NAMES:
            raise AttributeError(f"module 'polyhead' has no attribute {name!r}")
        module, attribute = _NAMES[name]
        return getattr(import_module(module), attribute) if attribute else import_module(module)


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
