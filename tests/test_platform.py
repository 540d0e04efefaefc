"""Unusual systems and names: without the modules that only Unix has, and with names that are not UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from polyhead import cli

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


@pytest.mark.slow
def test_everything_works_without_the_modules_of_unix(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "this system has no file locks: make sure that no other process trains in this run folder" in done.stdout
    assert "peak memory is not available on this system" in done.stdout
    assert [*(tmp_path / "runs" / "tiny" / "predict").glob("*.jpg")], done.stdout


LATIN = """
model: {class_path: classifier, init_args: {backbone: test_resnet, size: 32}}
data: {marks: {reader: folder, root: set, batch: 4, workers: 0, split: {val: 0.25, test: 0.25}}}
stages: [{epochs: 1}]
name: latin
"""


@pytest.mark.slow
def test_names_of_files_and_classes_that_are_not_utf8_go_through_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As archives of old systems unpack them."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("cat", os.fsdecode(b"caf\xe9"))):
        folder = Path("set") / name
        folder.mkdir(parents=True)
        for index in range(8):
            Image.new("RGB", (40, 30), (25 * index, 99 * number, 0)).save(
                folder / os.fsdecode(b"\xe9\x1b[2J%d.png" % index)
            )
    Path("latin.yaml").write_text(LATIN, encoding="utf-8")
    for words in (
        "data check set",
        "train latin.yaml",
        "train --resume runs/latin",
        "evaluate runs/latin --json numbers.json",
        "compare runs/latin again=runs/latin --json table.json",
        "predict runs/latin set/cat --json found.json --csv found.csv",
        "extend runs/latin --task more --data reader=folder root=set batch=4 workers=0 -- stages.0.epochs=1",
    ):
        assert cli.main(words.split()) == 0, words
    shown = "".join(capfd.readouterr())
    assert "caf\\xe9" in shown
    assert shown.replace("\n", "").isprintable()
    assert (Path("runs/latin/log.txt")).read_text(encoding="utf-8").replace("\n", "").isprintable()
