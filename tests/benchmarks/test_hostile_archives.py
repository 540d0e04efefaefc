"""A share of the campaign against ``polyhead data get`` (benchmarks/hostile_archives.py)."""

import pytest

from benchmarks.hostile_archives import campaign


@pytest.mark.slow
def test_hostile_and_damaged_archives_end_clean_or_sound() -> None:
    totals = campaign(tries=60, seed=25, size=110 << 20)
    assert totals.total() == 60
    assert totals.keys() <= {"clean", "sound"}, totals
    assert totals["clean"] > 40
