"""``polyhead data check``: valid data passes, and all problems come in one report."""

from pathlib import Path

import pytest
from PIL import Image

from polyhead import cli
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_yolo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_yolo(Scenes(4, size=64), tmp_path / "shapes")
    return tmp_path / "shapes"


def test_valid_data_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "yolo format, 5 classes" in shown
    assert shown.splitlines()[-1] == "no problems found: all images can be read, all annotations are valid"


def test_all_problems_are_reported_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = sorted(folder.rglob("labels/**/*.txt"))[:2]
    first.write_text("99 0.5 0.5 0.1 0.1\n", encoding="utf-8")
    second.write_text("0 0.5 nan 0.1 0.1\n", encoding="utf-8")
    assert cli.main(["data", "check", str(folder)]) == 2
    report = capsys.readouterr().err
    assert "2 problems found" in report
    assert f"{first}: line 1" in report
    assert f"{second}: line 1" in report


def test_an_unknown_action_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "chek", "x"]) == 2
    assert "invalid choice: 'chek'" in capsys.readouterr().err


def test_masks_are_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(2):
        sample = Scenes(2, size=48, target="masks")[index]
        for folder, pixels in (("images", sample.input.permute(1, 2, 0)), ("masks", sample.target.classes)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels.numpy()).save(tmp_path / folder / f"{index}.png")
    (tmp_path / "classes.txt").write_text("\n".join(Scenes(1).names), encoding="utf-8")
    assert cli.main(["data", "check", str(tmp_path)]) == 0
    assert "png_masks format, 6 classes" in capsys.readouterr().out
    Image.new("L", (48, 48), 77).save(tmp_path / "masks" / "1.png")
    assert cli.main(["data", "check", str(tmp_path)]) == 2
    assert "1.png: 2304 pixels have the number 77, which is not a class" in capsys.readouterr().err
