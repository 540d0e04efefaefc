"""The demo does the whole job, and fails when the detector has not learnt."""

from pathlib import Path

import pytest

from polyhead.demo import demo
from polyhead.errors import PolyheadError

TINY = ("data.signs.count=16", "data.signs.val.count=8", "data.signs.test.count=8", "epochs=1", "workers=0")


def test_a_demo_that_has_not_learnt_fails(tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(PolyheadError, match=r"the demo reached AP50 0\.\d+ and should reach 0\.6"):
        demo(tmp_path, TINY, lines.append)
    (folder,) = tmp_path.iterdir()
    assert (folder / "demo.png").stat().st_size > 10_000
    assert any("unseen scenes" in line for line in lines)
