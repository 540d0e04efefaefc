"""Files that a recipe names: where they are looked up, and that a run finds the same ones again from anywhere."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.class_folders import class_folders

from polyhead import cli
from polyhead.config import files, recipe
from polyhead.errors import PolyheadError
from polyhead.paths import DATA, RECIPES, WEIGHTS, shipped
from polyhead.run import Run
from polyhead.workflows.evaluate import reopen
from polyhead.workflows.train import train


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Return the folders to search, in this order and all empty; the current one is ``here``."""
    made = {
        "recipe": tmp_path / "recipes",
        "here": tmp_path / "here",
        "variable": tmp_path / "variable",
        "cache": tmp_path / "cache/polyhead/data",
    }
    for folder in made.values():
        folder.mkdir(parents=True)
    monkeypatch.chdir(made["here"])
    monkeypatch.setenv(DATA, str(made["variable"]))
    monkeypatch.setenv(WEIGHTS, str(made["variable"]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def write(folder: Path, name: str = "mine.yaml", **changes: Any) -> Path:
    """Write a recipe that names one folder, ``pets``."""
    content: dict[str, Any] = {
        "model": {"class_path": "classifier", "init_args": {"backbone": "test_resnet", "size": 32}},
        "data": {"cats": {"reader": "folder", "root": "pets", "batch": 2, "workers": 0}},
        "stages": [{"epochs": 1}],
    }
    path = folder / name
    path.write_text(yaml.safe_dump({**content, **changes}), encoding="utf-8")
    return path


def root_of(config: dict[str, Any]) -> str:
    return str(config["data"]["cats"]["reader"]["init_args"]["root"])


VOC = {"reader": "voc", "root": "elsewhere"}
TIMM = {"class_path": "polyhead.nets.backbones.timm.Timm", "init_args": {"name": "test_resnet", "weights": "it"}}
KINDS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "root": ({"data": {"a": {**VOC, "root": "it"}}}, ("data", "a", "reader", "init_args", "root")),
    "val": ({"data": {"a": {**VOC, "val": {"root": "it"}}}}, ("data", "a", "val", "init_args", "root")),
    "part": (
        {"data": {"a": {"reader": "merge", "parts": {"b": {**VOC, "root": "it"}}}}},
        ("data", "a", "reader", "init_args", "parts", "b", "init_args", "root"),
    ),
    "list": (
        {"data": {"a": {**VOC, "split": {"train": "it", "val": "other", "test": "other"}}}},
        ("data", "a", "split", "train"),
    ),
    "weights": ({"model": {"class_path": "ssd300", "init_args": {"weights": "it"}}}, ("model", "init_args", "weights")),
    "weights of a part": (
        {
            "model": {
                "class_path": "polyhead.nets.model.Model",
                "init_args": {
                    "backbone": TIMM,
                    "necks": [],
                    "head": {"class_path": "polyhead.nets.heads.classify.Classify"},
                    "size": [32, 32],
                },
            }
        },
        ("model", "init_args", "backbone", "init_args", "weights"),
    ),
    "init": ({"stages": [{"init": {"backbone": "it"}}]}, ("stages", 0, "init", "backbone")),
}
"""For each kind of setting, a recipe in which it is ``it``, and its keys in the resolved recipe."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["recipe", "here", "variable"])
def test_every_kind_of_path_is_looked_up_next_to_the_recipe_and_in_the_current_folder(
    kind: str, place: str, places: dict[str, Path]
) -> None:
    changes, keys = KINDS[kind]
    before = recipe.dump(recipe.load(write(places["recipe"], **changes)))
    (places[place] / "it").touch()
    value: Any = recipe.load(write(places["recipe"], **changes))
    expected = "it" if place == "variable" else str(places[place] / "it")
    assert recipe.dump(value) == before.replace(": it\n", f": {expected}\n")
    for key in keys:
        value = value[key]
    assert value == expected


def test_the_first_place_wins_and_what_is_found_from_anywhere_stays_relative(places: dict[str, Path]) -> None:
    path = write(places["recipe"])
    for folder in reversed(places.values()):
        (folder / "pets").mkdir()
        expected = str(folder / "pets") if folder in (places["recipe"], places["here"]) else "pets"
        assert root_of(recipe.load(path, must_exist=True)) == expected


def test_other_words_are_not_paths(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the same name as ``hub``, or as a file within ``root``, changes nothing; ``~`` is found anywhere."""
    monkeypatch.setenv("HOME", str(places["here"]))
    for name in ("hub", "a.json", "image", "voc", "mine"):
        (places["recipe"] / name).touch()
    data = {"a": {"reader": "coco", "root": "~/pets", "annotations": "a.json", "split": {"by": "image"}}}
    config = recipe.load(write(places["recipe"], data=data), ["model.weights=hub"])
    assert str(places["recipe"]) not in recipe.dump(config)
    (places["here"] / "pets").mkdir()
    assert config == recipe.load(write(places["recipe"], data=data), ["model.weights=hub"], must_exist=True)


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize("name", sorted(shipped()))
def test_recipes_that_ship_name_their_lists_in_the_same_way_everywhere(name: str) -> None:
    assert str(RECIPES) not in recipe.dump(recipe.load(name))


def test_a_recipe_of_a_run_is_not_next_to_its_data(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (places["variable"] / "samples").mkdir()
    (places["recipe"] / "pets").mkdir()
    config = recipe.load(write(places["recipe"]))
    for root in (root_of(config), "samples"):
        run = Run.create(places["here"], "run")
        run.update_manifest(seed=0)
        changed = recipe.load(write(places["recipe"]), [f"data.cats.root={root}"])
        run.config.write_text(recipe.dump(changed), encoding="utf-8")
        monkeypatch.chdir(places["cache"])
        assert root_of(recipe.load(run.config, must_exist=True)) == root


def test_a_run_finds_its_data_again_from_anywhere(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(places["recipe"] / "pets")
    for name, members in {"train": "012", "val": "3"}.items():
        ids = [f"{kind}/{number}.jpg" for kind in ("cat", "dog") for number in members]
        (places["recipe"] / f"{name}.txt").write_text("\n".join(ids))
    class_folders(places["here"] / "others")
    split = {"train": "train.txt", "val": "val.txt"}
    data = {"cats": {"reader": "folder", "root": "pets", "test": {"root": "others"}, "batch": 2, "split": split}}
    run = train(write(places["recipe"], data=data), ["data.cats.workers=0"], show=lambda _: None)
    folder = run.folder.resolve()
    monkeypatch.chdir(places["cache"])
    shown: list[str] = []
    _, tasks = reopen(Run(folder), shown.append)
    assert len(tasks["cats"].ids("train")) == 6
    assert len(tasks["cats"].ids("test")) == 8
    assert not shown, "the data has changed"


def test_the_message_lists_where_a_missing_file_was_looked_up(
    places: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(places["recipe"])
    assert cli.main(["train", str(path), "--print-config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["data"]["cats"]["reader"]["init_args"]["root"] == "pets"
    assert cli.main(["train", str(path)]) == 2
    looked = ", ".join(str(folder / "pets") for folder in places.values())
    assert f"data.cats.root: 'pets' was not found; looked at {looked}. Correct the path" in capsys.readouterr().err
    with pytest.raises(PolyheadError, match=f"looked at {looked}"):
        train(path, show=print)
    with pytest.raises(PolyheadError, match=r"^stages.0.init.backbone: 'runs/none' was not found; looked at .*WEIGHTS"):
        train(path, ["stages.0.init.backbone=runs/none", f"data.cats.root={places['here']}"], show=print)


@pytest.mark.parametrize(("kind", "where"), [("val", "data.a.val.root"), ("part", "data.a.parts.b.root")])
def test_the_message_names_the_key_as_it_is_written(kind: str, where: str, places: dict[str, Path]) -> None:
    (places["recipe"] / "elsewhere").mkdir()
    with pytest.raises(PolyheadError, match=f"^{where}: 'it' was not found"):
        recipe.load(write(places["recipe"], **KINDS[kind][0]), must_exist=True)


@dataclass
class ReaderWithCache:
    """Stands for a reader from outside that writes a file of its own."""

    root: Path
    cache: Path = Path("made")


def test_an_optional_file_of_a_reader_need_not_exist(places: dict[str, Path]) -> None:
    reader = {
        "class_path": f"{__name__}.ReaderWithCache",
        "init_args": {"root": str(places["here"]), "cache": "made"},
    }
    config = {"model": {}, "data": {"a": {"reader": reader, "split": None}}, "stages": []}
    files.require(config, [])
    (places["recipe"] / "made").mkdir()
    found = files.make_absolute(config, [places["recipe"]])["data"]["a"]["reader"]["init_args"]
    assert found["cache"] == str(places["recipe"] / "made")
    reader["init_args"] = {"root": "nowhere"}
    with pytest.raises(PolyheadError, match=r"^data\.a\.root: 'nowhere' was not found"):
        files.require(config, [])


def test_settings_are_the_same_wherever_their_files_are(places: dict[str, Path]) -> None:
    """Of a recipe next to its data, which was moved, or whose data was deleted."""
    path = write(places["recipe"])
    without = recipe.load(path)
    (places["recipe"] / "pets").mkdir()
    begun = recipe.load(path)
    shutil.move(places["recipe"], places["here"] / "moved")
    folder = places["here"] / "moved"
    moved = recipe.load(folder / path.name)
    assert len({root_of(without), root_of(begun), root_of(moved)}) == 3
    for recorded in (without, begun, moved):
        for planned in (without, begun, moved):
            assert files.same(recorded, planned, [places["recipe"], folder])
    other = recipe.load(folder / path.name, ["data.cats.root=dogs/pets"])
    for recorded, planned in ((begun, other), (other, begun), (without, other)):
        assert not files.same(recorded, planned, [places["recipe"], folder])
    assert not files.same(begun, {**begun, "seed": 1}, [])
    assert not files.same(begun["stages"], begun["stages"] * 2, [])


def test_the_variable_may_list_several_folders(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA, os.pathsep.join([str(places["here"] / "none"), str(places["variable"])]))
    (places["variable"] / "pets").mkdir()
    assert root_of(recipe.load(write(places["recipe"]), must_exist=True)) == "pets"
