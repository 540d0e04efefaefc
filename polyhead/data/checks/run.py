"""Run all checks of data sets, and say what they found in a few lines."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from polyhead.data.checks.classes import class_counts, no_objects
from polyhead.data.checks.copies import copies
from polyhead.data.checks.data_set import DataSet, places
from polyhead.data.checks.licenses import license_terms
from polyhead.errors import Finding


def findings(data_sets: Sequence[DataSet]) -> dict[str, list[Finding]]:
    """Return what all checks find in valid data, for each task, in the order of the checks."""
    found = {data.name: [finding for check in CHECKS for finding in check(data)] for data in data_sets}
    for name, more in copies(data_sets).items():
        found[name] += more
    return {name: list(dict.fromkeys(each)) for name, each in found.items()}


def shortened(found: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return each check that found something, and a line about it: its first finding and the number of others."""
    lines = []
    for check, group in groupby(sorted(found, key=attrgetter("check")), key=attrgetter("check")):
        first, *others = group
        more = f" (and {len(others)} more)" if others else ""
        lines.append((check, f"{first.problem}{more}"))
    return lines


def of_format(data: DataSet) -> list[Finding]:
    """Return what the readers noticed."""
    return [finding for reader in data.readers.values() for finding in reader.findings]


def of_inputs(data: DataSet) -> list[Finding]:
    """Return what the modality finds in the inputs."""
    return data.modality.check(data.facts)


def of_targets(data: DataSet) -> list[Finding]:
    """Return what the kind finds in the targets."""
    return [
        finding
        for split, reader in data.readers.items()
        for finding in data.kind.check(data.targets(split), places(reader))
    ]


CHECKS = (license_terms, of_format, no_objects, class_counts, of_inputs, of_targets)
"""The checks of a single data set."""
