"""Bad use of ``polyhead train`` and of runs: one line, exit code 2, no traceback."""

import pickle
from functools import partial
from pathlib import Path

import pytest
import torch
from builders.toy_parts import toy_model
from PIL import Image

from polyhead import checkpoint, cli
from polyhead.config import recipe
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows import train

RECIPE = """\
model: {class_path: ssd300, init_args: {backbone: mobilenetv2_035}}
data: {shapes: {reader: voc, root: ROOT, batch: 4}}
stages: [{epochs: 2}]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYHEAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def line(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a failing command says."""
    assert cli.main(words) == 2
    shown = capsys.readouterr()
    (said,) = shown.err.splitlines()
    return said.removeprefix("polyhead: error: ")


def test_print_config_prints_a_recipe_and_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "ssd_penn_fudan", "--epochs", "3", "--print-config"]) == 0
    shown = capsys.readouterr().out
    assert "epochs: 3\n" in shown
    Path("again.yaml").write_text(shown, encoding="utf-8")
    assert cli.main(["train", "again.yaml", "--print-config"]) == 0
    assert capsys.readouterr().out == shown
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which recipe? 'polyhead recipes' lists those that ship; or give --resume RUN"),
        (["ssd_voc", "--epochs"], "--epochs needs a value: --epochs VALUE or epochs=VALUE"),
        (["ssd_voc", "--epoch", "3"], "unknown key 'epoch' of the recipe; did you mean 'epochs'?"),
        (["ssd_voc", "more"], "polyhead train does not know 'more'"),
        (["--resume", "runs/x"], "run folder 'runs/x' does not exist; give the folder that 'polyhead train' printed"),
        (["ssd_voc", "--resume", "runs/x"], "--resume goes on with a run as it was begun; leave out 'ssd_voc'"),
        (["--resume", "runs/x", "epochs=3"], "--resume goes on with a run as it was begun; leave out 'epochs=3'"),
    ],
)
def test_bad_words(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert line(["train", *words], capsys).startswith(said)


def test_a_network_larger_than_the_recipe_promises_is_not_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["data.*.count=4", "data.*.val.count=2", "data.*.test.count=2", "imgsz=64", "max_parameters=1000"]
    said = line(["train", "demo", *small], capsys)
    assert said.startswith("the network has ")
    assert said.endswith(" parameters, more than max_parameters=1,000; take a smaller backbone or width")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("setting", ["rates.bakbone=0", "init.bakbone=best.pt"])
def test_an_unknown_part_is_told_before_there_is_a_run_folder(
    setting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["data.fruit=null", "data.*.count=8", "data.*.val.count=4", "data.*.test.count=4", "imgsz=96"]
    said = line(["train", "demo", *small, f"stages.0.{setting}"], capsys)
    assert said.startswith(
        f"stages.0.{setting.partition('.')[0]}: the model has no part 'bakbone'; did you mean 'backbone'"
    )
    assert not (tmp_path / "runs").exists()


def test_missing_data_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text(RECIPE.replace("ROOT", "nowhere"), encoding="utf-8")
    assert line(["train", "mine.yaml"], capsys).startswith("'nowhere' was not found; looked at ")
    assert not (tmp_path / "runs").exists()


def test_folder_of_another_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    Path("mine.yaml").write_text(RECIPE.replace("ROOT", "pets"), encoding="utf-8")
    said = line(["train", "mine.yaml"], capsys)
    assert str(tmp_path / "pets") in said
    assert "Annotations" in said
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with weights that describe no model."""
    folder = tmp_path / "runs" / "x"
    (folder / "weights").mkdir(parents=True)
    (folder / "config.yaml").write_text(RECIPE, encoding="utf-8")
    checkpoint.save(folder / "weights" / "best.pt", {"state": {"a": torch.zeros(1000)}})
    return folder


def test_a_run_without_weights(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "weights" / "best.pt").unlink()
    assert line(["predict", "runs/x", "a.jpg"], capsys) == (
        "run runs/x has no weights yet: its first epoch did not end; 'polyhead train --resume runs/x' goes on with it"
    )


def test_a_truncated_weights_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = run / "weights" / "best.pt"
    best.write_bytes(best.read_bytes()[:1000])
    assert line(["predict", "runs/x", "a.jpg"], capsys) == (
        "runs/x/weights/best.pt is damaged or cut short (1000 bytes); copy it again, or use another file of its folder"
    )


def test_a_pickle_that_is_no_checkpoint(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "weights" / "best.pt").write_bytes(pickle.dumps(Path))
    assert line(["predict", "runs/x", "a.jpg"], capsys) == (
        "runs/x/weights/best.pt is no Polyhead weights file: it does not hold plain tensors, and nothing else is "
        "loaded; give weights/best.pt of a run that 'polyhead train' left behind"
    )


def test_weights_that_describe_no_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.is_dir()
    assert "does not say how to build its model" in line(["predict", "runs/x", "a.jpg"], capsys)


def test_a_model_of_another_package_is_used_where_it_is_allowed(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipe, "_importable", ["polyhead"])
    names = {"squares": ["a", "b"], "tints": ["a", "b"]}
    model = toy_model().build(names)
    tasks = {task: {"names": own, "categories": own, "fit": "stretch"} for task, own in names.items()}
    whole = {
        "model": {"class_path": "builders.toy_parts.toy_model", "init_args": {}},
        "tasks": tasks,
        "eval": {"size": [32, 32]},
    }
    checkpoint.save(run / "weights" / "best.pt", {"state": model.state_dict(), **whole})
    Image.new("RGB", (40, 30)).save("a.png")
    words = ["predict", "runs/x", "a.png"]
    assert line(words, capsys).endswith("if you trust it, add --allow builders")
    assert cli.main([*words, "--allow", "builders"]) == 0


def test_a_manifest_that_was_cut_short(run: Path) -> None:
    (run / "manifest.json").write_text('{"splits": {', encoding="utf-8")
    with pytest.raises(
        PolyheadError, match=r"manifest.json is no valid JSON, perhaps cut short \(.*; restore or delete"
    ):
        Run.open("runs/x").read_manifest()


def test_a_val_set_that_shows_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No epoch could be told from another by it."""
    root = tmp_path / "data"
    for part, count in (("train", 4), ("val", 2), ("test", 2)):
        (root / "images" / part).mkdir(parents=True)
        (root / "labels" / part).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (32, 32), (number * 40, len(part) * 40, 0)).save(
                root / "images" / part / f"{part}{number}.png"
            )
            line_of = "" if part == "val" else "0 0.5 0.5 0.4 0.4\n"
            (root / "labels" / part / f"{part}{number}.txt").write_text(line_of)
    (root / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\ntest: images/test\nnames: [thing]\n"
    )
    assert cli.main(["init", str(root), "--out", "mine.yaml"]) == 0
    capsys.readouterr()
    said = line(["train", "mine.yaml"], capsys)
    assert "no val picture shows anything, so no epoch can be told from another; give val pictures" in said
    assert not (tmp_path / "runs").exists()


MASKS = """\
model: {class_path: unified, init_args: {heads: {seg: HEAD}, backbone: mobilenetv2_035, size: 32, last_conv: false}}
data:
  seg:
    reader: {reader: png_masks, root: ROOT, images: images/train, masks: masks/train}
    val: {images: images/val, masks: masks/val}
    test: {images: images/test, masks: masks/test}
    batch: 2
stages: [{epochs: 1}]
"""


def masked_recipe(root: Path, head: str, **values: int) -> str:
    """A recipe of pictures whose masks have, in each split, a square of one value; all of it 255 for the value 256."""
    for part, value in {"train": 1, "val": 1, "test": 1, **values}.items():
        for number in range(3):
            mask = Image.new("L", (32, 32), 255 if value > 255 else 0)
            mask.paste(min(value, 255), (4, 4, 20, 20 + number))
            for kind, picture in (("images", Image.new("RGB", (32, 32), (len(part), number, 0))), ("masks", mask)):
                (root / kind / part).mkdir(parents=True, exist_ok=True)
                picture.save(root / kind / part / f"{part}{number}.png")
    (root / "classes.txt").write_text("road\ncar\n")
    path = root / "masks.yaml"
    path.write_text(MASKS.replace("ROOT", str(root)).replace("HEAD", head))
    return str(path)


@pytest.mark.parametrize(
    ("head", "values", "message"),
    [
        ("segment", {"train": 255}, "no training pixel is of a class but the background, and 816 are ignored (255)"),
        ("segment", {"val": 256}, "no val picture shows anything, so no epoch can be told from another"),
        ("detect", {}, "the data tells a class of each pixel, and the head of 'seg' finds boxes; give the task a head"),
        ("classify", {}, "the data tells a class of each pixel, and the head of 'seg' finds a class of each picture"),
    ],
)
def test_masks_that_cannot_teach_their_head_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], head: str, values: dict[str, int], message: str
) -> None:
    assert message in line(["train", masked_recipe(tmp_path / "data", head, **values)], capsys)
    assert not (tmp_path / "runs").exists()


def test_classes_that_training_does_not_show_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", masked_recipe(tmp_path / "data", "segment", val=2), "data.seg.workers=0"]) == 0
    assert "data.seg: no training picture shows car: nothing can be learnt of it" in capsys.readouterr().out


def test_a_run_goes_on_in_the_precision_in_which_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def stop(*_: object, precision: str, **__: object) -> None:
        seen.append(precision)
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", stop)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    small = ["data.*.count=8", "data.*.val.count=4", "data.*.test.count=4", "imgsz=64", "name=begun"]
    begin = partial(train.train, recipe.load("demo", small))
    for native, go in ((True, begin), (False, partial(train.resume, "runs/begun"))):
        monkeypatch.setattr(torch.cpu, "get_capabilities", partial(dict, avx512_bf16=native))
        with pytest.raises(KeyboardInterrupt):
            go()
    assert seen == ["bf16-mixed", "bf16-mixed"]
