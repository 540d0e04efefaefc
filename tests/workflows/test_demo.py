"""The demo trains, tests and draws, and fails when a head does not reach the expected score."""

from pathlib import Path

import pytest

from polyhead.errors import PolyheadError
from polyhead.workflows.demo import demo

TINY = ("data.*.count=8", "data.*.val.count=4", "data.*.test.count=4", "imgsz=64", "epochs=1", "workers=0")


@pytest.mark.slow
def test_a_demo_with_a_low_score_fails(tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(
        PolyheadError,
        match=r"demo: each head should reach an AP50 of 0\.6, got fruit 0\.\d+, signs 0\.\d+\. Please report",
    ):
        demo(tmp_path, TINY, lines.append)
    (folder,) = tmp_path.iterdir()
    assert (folder / "demo.png").stat().st_size > 10_000
    assert any("both heads on 8 unseen scenes" in line for line in lines)
    assert any("test AP50: fruit 0." in line and ", signs 0." in line for line in lines)
