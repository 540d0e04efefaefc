"""``polyhead data check --labels``: print the labels that a model contradicts which has not trained on them."""

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from polyhead.cli import Parser
from polyhead.contracts.classes import allow
from polyhead.errors import counted, few, one_line

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts.label_errors import LabelError
    from polyhead.data.formats.recognize import DatasetLayout
    from polyhead.workflows.label_errors import Findings

OPTIONS = ("--labels", "--task", "--out", "--allow")
SHOWN = 20
"""Number of findings that are printed."""


def add_options(check: Parser) -> None:
    """Add the options of the search for label errors to the parser of ``polyhead data check``."""
    check.add_argument(
        "--labels",
        metavar="MODEL",
        help="find labels that a model contradicts: a run folder, best.pt, official weights such as yolox_nano, "
        "or a study with folds (docs/labels.md)",
    )
    check.add_argument("--task", metavar="HEAD", help="its head, if several fit the data")
    check.add_argument("--out", metavar="DIR", help="folder for the findings: a table (CSV) and drawn images")
    check.add_allow()


def show(given: argparse.Namespace, layout: "DatasetLayout") -> None:
    """Find the label errors of checked data, print the first ones, and write all with ``--out``."""
    allow(given.allow)
    from polyhead.workflows.label_error_files import write
    from polyhead.workflows.label_errors import find_label_errors

    findings = find_label_errors(layout.splits, given.labels, [given.task] if given.task else None)
    print("\n".join(map(one_line, _lines(findings))))
    if given.out is not None:
        print(f"{counted(len(findings.errors), 'finding')} written to {write(findings, given.out)}")


def _lines(findings: "Findings") -> list[str]:
    """Return what was judged, how many labels of each type are contradicted, and the first ones."""
    basis = "out of sample" if findings.out_of_sample else "whether it has trained on them is not known"
    lines = [f"labels of {counted(len(findings.places), 'image')} judged by {findings.model} ({basis})"]
    lines += [f"  {note}" for note in findings.notes]
    if findings.left_out:
        out = counted(len(findings.left_out), "image")
        lines.append(f"  {out} left out, as the model has trained on them or not tested them: {few(findings.left_out)}")
    if not findings.errors:
        return [*lines, "no label is contradicted"]
    counts = Counter(error.type for error in findings.errors).most_common()
    total = counted(len(findings.errors), "contradicted label")
    lines.append(f"{total}: {', '.join(f'{count} {kind}' for kind, count in counts)}")
    lines += [f"{rank:4}. {_line(error, findings)}" for rank, error in enumerate(findings.errors[:SHOWN], 1)]
    if len(findings.errors) > SHOWN:
        lines.append(f"      and {len(findings.errors) - SHOWN} more")
    return [*lines, "A finding is a place to look at, not a proven error. Nothing was changed."]


def _line(error: "LabelError", findings: "Findings") -> str:
    """Return a finding in one line: score, type, label and box, what the model says, and the file."""
    label = f"{error.given or 'no label'}{_sides(error.box)}"
    says = f"{error.suggested} {error.confidence:.2f}{_sides(error.found)}"
    return f"{error.score:.2f} {error.type}: {label}; the model says {says}: {findings.places[error.sample].name}"


def _sides(box: "Tensor | None") -> str:
    """Return the sides of a box, xyxy in whole pixels; nothing without a box."""
    return "" if box is None else f" [{' '.join(f'{side:.0f}' for side in box.tolist())}]"
