"""``polyhead predict`` draws, writes and prints what the library predicts, and writes nothing when it fails."""

import json
import os
import shlex
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.untrained_run import noisy_photos, two_detectors, write
from PIL import Image

import polyhead
from polyhead import cli
from polyhead.commands import predict
from polyhead.commands.compare import rows_of
from polyhead.commands.predict import Totals, main
from polyhead.errors import PolyheadError
from polyhead.modalities.image.sources import image_sources
from polyhead.models import unified
from polyhead.run import Run, split_runs
from polyhead.workflows.result import Result, plot


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_detectors(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize(
    ("words", "left", "right"),
    [
        ([], ["street", "food"], ["street", "food"]),
        (["--task", "food"], ["food"], ["food"]),
        (["--task", "food,street", "--across", "0.5"], ["food", "street"], ["food", "street"]),
    ],
)
def test_compared_runs_predict_the_same_tasks(
    run: Path,
    photos: Path,
    tmp_path: Path,
    words: list[str],
    left: list[str],
    right: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[list[Result]] = []

    def record(results: list[Result], like: Sequence[Result] = ()) -> Image.Image | None:
        shown.append(results)
        return plot(results, like)

    monkeypatch.setattr("polyhead.workflows.result.plot", record)
    files = ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "all.json"), "--conf", "0.01"]
    assert main([str(run), str(photos / "photo0.png"), "--compare", str(run), *words, *files]) == 0
    assert [[result.task for result in results] for results in shown] == [left, right]
    for one, other in zip(*shown, strict=True):
        assert one.to_json() == other.to_json()
    assert {each["task"] for each in json.loads((tmp_path / "all.json").read_text())} == set(left)


