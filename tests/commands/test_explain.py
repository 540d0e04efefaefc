"""``polyhead explain`` draws maps with their verdicts, and writes the figures."""

import json
from pathlib import Path

import pytest
from builders.three_heads import three_heads
from builders.untrained_run import noisy_photos, two_detectors
from PIL import Image

from polyhead import cli


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_detectors(tmp_path_factory.mktemp("run"))


@pytest.mark.slow
def test_boxes_are_drawn_with_their_maps_and_verdicts(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, out, file = photos / "photo1.png", tmp_path / "out", tmp_path / "why.json"
    words = [str(run), str(photo), "--task", "street", "--conf", "0.3", "--out", str(out), "--json", str(file)]
    assert cli.main(["explain", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(file.read_text())
    assert 1 < len(found) <= 10
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["photo1.jpg", *(f"photo1.{number}.jpg" for number in range(1, len(found) + 1))]
    )
    with Image.open(out / "photo1.1.jpg") as drawn:
        assert drawn.width == 480  # enlarged from 200 pixels, with the verdict below
        assert drawn.height > 480 * 90 / 200 + 20
    for number, (line, entry) in enumerate(zip(lines, found, strict=False), 1):
        assert line == f"{photo}: {number}. {entry['item']}: {entry['verdict']}"
        assert entry["trust"]["trustworthy"] == (entry["verdict"] == "trustworthy")
        assert set(entry["trust"]["references"]) == {"random", "noise", "center", "box"}
        assert len(entry["box"]) == 4
    mean = sum(entry["trust"]["deletion"] for entry in found) / len(found)
    assert lines[-2].startswith(f"on average: deletion {mean:.3f} (Gaussian of the box's shape ")
    assert lines[-1].startswith(f"{len(found)} predictions explained, ")
    assert cli.main(["explain", *words[:-2], "--box", "2", "--no-trust", "--method", "gradcam"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{photo}: 2. {found[1]['item']}: trust not measured"
    assert (tmp_path / "out2" / "photo1.2.jpg").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the model has several heads. Choose one with task: street, food."),
        (["--task", "strete"], "the model has no head 'strete'; did you mean 'street'?"),
        (["--task", "food", "--method", "cam"], "method: there is no method 'cam'"),
        (["--task", "food", "--levels", "top"], "levels: expected backbone or neck, and a stride or 'sum'"),
        (["--task", "food", "--class", "cat"], "task 'food' has no class 'cat'"),
        (["--task", "food", "--no-trust", "--box", "900"], "there is no prediction 900, only "),
        (["--task", "food", "--no-trust", "--conf", "1"], "there is nothing to explain. Give other images, or a lower"),
    ],
)
def test_what_cannot_be_explained(
    run: Path, photos: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", str(run), str(photos / "photo0.png"), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def with_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return three_heads(tmp_path_factory.mktemp("data")).folder


def test_without_a_source_images_of_the_test_split_are_explained(
    with_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "why.json"
    words = ["--task", "cls", "--json", str(file), "--method", "gradcam"]
    assert cli.main(["explain", str(with_data), *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(file.read_text())
    trusted = sum(each["trust"]["trustworthy"] for each in found)
    assert lines[-1] == (
        f"8 predictions of 8 images of the test split explained, {trusted} of 8 trustworthy; drawn images in "
        f"{with_data / 'explain'}"
    )
    mean = sum(each["trust"]["deletion"] for each in found) / 8
    assert lines[-2].startswith(f"on average: deletion {mean:.3f} (Gaussian in the middle ")
    assert len({each["image"] for each in found}) == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["yolox_nano"], "yolox_nano has no images of its own. Give some as SOURCE."),
        (["RUN", "--task", "cls", "--box", "2"], "--box chooses a prediction of one image. Give the image as SOURCE."),
        (["RUN", "a.jpg", "--task", "cls", "--split", "val"], "--split is for the run's own images. Remove it, or"),
        (["RUN"], "the model has several heads. Choose one with task: "),
        (["RUN", "--task", "cls", "--class", "noon"], "task 'cls' has no class 'noon'"),
        (["RUN", "--task", "det", "--conf", "1"], "there is nothing to explain. Give other images, or a lower"),
    ],
)
def test_what_cannot_be_explained_without_a_source(
    with_data: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", *(str(with_data) if word == "RUN" else word for word in words)]) == 2
    assert message in capsys.readouterr().err
