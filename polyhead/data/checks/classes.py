"""Check how samples and classes are annotated."""

from statistics import median

from polyhead.data.checks.data_set import DataSet, places
from polyhead.errors import Finding, Problem

RARE = 0.1
"""A class is rare with fewer objects than this fraction of the median over the classes."""


def no_objects(data: DataSet) -> list[Finding]:
    """Warn of samples without anything to predict."""
    remedy = "annotate what it shows, or leave it as an example of an image without objects"
    return [
        Finding("no-objects", Problem(place, "has no annotated objects", remedy))
        for split, reader in data.readers.items()
        for place, has in zip(places(reader), data.kind.has_content(data.targets(split)), strict=True)
        if not has
    ]


def class_counts(data: DataSet) -> list[Finding]:
    """Warn of classes that no training sample shows, and of classes that are much rarer than the others."""
    found = data.kind.info(data.targets("train"), []).counts
    counts = dict(list(found.items())[data.kind.background :])  # without the background
    shown = sorted(count for count in counts.values() if count)
    if not shown:
        return []
    usual, where, findings = median(shown), f"data.{data.name}", []
    for name, count in counts.items():
        if not count:
            remedy = "add images of it to train, or remove its name"
            findings.append(Finding("absent-classes", Problem(where, f"no training image shows {name!r}", remedy)))
        elif count < RARE * usual:
            what = f"the class {name!r} has {count:g} {data.kind.counted} in train, the median class has {usual:g}"
            remedy = f"add images of it, or set {where}.repeat_factor=auto and {where}.class_weights=balanced"
            findings.append(Finding("imbalance", Problem(where, what, remedy)))
    return findings
