"""Without the modules that only Unix has, the package imports, trains, evaluates and predicts."""

import subprocess
import sys
from pathlib import Path

RECIPE = """
model: {class_path: ssd300, init_args: {backbone: test_resnet, size: 64, width: 16}}
data:
  signs:
    {reader: scenes, domain: signs, count: 8, size: 64, workers: 0, val: {count: 4, seed: 1}, test: {count: 4, seed: 2}}
stages: [{epochs: 1}]
name: tiny
"""
CODE = """
import sys

sys.modules.update(fcntl=None, resource=None)  # as on Windows: an import of either fails
from polyhead.cli import main

codes = [main(words.split()) for words in (
    "train tiny.yaml", "train --resume runs/tiny", "evaluate runs/tiny", "predict runs/tiny runs/tiny/samples"
)]
sys.exit(max(codes))
"""


def test_everything_works_without_the_modules_of_unix(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "this system has no file locks: make sure that no other process trains in this run folder" in done.stdout
    assert "peak memory is not available on this system" in done.stdout
    assert [*(tmp_path / "runs" / "tiny" / "predict").glob("*.jpg")], done.stdout
