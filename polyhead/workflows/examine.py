"""Examine a data folder: recognize its format, find its problems, and describe what it holds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.boxes.nms import MAX_DETECTIONS
from polyhead.contracts.kind import Kind, Targets
from polyhead.contracts.modality import Facts, Modality
from polyhead.contracts.reader import Reader
from polyhead.data import doctor
from polyhead.data.checks.run import findings
from polyhead.data.formats.left_out import left_out
from polyhead.data.formats.recognize import FORMATS, DatasetLayout, recognize
from polyhead.data.formats.settings import settings_of
from polyhead.errors import DataError, Finding, Problem, counted, few, summarize
from polyhead.kinds import kind_of
from polyhead.modalities import modality_of
from polyhead.paths import find

FAULTY = 0.05
"""Up to this fraction of invalid images is left out without being asked."""
SAMPLED = 50
"""Images that are opened to look at their values."""
CAP = 0.1
"""The smallest ``cap`` that is written into a recipe, the default of the readers."""


class Examined(NamedTuple):
    """What was found in a folder.

    Attributes:
        layout: its format; if invalid images are left out, without them.
        problems: the problems of a folder that cannot be used as it is; empty if it can be used.
        skipped: the problems of the images that are left out.
        hint: how to go on in spite of ``problems``, if that is possible.
    """

    layout: DatasetLayout
    problems: list[Problem]
    skipped: list[Problem]
    hint: str = ""


def examine(folder: str | Path, reader: str | None = None, settings: Mapping[str, Any] | None = None) -> Examined:
    """Recognize the data in a folder and find its problems; a few invalid images are left out.

    Args:
        folder: the folder.
        reader: the format, for a folder with several.
        settings: settings of the reader.

    Raises:
        PolyheadError: if the format is not recognized.
    """
    given = dict(settings or {})
    layout = recognize(folder, reader, given)
    if given.get("on_bad") == "skip":
        return _without_invalid(layout)
    problems = doctor.check_layout(layout, _modality(layout))
    if not problems or "on_bad" not in settings_of(FORMATS[layout.reader].reader):
        return Examined(layout, problems, [])
    lenient = _without_invalid(recognize(folder, layout.reader, {**given, "on_bad": "skip", "cap": 1.0}))
    if lenient.problems:
        return Examined(layout, problems, [])
    init_args = {
        split: _with_cap(arguments, lenient.layout.splits[split])
        for split, arguments in lenient.layout.init_args.items()
    }
    out, total = _left_out(lenient.layout), sum(lenient.layout.counts.values())
    if "on_bad" not in given and out <= FAULTY * (out + total):
        return lenient._replace(layout=lenient.layout._replace(init_args=init_args))
    cap = max(arguments["cap"] for arguments in init_args.values())
    hint = f"{out} of {out + total} images are invalid. To leave them out, add on_bad=skip cap={cap:g} to the command."
    return Examined(layout, problems, [], hint)


def _without_invalid(layout: DatasetLayout) -> Examined:
    """Return a layout whose readers skip problems, without the images that cannot be decoded, or its problems."""
    modality = _modality(layout)
    try:
        splits = {
            split: doctor.require_valid(reader, split, doctor.inspect(reader, modality))
            for split, reader in layout.splits.items()
        }
    except DataError as error:
        return Examined(layout, error.problems, [])
    valid = layout._replace(splits=splits)
    skipped = [problem for reader in splits.values() for problem in reader.skipped]
    return Examined(valid, doctor.check_layout(valid, modality), list(dict.fromkeys(skipped)))


class FolderData(NamedTuple):
    """The data of a folder, for the checks (:class:`polyhead.data.checks.data_set.DataSet`)."""

    name: str
    kind: Kind
    modality: Modality
    license: str
    readers: Mapping[str, Reader]
    facts: Mapping[str, Facts]
    every: Mapping[str, Targets]

    def targets(self, split: str) -> Targets:
        """Return the targets of a split."""
        return self.every[split]


def warnings(layout: DatasetLayout) -> list[Finding]:
    """Return what the checks find in the valid data of a folder; its images were read before."""
    modality, kind = _modality(layout), kind_of(layout.splits["train"].kind)
    facts = {
        path: found
        for reader in layout.splits.values()
        for path, found in doctor.inspect(reader, modality).facts.items()
    }
    targets = {split: Targets.of(kind, reader) for split, reader in layout.splits.items()}
    data = FolderData("TASK", kind, modality, layout.splits["train"].license, layout.splits, facts, targets)
    return findings([data])["TASK"]


def _modality(layout: DatasetLayout) -> Modality:
    return modality_of(layout.splits["train"].modality)


def _with_cap(arguments: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """Return a reader's arguments with the smallest ``cap``, in percent, that leaves out its invalid images."""
    fraction = reader.left_out / (len(reader) + reader.left_out)
    return {**arguments, "cap": max(CAP, ceil(100 * fraction) / 100)}


