"""Errors of ``polyhead train`` and of damaged runs: one line, exit code 2, no traceback."""

import pickle
from functools import partial
from pathlib import Path

import pytest
import torch
from builders.toy_parts import toy_model
from PIL import Image

from polyhead import checkpoint, cli
from polyhead.config import recipe
from polyhead.contracts.classes import ALLOWED
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.types import TaskInfo
from polyhead.workflows import train

pytestmark = pytest.mark.usefixtures("undrawn")

RECIPE = """\
model: {class_path: ssd300, init_args: {backbone: mobilenetv2_035}}
data: {shapes: {reader: voc, root: ROOT, batch: 4}}
stages: [{epochs: 2}]
"""


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYHEAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def line(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the error message of a failing command, which must be one line."""
    assert cli.main(words) == 2
    shown = capsys.readouterr()
    (message,) = shown.err.splitlines()
    return message.removeprefix("polyhead: error: ")


def test_print_config_prints_a_recipe_and_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "ssd_penn_fudan", "--epochs", "3", "--print-config"]) == 0
    shown = capsys.readouterr().out
    assert "epochs: 3\n" in shown
    Path("again.yaml").write_text(shown, encoding="utf-8")
    assert cli.main(["train", "again.yaml", "--print-config"]) == 0
    assert capsys.readouterr().out == shown
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no recipe given. Name a recipe ('polyhead recipes' lists them) or a data folder, or give --resume RUN."),
        (["ssd_voc", "--epochs"], "--epochs needs a value. Write --epochs VALUE or epochs=VALUE."),
        (["ssd_voc", "--epoch", "3"], "unknown key 'epoch' of the recipe; did you mean 'epochs'?"),
        (["ssd_voc", "more"], "polyhead train: unknown argument 'more'"),
        (["--resume", "runs/x"], "run folder 'runs/x' does not exist. Use the folder that 'polyhead train' printed."),
        (
            ["ssd_voc", "--resume", "runs/x"],
            "--resume uses the recipe and settings that the run started with. Remove 'ssd_voc'.",
        ),
        (
            ["--resume", "runs/x", "epochs=3", "lr=0.1"],
            "--resume uses the recipe and settings that the run started with. Remove 'lr=0.1'. (epochs=N trains a fini",
        ),
        (
            ["--resume", "runs/x", "epochs=3"],
            "run folder 'runs/x' does not exist. Use the folder that 'polyhead train'",
        ),
    ],
)
def test_wrong_arguments(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert line(["train", *words], capsys).startswith(message)


def test_a_model_with_more_than_max_parameters_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["data.*.count=4", "data.*.val.count=2", "data.*.test.count=2", "imgsz=64", "max_parameters=1000"]
    message = line(["train", "demo", *small], capsys)
    assert message.startswith("the model has ")
    assert message.endswith(" parameters, more than max_parameters=1,000. Use a smaller backbone or width.")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("setting", ["lr_mult.bakbone=0", "init.bakbone=best.pt"])
def test_an_unknown_part_of_the_model_is_refused_before_there_is_a_run_folder(
    setting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "best.pt").touch()
    small = ["data.fruit=null", "data.*.count=8", "data.*.val.count=4", "data.*.test.count=4", "imgsz=96"]
    message = line(["train", "demo", *small, f"stages.0.{setting}"], capsys)
    assert message.startswith(
        f"stages.0.{setting.partition('.')[0]}: the model has no part 'bakbone'; did you mean 'backbone'"
    )
    assert not (tmp_path / "runs").exists()


def test_missing_data_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text(RECIPE.replace("ROOT", "nowhere"), encoding="utf-8")
    assert line(["train", "mine.yaml"], capsys).startswith("data.shapes.root: 'nowhere' was not found; looked at ")
    assert not (tmp_path / "runs").exists()


def test_folder_of_another_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    Path("mine.yaml").write_text(RECIPE.replace("ROOT", "pets"), encoding="utf-8")
    message = line(["train", "mine.yaml"], capsys)
    assert str(tmp_path / "pets") in message
    assert "Annotations" in message
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder whose weights file does not describe a model."""
    folder = tmp_path / "runs" / "x"
    (folder / "weights").mkdir(parents=True)
    (folder / "config.yaml").write_text(RECIPE, encoding="utf-8")
    checkpoint.save(folder / "weights" / "best.pt", {"state": {"a": torch.zeros(1000)}})
    return folder


def test_a_run_without_weights(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "weights" / "best.pt").unlink()
    assert line(["predict", "runs/x", "a.jpg"], capsys) == (
        "run runs/x has no weights yet because its first epoch did not finish. Resume it with 'polyhead train --resume "
        "runs/x'."
    )


def test_a_truncated_weights_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = run / "weights" / "best.pt"
    best.write_bytes(best.read_bytes()[:1000])
    assert line(["predict", "runs/x", "a.jpg"], capsys) == (
        "runs/x/weights/best.pt is damaged or truncated (1000 bytes). Copy it again, or use another file of its folder."
    )


def test_a_pickle_that_is_not_a_weights_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "weights" / "best.pt").write_bytes(pickle.dumps(Path))
    assert line(["predict", "runs/x", "a.jpg"], capsys) == (
        "runs/x/weights/best.pt is not a Polyhead weights file: it does not consist of plain tensors, and other "
        "content is not loaded. Use weights/best.pt of a run of 'polyhead train'."
    )


