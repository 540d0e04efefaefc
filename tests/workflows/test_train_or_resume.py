"""A training that is called again: it resumes, is left alone when it is finished, and is not mixed up with another."""

from pathlib import Path

import pytest
from builders.three_heads import RECIPE

import polyhead
from polyhead.errors import PolyheadError


def test_a_finished_run_stays_and_other_settings_are_refused(tmp_path: Path) -> None:
    recipe = {**RECIPE, "data": {"cls": RECIPE["data"]["cls"]}, "name": "a", "runs": str(tmp_path)}
    lines: list[str] = []
    run = polyhead.train_or_resume(recipe, show=lines.append)
    assert run.folder == tmp_path / "a"
    written = run.best.stat().st_mtime_ns
    assert polyhead.train_or_resume(recipe, show=lines.append).folder == run.folder
    assert lines[-1] == f"{run.folder} is finished already"
    assert run.best.stat().st_mtime_ns == written
    with pytest.raises(PolyheadError, match=r"was started with other settings \(stages\)\. Give the run another name"):
        polyhead.train_or_resume(recipe, epochs=2)
    manifest = run.read_manifest()
    run.manifest.write_text("{}", encoding="utf-8")
    del manifest["finished"]
    run.update_manifest(**manifest)
    polyhead.train_or_resume(recipe, show=lines.append)
    assert any(line.startswith((f"resuming {run.folder}", f"starting {run.folder}")) for line in lines)
    assert "finished" in run.read_manifest()
