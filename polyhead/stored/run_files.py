"""Read the JSON and CSV files of a run folder, each with the shape that it must have and how it is written again."""

from pathlib import Path
from typing import Any

from polyhead.stored.text_files import damaged, number_of, read_json, read_rows

_OPTIONAL_TEXT = (str, None)
_SCORE = (float, None)
PRECISIONS = frozenset(["auto", "32-true", "bf16-mixed", "16-mixed"])
"""Names of numerical precisions: Lightning's, and ``auto``."""

MANIFEST = {
    "command?": [str],
    "started?": str,
    "finished?": str,
    "id?": str,
    "seed?": int,
    "precision?": (PRECISIONS, None),
    "versions?": {str: str},
    "hardware?": {"machine?": _OPTIONAL_TEXT, "cpu?": _OPTIONAL_TEXT, "threads?": int, "gpu?": _OPTIONAL_TEXT},
    "git?": ({"commit?": str, "changed?": bool}, None),
    "parameters?": {str: int},
    "kinds?": {str: str},
    "inputs?": {str: str},
    # an evaluation on other data has the folder of the data, and one split
    "data?": (
        {
            str: {
                "fingerprint?": {str: str},
                "names?": [str],
                "license?": str,
                "skipped?": [str],
                "warnings?": {str: str},
            }
        },
        str,
    ),
    "split?": str,
    "splits?": {str: {str: [str]}},
    "batch?": {str: int},
    "schedules?": [
        {
            "schedule": frozenset(["constant", "cosine", "onecycle", "step", "plateau"]),
            "lr": float,
            "warmup": int,
            "epochs": int,
            "steps": int,
            "accumulate": int,
            "batch": {str: int},
        }
    ],
    "replayed?": {str: {str: {"images": int, "bytes": int}}},
    "extends?": {"run": str, "task": str},
    "links?": {str: str},
}
_TASK = {
    "kind?": str,
    "metric": str,
    "score": _SCORE,
    "images": int,
    "interval?": [_SCORE],
    "dummy_baseline?": {"name?": str, "score": _SCORE},
    "zero_shot?": {"score": _SCORE, "interval": [_SCORE], "difference": [_SCORE]},
    "seconds_per_image?": float,
}
_SPLIT = {"tasks": {str: _TASK}}
RESULTS = {"train?": _SPLIT, "val?": _SPLIT, "test?": _SPLIT, "forgetting?": [dict]}
"""The numbers of a task have more keys, which only the kind of the task knows."""

MISTAKES = {
    "split": str,
    "tasks": {str: {"images": int, "types": {str: int}}},
    "mistakes": [{"file": _OPTIONAL_TEXT, "task": str, "type": str, "caption": str}],
}

_PART = [_SCORE]
ERRORS = {
    "split": str,
    "tasks": {
        str: {
            "images": int,
            "wrong": {str: {"cases": int, "fraction": _PART}},
            "slices": {
                "tried": [{"of": str, "slice": str, "cases": int, "images": int, "difference": _PART, "p": float}],
                "left_out": [str],
            },
            "robustness": [{"change": str, "score": _PART, "difference": _PART}],
        }
    },
}


def read_manifest(path: Path) -> dict[str, Any]:
    """Read ``manifest.json``; empty if the run has none.

    Raises:
        PolyheadError: if it is damaged.
    """
    again = f"'polyhead train --resume {path.parent}' then writes a new one."
    return read_json(path, MANIFEST, f"Restore or delete it; {again}")


def read_results(path: Path) -> dict[str, Any]:
    """Read ``results.json``; empty if the run was not evaluated.

    Raises:
        PolyheadError: if it is damaged.
    """
    run = path.parent
    again = f"'polyhead evaluate {run}' then writes it again (with --split val for the val split)."
    return read_json(path, RESULTS, f"Restore or delete it; {again}")


def read_mistakes(path: Path) -> dict[str, Any]:
    """Read ``mistakes.json``; empty if there is none.

    Raises:
        PolyheadError: if it is damaged.
    """
    return read_json(path, MISTAKES, f"'polyhead mistakes {path.parent.parent}' writes it again.")


def read_errors(path: Path) -> dict[str, Any]:
    """Read ``errors.json``; empty if there is none.

    Raises:
        PolyheadError: if it is damaged.
    """
    return read_json(path, ERRORS, f"'polyhead errors {path.parent.parent}' writes it again.")


def read_epochs(path: Path) -> list[dict[str, str]]:
    """Read ``results.csv``, which has a row for each epoch; empty if the file does not exist.

    All values are numbers, or empty where an epoch has none.

    Raises:
        PolyheadError: if it is damaged.
    """
    remedy = f"'polyhead train --resume {path.parent}' writes it again."
    rows = read_rows(path, remedy, ("stage",))
    if path.is_file() and not (rows and path.read_bytes().endswith(b"\n")):
        raise damaged(path, "it is truncated", remedy)
    for number, row in enumerate(rows, 2):
        for column, cell in row.items():
            if number_of(cell) is None and (cell or column == "stage"):
                raise damaged(path, f"line {number}, column {column!r}: expected a number, got {cell!r:.40}", remedy)
        if not (row["stage"].isdigit() and len(row["stage"]) < 5):
            what = f"line {number}, column 'stage': expected a whole number, got {row['stage']!r:.40}"
            raise damaged(path, what, remedy)
    return rows
