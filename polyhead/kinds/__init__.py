"""The kinds of tasks, one file each; a run stores the name of each task's kind."""

from pathlib import Path

from polyhead.contracts import classes
from polyhead.contracts.kind import Kind
from polyhead.metrics import columns, store
from polyhead.run import Run

KINDS = {
    "detection": "polyhead.kinds.detection.Detection",
    "segmentation": "polyhead.kinds.segmentation.Segmentation",
    "classification": "polyhead.kinds.classification.Classification",
}
"""Short names of our kinds; others are named by their class path."""
_OLD_COLUMNS = {"pixels": "segmentation", "probabilities": "classification", "boxes": "detection"}
"""The columns by which files without the name of their kind are recognized."""


def kind_of(name: str) -> Kind:
    """Return a kind by its short name or class path.

    Raises:
        PolyheadError: when there is no such kind, or its package is not allowed.
    """
    kind: Kind = classes.load(name, Kind, KINDS)()
    return kind


def kinds_of_run(run: Run) -> dict[str, Kind]:
    """Return the kind of each task of a run.

    Older runs do not store them: the kind of a task is then the one whose main score is a column of ``results.csv``.
    """
    names = run.read_manifest().get("kinds")
    if names is not None:
        return {task: kind_of(name) for task, name in names.items()}
    known = {str(columns.Column("val", "", kind.main.name)): kind for kind in map(kind_of, KINDS)}
    found: dict[str, Kind] = {}
    for column in dict.fromkeys(column for row in run.epochs for column in row):
        parts = columns.parse(column)
        kind = known.get(str(parts._replace(task=""))) if parts else None
        if parts and kind:
            found[parts.task] = kind
    return found


def stored_kind(path: Path) -> Kind:
    """Return the kind of a file of stored predictions.

    Raises:
        PolyheadError: when the file does not exist or is damaged.
    """
    name = store.kind_name(path)
    if name is None:
        found = store.columns(path)
        name = next((kind for column, kind in _OLD_COLUMNS.items() if column in found), None)
    if name is None:
        raise store.broken(path, "it has no predictions of a known kind")
    return kind_of(name)