def test_weights_that_do_not_describe_a_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.is_dir()
    assert "does not describe its model" in line(["predict", "runs/x", "a.jpg"], capsys)


def test_a_model_of_another_package_is_used_where_it_is_allowed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"squares": ["a", "b"], "tints": ["a", "b"]}
    model = toy_model().build({task: TaskInfo(own) for task, own in names.items()})
    image = {"name": "image", "state": {"size": [32, 32], "fit": "stretch"}}
    description = {
        "model": {"class_path": "builders.toy_parts.toy_model", "init_args": {}},
        "tasks": {
            task: {"names": own, "categories": own, "kind": model.head(task).kind, "modality": image}
            for task, own in names.items()
        },
    }
    checkpoint.save(run / "weights" / "best.pt", {"state": model.state_dict(), **description})
    Image.new("RGB", (40, 30)).save("a.png")
    words = ["predict", "runs/x", "a.png"]
    assert line(words, capsys).endswith("If you trust this package, add --allow builders")
    try:
        assert cli.main([*words, "--allow", "builders"]) == 0
    finally:
        ALLOWED.remove("builders")


def test_a_truncated_manifest(run: Path) -> None:
    (run / "manifest.json").write_text('{"splits": {', encoding="utf-8")
    with pytest.raises(
        PolyheadError, match=r"manifest.json is not valid JSON, perhaps truncated \(.*\. Restore or delete"
    ):
        Run.open("runs/x").read_manifest()


def test_a_val_split_without_annotations_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Epochs cannot be ranked by it."""
    root = tmp_path / "data"
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        (root / "images" / split).mkdir(parents=True)
        (root / "labels" / split).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (32, 32), (number * 40, len(split) * 40, 0)).save(
                root / "images" / split / f"{split}{number}.png"
            )
            annotation = "" if split == "val" else "0 0.5 0.5 0.4 0.4\n"
            (root / "labels" / split / f"{split}{number}.txt").write_text(annotation)
    (root / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\ntest: images/test\nnames: [thing]\n"
    )
    assert cli.main(["init", str(root), "--out", "mine.yaml"]) == 0
    capsys.readouterr()
    message = line(["train", "mine.yaml"], capsys)
    assert "the validation split has no annotated objects, so epochs cannot be ranked. Add val images" in message
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
    """Write a recipe and images whose masks have, in each split, a square of one value; 256 means all of it is 255."""
    for split, value in {"train": 1, "val": 1, "test": 1, **values}.items():
        for number in range(3):
            mask = Image.new("L", (32, 32), 255 if value > 255 else 0)
            mask.paste(min(value, 255), (4, 4, 20, 20 + number))
            for kind, image in (("images", Image.new("RGB", (32, 32), (len(split), number, 0))), ("masks", mask)):
                (root / kind / split).mkdir(parents=True, exist_ok=True)
                image.save(root / kind / split / f"{split}{number}.png")
    (root / "classes.txt").write_text("road\ncar\n")
    path = root / "masks.yaml"
    path.write_text(MASKS.replace("ROOT", str(root)).replace("HEAD", head))
    return str(path)


@pytest.mark.parametrize(
    ("head", "values", "message"),
    [
        ("segment", {"train": 255}, "got background and 816 ignored pixels (255) only"),
        ("segment", {"val": 256}, "the validation split has no annotated objects, so epochs cannot be ranked"),
        (
            "detect",
            {},
            "has masks but a detection head. Use a segmentation head (model.heads.seg=segment), or a",
        ),
        (
            "classify",
            {},
            "has masks but a classification head. Use a segmentation head (model.heads.seg=segment), or a",
        ),
    ],
)
def test_masks_that_cannot_teach_their_head_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], head: str, values: dict[str, int], message: str
) -> None:
    assert message in line(["train", masked_recipe(tmp_path / "data", head, **values)], capsys)
    assert not (tmp_path / "runs").exists()


def test_classes_that_training_does_not_show_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", masked_recipe(tmp_path / "data", "segment", val=2), "data.seg.workers=0"]) == 0
    assert "data.seg: no training image shows car, so this cannot be learned" in capsys.readouterr().out


def test_a_run_resumes_in_the_precision_in_which_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def stop(*_: object, precision: str, **__: object) -> None:
        seen.append(precision)
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", stop)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    small = ["data.*.count=8", "data.*.val.count=4", "data.*.test.count=4", "imgsz=64", "name=started"]
    start = partial(train.train, recipe.load("demo", small))
    for native, call in ((True, start), (False, partial(train.resume, "runs/started"))):
        monkeypatch.setattr(torch.cpu, "get_capabilities", partial(dict, avx512_bf16=native))
        with pytest.raises(KeyboardInterrupt):
            call()
    assert seen == ["bf16-mixed", "bf16-mixed"]
