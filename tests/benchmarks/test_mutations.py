"""Damaged files of a run, in every command that reads them; ``python benchmarks/mutations.py`` tries many more."""

from pathlib import Path

import pytest

from benchmarks.mutations import Campaign


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # as on the command line
def test_no_damaged_file_ends_in_a_traceback_or_gives_other_numbers(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.mutations(1)
    campaign.flips(4)
    assert not campaign.faults, "\n".join(campaign.faults)
    total = sum(sum(counts.values()) for counts in campaign.counts.values())
    assert sum(counts["clean"] for counts in campaign.counts.values()) > total / 2, campaign.table()
