"""A folder is examined: what it holds is counted, a few invalid images are left out, and a next step is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders.cifar10_files import write_cifar10
from PIL import Image

from polyhead import cli
from polyhead.config import recipe
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_yolo
from polyhead.errors import DataError, PolyheadError
from polyhead.workflows.examine import describe, examine
from polyhead.workflows.init import init


@pytest.fixture
def yolo(tmp_path: Path) -> Callable[[int, int], Path]:
    """Write a set of scenes of which some have a box without area."""

    def write(images: int, invalid: int) -> Path:
        root = tmp_path / "signs"
        write_yolo(Scenes(images, size=32), root)
        for path in sorted(root.rglob("labels/**/*.txt"))[:invalid]:
            path.write_text("0 0.5 0.5 0 0\n", encoding="utf-8")
        return root

    return write


def test_images_and_objects_are_counted(yolo: Callable[[int, int], Path]) -> None:
    root = yolo(6, 0)
    labels = sorted(root.rglob("labels/**/*.txt"))
    for path in labels:
        path.write_text("0 0.5 0.5 0.5 0.5\n3 0.5 0.5 0.2 0.2\n3 0.2 0.2 0.1 0.1\n", encoding="utf-8")
    labels[0].write_text("", encoding="utf-8")
    (root / "clip.mp4").touch()
    Image.new("RGB", (8, 8)).save(root / "cover.png")
    layout = examine(root).layout
    names = layout.classes
    lines = describe(root, layout)
    assert lines[1] == "train: 6 images, 1 of them without annotated objects"
    rows = [" ".join(line.split()) for line in lines]
    assert "class train images train objects" in rows
    assert f"{names[0]} 5 5 (33 %)" in rows
    assert f"{names[3]} 5 10 (67 %)" in rows
    assert f"{names[1]} 0 0 (0 %)" in rows
    assert lines[-2:] == [
        "1 image in the folder not used: 1 in the folder itself",
        "1 other file in the folder not used: 1 with .mp4",
    ]


def test_a_damaged_file_of_a_reader_that_skips_nothing_is_named(tmp_path: Path) -> None:
    folder = write_cifar10(tmp_path)
    path = folder / "data_batch_1"
    path.write_bytes(path.read_bytes()[:-100])
    (problem,) = examine(tmp_path).problems
    assert problem.where == str(path)


def test_images_of_fewer_bits_and_many_objects_are_named(yolo: Callable[[int, int], Path]) -> None:
    root = yolo(4, 0)
    for path in root.rglob("labels/**/*.txt"):
        path.write_text("".join(f"0 0.5 0.5 0.5 {number / 999}\n" for number in range(400, 650)), encoding="utf-8")
    for path in [each for each in root.rglob("images/**/*") if each.is_file()]:
        path.unlink()
        Image.fromarray((np.arange(32 * 32).reshape(32, 32) % 4096).astype(np.uint16)).save(path.with_suffix(".png"))
    lines = describe(root, examine(root).layout)
    assert any("16 bits but no value above 1023" in line and "init_args: {bits: 10}" in line for line in lines)
    assert any(
        "with more than 200 objects (at most 250), but models predict at most 200 boxes" in line for line in lines
    )
    assert any("set model.max_detections=500, and predict with --max-boxes" in line for line in lines)


def test_links_and_formats_that_are_not_read_are_named(yolo: Callable[[int, int], Path], tmp_path: Path) -> None:
    root = yolo(4, 0)
    (root / "images").rename(tmp_path / "store")
    (root / "images").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "train" / "x.jxl").touch()
    (root / "gone").symlink_to(tmp_path / "nothing")
    lines = describe(root, examine(root).layout)
    assert lines[1] == "train: 4 images"
    assert f"1 symbolic link out of {root} followed: images -> {tmp_path / 'store'}" in lines
    assert "1 symbolic link to nothing or to a folder above: gone" in lines
    assert "1 image not read, because of the format: 1 with .jxl (convert them to JPEG or PNG)" in lines


def test_pixels_of_masks_are_counted(tmp_path: Path) -> None:
    for number in range(2):
        mask = np.zeros((10, 10), np.uint8)
        mask[: 5 * number] = 1
        for folder, pixels in (("images", np.zeros((10, 10, 3), np.uint8)), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "classes.txt").write_text("road\n", encoding="utf-8")
    rows = [" ".join(line.split()) for line in describe(tmp_path, examine(tmp_path).layout)]
    assert "background 2 150 (75 %)" in rows
    assert "road 1 50 (25 %)" in rows


def test_a_few_invalid_images_are_left_out_of_the_recipe(
    yolo: Callable[[int, int], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    root = yolo(40, 2)
    shown: list[str] = []
    source = recipe.instantiate(recipe.load(init(root, "x.yaml", show=shown.append))).sources["signs"]
    assert (len(source.reader), source.reader.left_out, source.reader.on_bad) == (38, 2, "skip")
    assert "2 of 40 images have problems and are left out (on_bad: skip)" in shown
    assert sum("has no width or height" in line for line in shown) == 2
    assert cli.main(["data", "check", str(root)]) == 2
    out, error = capsys.readouterr()
    assert "2 problems found" in error
    assert error.endswith("'polyhead init' writes a recipe that leaves these images out.\n")
    assert "train: 38 images" in out
    assert cli.main(["data", "check", str(root), "on_bad=skip"]) == 0
    assert capsys.readouterr().out.endswith("all other images can be read, all annotations are valid\n")


def test_many_invalid_images_stop_and_the_message_names_the_settings(
    yolo: Callable[[int, int], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    root = yolo(40, 9)
    with pytest.raises(DataError) as caught:
        init(root, "x.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{root}: 9 problems found, nothing was trained or changed"
    assert sum("has no width or height" in line for line in lines) == 3
    assert lines[3].endswith("(and 6 more of this kind)")
    hint = "9 of 40 images are invalid. To leave them out, add on_bad=skip cap=0.23 to the command."
    assert lines[-1] == hint
    assert (
        cli.main(["init", str(root), "--out", "x.yaml", *hint.split("add ")[1].split(" to ", maxsplit=1)[0].split()])
        == 0
    )
    assert "31 images" in capsys.readouterr().out
    source = recipe.instantiate(recipe.load("x.yaml")).sources["signs"]
    assert (len(source.reader), source.reader.cap) == (31, 0.23)


def test_the_recipe_says_what_was_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "signs"
    write_yolo(Scenes(6, size=32), root)
    first = min(root.rglob("labels/**/*.txt"))
    first.write_text("0 0.1 0.1 0.9 0.1 0.5 0.9\n", encoding="utf-8")
    text = init("signs", "x.yaml", show=lambda _: None).read_text(encoding="utf-8")
    assert "    # train: 1 of " in text
    assert "objects are outlines: their bounding boxes are read" in " ".join(text.replace("#", "").split())
    assert max(map(len, text.splitlines())) <= 120


def test_a_file_that_cannot_be_decoded_is_left_out_too(yolo: Callable[[int, int], Path]) -> None:
    root = yolo(40, 1)
    max(root.rglob("*.png")).write_bytes(b"")
    examined = examine(root)
    assert len(examined.layout.splits["train"]) == 38
    assert len(examined.skipped) == 2


def test_problems_of_the_whole_folder_cannot_be_left_out(yolo: Callable[[int, int], Path]) -> None:
    root = yolo(4, 0)
    for path in root.rglob("labels/**/*.txt"):
        path.unlink()
    examined = examine(root)
    assert examined.hint == ""
    assert "has a label file" in examined.problems[0].what


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cap": "much"}, r"^cap: expected a number, got 'much'$"),
        ({"imges": "x"}, r"^no reader has all of the settings imges\. Name a reader with --reader"),
        ({"on_bad": ["skip"]}, r"^on_bad: expected a text, got \['skip'\]$"),
    ],
)
def test_wrong_settings(settings: dict[str, object], message: str, yolo: Callable[[int, int], Path]) -> None:
    with pytest.raises(PolyheadError, match=message):
        examine(yolo(2, 0), settings=settings)


def test_an_unknown_setting_of_a_reader_names_its_settings(yolo: Callable[[int, int], Path]) -> None:
    with pytest.raises(PolyheadError, match=r"^reader yolo has no setting 'splti'; did you mean 'split'\?$"):
        examine(yolo(2, 0), "yolo", {"splti": "x"})


def test_classes_are_a_list(tmp_path: Path) -> None:
    for name in ("cat", "dog", "bird"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8)).save(tmp_path / name / f"{name}{number}.png")
    assert examine(tmp_path, settings={"classes": "dog,cat"}).layout.classes == ["dog", "cat"]


def test_a_folder_without_any_valid_image_is_reported(tmp_path: Path) -> None:
    for number in range(3):
        for folder, pixels in (("images", np.zeros((10, 10, 3), np.uint8)), ("masks", np.full((10, 10), 3, np.uint8))):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "classes.txt").write_text("road\n")
    examined = examine(tmp_path)
    assert len(examined.problems) == 3
    assert not examined.hint
    assert "have the number 3, which is not a class" in str(examined.problems[0])
    assert examine(tmp_path, None, {"on_bad": "skip", "cap": 1.0}).problems == examined.problems