def test_draws_writes_and_prints_the_predictions(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--json", str(tmp_path / "all.json"), "--csv", str(tmp_path / "all.csv")]
    words = [str(run), str(photos / "*.png"), str(photos / "turned.jpg"), "--conf", "0.1", *files]
    assert main(words) == 0
    expected = polyhead.load(run).predict([photos / "*.png", photos / "turned.jpg"], conf=0.1)
    assert json.loads((tmp_path / "all.json").read_text()) == [result.to_json() for result in expected]
    assert len(pd.read_csv(tmp_path / "all.csv")) == sum(len(result) for result in expected)
    drawn = sorted(path.name for path in (run / "predict").iterdir())
    assert drawn == ["photo0.jpg", "photo1.jpg", "photo2.jpg", "photo3.jpg", "turned.jpg"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{photos / 'photo0.png'}: street: {expected[0]}; food: {expected[1]}"
    assert lines[-1].startswith(f"5 images, {sum(len(result) for result in expected)} boxes, ")
    written = f"{tmp_path / 'all.json'} and {tmp_path / 'all.csv'}"
    assert lines[-1].endswith(f"drawn images in {run / 'predict'}; predictions in {written}")
    assert main([str(run), str(photos / "photo0.png"), "--task", "food"]) == 0
    assert [path.name for path in (run / "predict2").iterdir()] == ["photo0.jpg"]


def test_results_are_written_as_they_come_and_then_freed(
    run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[Result]] = []
    most = 0

    def watch(self: Totals, results: Sequence[Result]) -> None:
        nonlocal most
        alive.extend(map(weakref.ref, results))
        most = max(most, sum(each() is not None for each in alive))
        add(self, results)

    add = Totals.add
    monkeypatch.setattr(Totals, "add", watch)
    words = [str(run), *[str(photos / "photo0.png")] * 6, "--batch", "1", "--out", str(tmp_path / "out")]
    assert main([*words, "--json", str(tmp_path / "a.json"), "--csv", str(tmp_path / "a.csv")]) == 0
    assert len(alive) == 12
    assert most <= 6
    assert len(json.loads((tmp_path / "a.json").read_text("utf-8"))) == 12


def test_a_file_that_fails_midway_leaves_no_results(run: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    words = [str(run), str(photos / "photo0.png"), str(tmp_path / "bad.png"), "--batch", "1"]
    with pytest.raises(PolyheadError, match="is empty"):
        main([*words, "--out", str(tmp_path / "out"), "--json", str(tmp_path / "a.json")])
    assert not list(tmp_path.glob("a.json*"))


def test_images_that_are_not_read_are_counted(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.open(photos / "photo0.png").save(folder / "a.png")
    (folder / "b.jxl").touch()
    assert main([str(run), str(folder), "--out", str(tmp_path / "out"), "--max-boxes", "7", "--conf", "0"]) == 0
    shown = capsys.readouterr().out
    assert "1 image not read, because of the format: 1 with .jxl (convert them to JPEG or PNG)" in shown
    assert ", 14 boxes, " in shown


def test_skips_images_that_cannot_be_read(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.open(photos / "photo3.png").save(tmp_path / folder / "same.png")
    (tmp_path / "a" / "bad.png").write_bytes(b"")
    words = [str(run), str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out"), "--on-bad", "skip"]
    assert main(words) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["same.jpg", "same_2.jpg"]
    shown = capsys.readouterr().out
    assert f"skipped {tmp_path / 'a' / 'bad.png'}: the image file is empty (0 bytes)" in shown
    assert "2 images, 1 skipped, " in shown


def test_writes_nothing_when_it_fails(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(PolyheadError, match="does not exist"):
        main([str(run), "no.jpg", "--out", str(out)])
    with pytest.raises(PolyheadError, match=r"folder of '.*deep/all\.json' does not exist"):
        main([str(run), str(photos), "--json", str(tmp_path / "deep" / "all.json"), "--out", str(out)])
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(PolyheadError, match="none of the 1 inputs could be read"):
        main([str(run), str(tmp_path / "bad.png"), "--on-bad", "skip", "--out", str(out)])
    assert not out.exists()
    out.write_text("a file")
    with pytest.raises(PolyheadError, match=r"is a file\. Give a folder"):
        main([str(run), str(photos), "--out", str(out)])


def test_inputs_that_cannot_be_drawn_are_written_as_json(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polyhead.modalities.image.modality.Image.draw", lambda *_: None)
    out, file = tmp_path / "out", tmp_path / "all.json"
    assert main([str(run), str(photos / "photo*.png"), "--out", str(out), "--json", str(file)]) == 0
    assert not out.exists()
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 2 * 4
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("4 inputs, ")
    assert last.endswith(f"; nothing to draw; predictions in {file}")
    assert main([str(run), str(photos / "photo0.png"), "--out", str(out)]) == 0
    assert capsys.readouterr().out.endswith("; nothing to draw; write the predictions with --json or --csv\n")


def test_writes_masks_next_to_the_drawn_images(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = {"road": "segment", "scene": "classify", "cars": "detect"}
    names = {"road": ["background", "lane", "kerb"], "scene": ["day", "night"], "cars": ["car"]}
    weights = write(
        tmp_path / "run" / "weights" / "best.pt", names, unified, heads=heads, backbone="test_efficientnet", size=96
    )
    sources = [str(photos / "photo1.png"), str(photos / "turned.jpg")]
    assert main([str(weights), *sources, "--json", str(tmp_path / "all.json"), "--out", str(tmp_path / "out")]) == 0
    drawn = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert drawn == ["photo1.jpg", "photo1.road.png", "turned.jpg", "turned.road.png"]
    entries = [entry for entry in json.loads((tmp_path / "all.json").read_text()) if entry["task"] == "road"]
    for entry, size in zip(entries, [(90, 200), (200, 90)], strict=True):
        with Image.open(entry["mask"]) as file:
            mask = np.array(file)
        assert mask.shape == size
        for label, fraction in zip(entry["labels"], entry["scores"], strict=True):
            assert fraction == pytest.approx((mask == names["road"].index(label)).mean())
    shown = capsys.readouterr().out
    assert "road: " in shown
    assert ", 2 masks, " in shown


def test_the_old_name_of_an_option_is_refused_with_the_new_one(run: Path, photos: Path) -> None:
    with pytest.raises(PolyheadError, match="unknown argument '--beside'; it has been renamed to '--compare'"):
        main([str(run), str(photos / "photo0.png"), "--beside", str(run)])


def test_the_summary_counts_only_what_the_heads_predict() -> None:
    """A classifier has no boxes, rather than 0 boxes."""
    box: Any
    label: Any
    box, label = (
        SimpleNamespace(kind=SimpleNamespace(counts_objects=counts), boxes=[0] * counts, mask=None) for counts in (1, 0)
    )
    for results, text in (([label, label], ""), ([box, label], ", 1 box"), ([box, box], ", 2 boxes")):
        totals = predict.Totals()
        totals.add(results)
        assert str(totals) == text


def test_odd_names_and_sizes_are_predicted_and_nothing_of_them_reaches_the_terminal(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names that are not UTF-8, that would be hidden, too long, or instructions to a terminal; the longest JPEG."""
    names = [os.fsdecode(b"caf\xe9.jpg"), "..jpg", "a\x1b[2J\rb.jpg", "c\nd.jpg", f"{'ü' * 125}.jpg"]
    for name in names:
        Image.new("RGB", (40, 30), "gray").save(tmp_path / name, format="JPEG")
    Image.new("RGB", (1, 65_500)).save(tmp_path / "tall.jpg")
    files = [str(tmp_path / name) for name in [*names, "tall.jpg"]]
    out = {key: tmp_path / "written" / key for key in ("json", "csv", "out")}
    (tmp_path / "written").mkdir()
    words = [word for key, path in out.items() for word in (f"--{key}", str(path))]
    assert cli.main(["predict", str(run), *files, *words, "--conf", "0.01"]) == 0
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()
    assert [line for line in shown.splitlines() if "café" in line or "caf\\xe9.jpg: " in line]
    assert len(shown.splitlines()) == 7
    results = json.loads(out["json"].read_text(encoding="utf-8"))
    assert list(dict.fromkeys(result["image"] for result in results)) == files, "bytes can be restored"
    assert "caf\\udce9.jpg" in out["csv"].read_text(encoding="utf-8")
    drawn = sorted(path.name for path in out["out"].iterdir())
    assert drawn == sorted([names[0], "image.jpg", *names[2:4], f"{'ü' * 90}.jpg", "tall.jpg"])
    with Image.open(out["out"] / "tall.jpg") as image:
        assert max(image.size) == 65_500


def test_brackets_and_backslashes_in_a_source_are_explained_or_taken_as_they_are(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set[1]"
    folder.mkdir()
    Image.new("RGB", (40, 30)).save(folder / "a.png")
    found = list(image_sources([str(folder), str(folder / "*.png"), str(tmp_path / "set[[]1]" / "a*")]))
    assert [source.name for source in found] == [str(folder / "a.png")] * 3
    with pytest.raises(PolyheadError, match=r"; in a pattern, \[12\] stands for 1 or 2: write \[\[\] for a bracket$"):
        main([str(run), str(tmp_path / "set[2]" / "*.png")])
    with pytest.raises(PolyheadError, match=r"png' \(folders are separated by / here, not by \\\) has no image"):
        main([str(run), str(tmp_path / "set[1]\\a.png")])


def test_runs_whose_names_have_separators_are_one_run(run: Path) -> None:
    assert split_runs(str(run), "+") == [str(run)]
    odd = run.rename(run.with_name("a,b+c"))
    try:
        assert split_runs(str(odd), "+") == [str(odd)]
        assert rows_of([str(odd), f"ours={odd}"]) == {"a,b+c": [[str(odd)]], "ours": [[str(odd)]]}
        assert split_runs("a+b", "+") == ["a", "b"]
        assert shlex.split(Run(f"{odd} c").quoted) == [f"{odd} c"]
    finally:
        odd.rename(run)
