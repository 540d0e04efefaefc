"""Check what the license of a data set allows."""

import re

from polyhead.data.checks.data_set import DataSet
from polyhead.errors import Finding, Problem

CLOSED = re.compile(
    r"non-?\s?commercial|not\s+commercial|\bnc\b|no\s+open\s+license|\b(for|only)\b.*\b(research|education|academic)"
    r"|\b(research|education|academic)\w*\s+(use\s+)?only|no\s+license|terms\s+of",
    re.IGNORECASE,
)
"""What reservations look like in the text of a license."""


def license_terms(data: DataSet) -> list[Finding]:
    """Warn of a license that is unknown, or has reservations such as no commercial use."""
    where = f"data.{data.name}"
    if not data.license:
        remedy = f"state it with {where}.license=NAME: weights and copies of the data are under its terms"
        return [Finding("license", Problem(where, "the data states no license", remedy))]
    closed = next((part.strip() for part in data.license.split(";") if CLOSED.search(part)), None)
    if closed is None:
        return []
    what = f"the license {closed!r:.100} does not allow every use"
    return [Finding("license", Problem(where, what, "check that it allows what you will do with data and weights"))]
