"""Write the label errors that were found: a table, and drawings for a person to look at."""

from pathlib import Path
from typing import Any

from polyhead.contracts.label_errors import LabelError
from polyhead.plotting.draw import CONFIDENT, save_jpeg
from polyhead.plotting.panels import panel, side_by_side
from polyhead.run import read_rows, write_rows
from polyhead.workflows.label_errors import Findings
from polyhead.workflows.new_folder import replaced

TABLE = "label_errors.csv"
DRAWN = 100
"""Largest number of findings that are drawn."""
SIDES = ("x1", "y1", "x2", "y2")


def write(findings: Findings, folder: str | Path) -> Path:
    """Write all findings as a table (CSV), draw the first :data:`DRAWN` of them, and return the folder.

    Earlier findings in the folder are replaced at the end.

    Raises:
        PolyheadError: if the folder has other files.
    """
    folder = Path(folder)
    ours = [TABLE, *(row.get("drawn", "") for row in read_rows(folder / TABLE))]
    with replaced(folder, ours) as new:
        rows = []
        for rank, error in enumerate(findings.errors, 1):
            file = f"{rank:03}.{error.type.replace(' ', '_')}.jpg"
            drawn = rank <= DRAWN and _drawn(findings, error, new / file)
            rows.append({"rank": rank, **_row(findings, error), "drawn": file if drawn else ""})
        write_rows(new / TABLE, rows)
    return folder


def _row(findings: Findings, error: LabelError) -> dict[str, Any]:
    """Return the row of a finding; sides of boxes are in pixels of the original image."""
    place = findings.places[error.sample]
    row: dict[str, Any] = {
        "type": error.type,
        "score": f"{error.score:.4f}",
        "file": place.name,
        "split": place.split,
        "class": error.given,
        "model_class": error.suggested,
        "model_score": f"{error.confidence:.4f}",
    }
    for prefix, box in (("", error.box), ("model_", error.found)):
        sides = [""] * len(SIDES) if box is None else [f"{side:.1f}" for side in box.tolist()]
        row |= {f"{prefix}{name}": side for name, side in zip(SIDES, sides, strict=True)}
    return row


def _drawn(findings: Findings, error: LabelError, file: Path) -> bool:
    """Draw the labels of a sample beside the prediction; return False where the input cannot be drawn."""
    place, kind = findings.places[error.sample], findings.kind
    sample = place.data.sample("test", place.number)
    image = place.data.modality.draw(sample.input)
    if image is None:
        return False
    box = error.found if error.box is None else error.box
    shown = kind.confident(findings.predictions[error.sample], min(CONFIDENT, error.confidence))
    panels = [
        panel(image, kind.target_marks(sample.target, findings.names), box),
        panel(image, kind.marks(shown, findings.names), box),
    ]
    heading = f"{error.type}: {error.given or 'no label'}, the model says {error.suggested} {error.confidence:.2f}"
    save_jpeg(side_by_side(panels, ["labels", f"predictions of {findings.model}"], heading, [place.name]), file)
    return True
