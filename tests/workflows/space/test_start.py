"""A Space starts from its own files alone, in an environment with nothing but its requirements."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.app_server import browsing, serving, upload
from builders.shown_run import shown_run
from gradio_client import Client, handle_file
from playwright.sync_api import expect

import polyhead
from polyhead.workflows.space.card import requirements
from polyhead.workflows.space.folder import write
from polyhead.workflows.space.plan import plan

pytestmark = pytest.mark.slow
FOREIGN = ("PYTHONPATH", "POLYHEAD_DATA", "POLYHEAD_WEIGHTS", "VIRTUAL_ENV")
"""Variables that lead to other files than those of the Space."""
SECONDS = 120_000
"""Milliseconds to wait for an answer on a busy machine."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python in a new environment that has the requirements of a Space."""
    root = tmp_path_factory.mktemp("fresh")
    (root / "requirements.txt").write_text(requirements())
    uv, python = str(Path(sys.executable).parent / "uv"), root / "env" / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(root / "env")], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(root / "requirements.txt")]
    usual = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}  # uv's own cache, not ours
    subprocess.run(install, check=True, env=usual)
    return python


@pytest.mark.parametrize("official", [False, True], ids=["a run", "official weights"])
def test_a_space_starts_alone_and_predicts(
    official: bool, python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_root: Path, weights_root: Path
) -> None:
    del weights_root
    run = "yolox_nano" if official else str(shown_run(tmp_path / "two"))
    image = data_root / "penn_fudan/PennFudanPed/PNGImages/FudanPed00001.png"
    expected = [result.to_json() for result in polyhead.predict(run, str(image), conf=0.1)]
    folder = write(plan(run, samples=True), tmp_path / "space")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    heads = [each["task"] for each in expected]
    with serving([python, "app.py"], tmp_path / "log.txt", folder, without=FOREIGN) as server:
        found = Client(server.url, verbose=False).predict(handle_file(image), 0.1, heads, api_name="/predict")
        with browsing() as browser:
            page = browser.new_page()
            page.goto(server.url)
            page.wait_for_selector("#given input[type=file]", state="attached", timeout=SECONDS)
            upload(page, image)
            page.locator("#which input").click(timeout=SECONDS)
            page.locator("[role=option]").first.click(timeout=SECONDS)
            expect(page.locator("#heat img")).to_be_visible(timeout=SECONDS)
            expect(page.locator("#verdict")).to_contain_text("trustworthy", timeout=SECONDS)
    assert [(each["task"], each["labels"]) for each in found] == [(each["task"], each["labels"]) for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-3)


def test_a_space_does_not_need_what_only_training_needs(python: Path) -> None:
    for name in ("lightning", "torchmetrics", "faster_coco_eval"):
        assert subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False).returncode == 1
