from pathlib import Path

import pytest
from builders.class_folders import class_folders

from polyhead import cli
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError
from polyhead.workflows.anchors import anchors


def test_priors_of_a_folder_fit_its_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_coco(Scenes(20, "signs", size=64), tmp_path / "signs")
    assert cli.main(["data", "anchors", str(tmp_path / "signs"), "--size", "192"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("anchors: [[")
    assert first.count("[") == 10
    own, published = (float(word) for word in second.replace(",", "").split() if word.startswith("0."))
    assert own > 0.8
    assert own > published


def test_six_priors_for_the_small_network(tmp_path: Path) -> None:
    write_coco(Scenes(20, "signs", size=64), tmp_path / "signs")
    assert anchors(tmp_path / "signs", count=6)[0].count("[") == 7
    with pytest.raises(PolyheadError, match="--count and --size must be 1 or more, got 0 and 416"):
        anchors(tmp_path / "signs", count=0)


def test_data_without_boxes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match="expected boxes, got data for classification without any"):
        anchors(class_folders(tmp_path / "classes"))