def _left_out(layout: DatasetLayout) -> int:
    """Return the number of images that are left out."""
    return sum(reader.left_out for reader in layout.splits.values())


def describe(folder: str | Path, layout: DatasetLayout) -> list[str]:
    """Return lines about the images and classes of each split, about what was assumed, and about what is not used."""
    kind = kind_of(layout.splits["train"].kind)
    classes = counted(len(layout.classes), "class", "classes")
    lines = [f"{folder}: {layout.reader} format, {classes} ({few(layout.classes)})"]
    targets = {split: Targets.of(kind, reader) for split, reader in layout.splits.items()}
    for split, each in targets.items():
        empty = len(each) - sum(kind.has_content(each))
        without = f", {empty} of them without annotated objects" if empty else ""
        lines.append(f"{split}: {counted(len(each), 'image')}{without}")
    lines += _table(kind, targets)
    return [*lines, *layout.notes, *_remarks(layout), *many_objects(kind, targets), *left_out(find(folder), layout)]


def _remarks(layout: DatasetLayout) -> Sequence[str]:
    """Return what the modality says of some of the raw training inputs."""
    reader = layout.splits["train"]
    step = max(1, len(reader) // SAMPLED)
    return _modality(layout).remarks(reader.raw(index) for index in range(0, len(reader), step))


def many_objects(kind: Kind, targets: Mapping[str, Targets]) -> list[str]:
    """Return a sentence if images have more objects than models predict boxes by default."""
    if not kind.counts_objects:
        return []
    counts = [len(each.read(index).labels) for each in targets.values() for index in range(len(each))]
    many = sum(count > MAX_DETECTIONS for count in counts)
    if not many:
        return []
    note = (
        f"{counted(many, 'image')} with more than {MAX_DETECTIONS} objects (at most {max(counts)}), but models predict "
        f"at most {MAX_DETECTIONS} boxes: set model.max_detections={2 * max(counts)}, and predict with --max-boxes"
    )
    return [note]


def left_out_lines(examined: Examined) -> list[str]:
    """Return lines about the invalid images that are left out; none if there are none."""
    if not examined.skipped:
        return []
    out = _left_out(examined.layout)
    total = out + sum(examined.layout.counts.values())
    return [f"{out} of {total} images have problems and are left out (on_bad: skip)", *summarize(examined.skipped)]


def _table(kind: Kind, targets: Mapping[str, Targets]) -> list[str]:
    """Return how many images show each class, and how many objects or pixels it has, for each split."""
    names = next(iter(targets.values())).names
    columns: list[list[str]] = [["class", *names]]
    for split, each in targets.items():
        images = Counter(label for classes in kind.shown(each) for label in {label for _, label in classes})
        columns.append([f"{split} images", *(str(images[label]) for label in range(len(names)))])
        if kind.counted != "images":
            counts = kind.info(each, []).counts
            total = max(1, sum(counts.values()))
            cells = [f"{counts[name]:,} ({100 * counts[name] / total:.0f} %)" for name in names]
            columns.append([f"{split} {kind.counted}", *cells])
    widths = [max(map(len, column)) for column in columns]
    rows = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in zip(*columns, strict=True)]
    return ["  " + "  ".join([row[0].strip().ljust(widths[0]), *row[1:]]) for row in rows]
