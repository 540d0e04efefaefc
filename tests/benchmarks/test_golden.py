import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from benchmarks import golden
from benchmarks.golden_compare import Leaves, Row, compare, compare_folders, leaves, without
from benchmarks.golden_rename import TableError, matches, parse_names, read_names, rename

TABLE: dict[str, Any] = {
    "recipe": {
        "keys": {"stages.*.factors": "lr_mult", "stages.*.protect": "continual", "answer": "target"},
        "values": {"data.*.transforms": {"light": "small"}},
        "class_paths": {"polyhead.data.scenes.Scenes": "polyhead.data.made.scenes.Scenes", "Distill": "Teach"},
        "words": {"--conf": "--confidence"},
    },
    "json": {"keys": {"guess": "dummy_baseline", "tasks.*.shots": "train_images", "shots": "images"}},
    "checkpoint": {"keys": {"tasks.*.names": "classes"}},
    "csv": {"train/protect": "train/continual"},
    "files": {"store": "exemplars", r"^(.*)\.answer\.npz$": r"\1.target.npz"},
    "tensors": {"neck": "necks", r"^heads\.(\w+)\.last\.": r"heads.\1.final."},
    "arrays": {"pixels": "confusion"},
    "ignore": ["dummy_baseline.name"],
}
OLD_RECIPE = {
    "model": {"class_path": "unified", "init_args": {"factors": 1}},
    "data": {
        "factors": {"reader": "scenes", "answer": "masks", "transforms": "light", "val": {"answer": "masks"}},
        "det": {"reader": {"class_path": "polyhead.data.scenes.Scenes", "init_args": {"answer": "boxes"}}},
    },
    "stages": [
        {
            "factors": {"neck.0": 0, "factors": 1},
            "protect": [{"class_path": "Distill"}],
            "tasks": ["Distill", "protect"],
        }
    ],
}
NEW_RECIPE = {
    "model": {"class_path": "unified", "init_args": {"factors": 1}},
    "data": {
        "factors": {"reader": "scenes", "target": "masks", "transforms": "small", "val": {"target": "masks"}},
        "det": {"reader": {"class_path": "polyhead.data.made.scenes.Scenes", "init_args": {"target": "boxes"}}},
    },
    "stages": [
        {
            "lr_mult": {"neck.0": 0, "factors": 1},
            "continual": [{"class_path": "Teach"}],
            "tasks": ["Distill", "protect"],
        }
    ],
}
NAMES = parse_names(TABLE)
NONE = parse_names({})


def left_by(folder: Path, *, new: bool, factor: float = 1.0, extra: Mapping[str, Any] | None = None) -> Path:
    """What a tiny run would leave, in the names of either side."""
    run = folder / "runs" / "a"
    exemplars = run / ("exemplars" if new else "store") / "seg"
    for each in (run / "weights", run / "predictions", run / "plots", exemplars):
        each.mkdir(parents=True)
    state = {"neck.0.weight": torch.ones(3), "heads.seg.last.bias": factor * torch.arange(4.0)}
    renamed = {"necks.0.weight": "neck.0.weight", "heads.seg.final.bias": "heads.seg.last.bias"}
    recipe = NEW_RECIPE if new else OLD_RECIPE
    weights = {
        "format": 2 if new else 1,
        "model": recipe["model"],
        "state": {name: state[old] for name, old in renamed.items()} if new else state,
        "tasks": {"seg": {"classes" if new else "names": ["cat"], "categories": [1]}},
    }
    torch.save(weights, run / "weights" / "best.pt")
    found = {
        "score": 0.25,
        "dummy_baseline" if new else "guess": {"name": "new words" if new else "old words", "score": 0.125},
        "train_images" if new else "shots": {"cat": 3},
        "images": 7,
        "seconds_per_image": float(new),
        **(extra or {}),
    }
    results = {"command": [str(folder)], "test": {"tasks": {"seg": found}}}
    (run / "results.json").write_text(json.dumps(results), encoding="utf-8")
    column = "train/continual/seg" if new else "train/protect/seg"
    (run / "results.csv").write_text(f"time,{column},note\n{float(new)},0.5,\n", encoding="utf-8")
    counts = {"confusion" if new else "pixels": np.arange(6), "ids": np.array(["a", "b"])}
    np.savez(run / "predictions" / f"test.seg.{'target' if new else 'answer'}.npz", **counts)  # type: ignore[arg-type]  # numpy's stubs take arrays for its option allow_pickle
    Image.new("RGB", (4, 5), (1, 2, 3)).save(exemplars / "0.png")
    Image.new("RGB", (4, 5), (int(new), 2, 3)).save(run / "plots" / "labels.png")
    return folder


def faults_of(rows: list[Row]) -> dict[str, list[str]]:
    return {row.artifact: row.faults for row in rows if row.faults}


def test_equal_values_are_equal() -> None:
    values: Leaves = {
        ("a",): torch.tensor([1.0, float("nan")]),
        ("b",): np.arange(3),
        ("c",): 0.1,
        ("d",): "text",
        ("e",): None,
    }
    copies = {place: value.clone() if isinstance(value, torch.Tensor) else value for place, value in values.items()}
    assert compare("case", "file", values, copies) == Row("case", "file", 3, 3, 0.0, [])


@pytest.mark.parametrize(
    ("old", "new", "largest"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]), 0.5),
        (torch.tensor([0.0]), torch.tensor([-0.0]), 0.0),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64), 0.0),
        (torch.zeros(2), torch.zeros(2, 1), float("inf")),
        (torch.tensor([1.0]), torch.tensor([float("nan")]), float("inf")),
        (np.arange(3), np.array([0, 1, 4]), 2.0),
        (np.array(["a", "b"]), np.array(["a", "c"]), float("inf")),
        (0.1, 0.1 + 2**-56, 2**-56),
        (1, 1.0, 0.0),
        (1.0, None, float("inf")),
    ],
)
def test_a_difference_of_one_bit_is_found(old: Any, new: Any, largest: float) -> None:
    row = compare("case", "file", {("same",): 1, ("x",): old}, {("same",): 1, ("x",): new})
    assert (row.compared, row.equal, row.largest) == (2, 1, largest)
    (fault,) = row.faults
    assert fault.startswith("different: x: ")


def test_texts_are_compared_and_not_counted() -> None:
    row = compare("case", "file", {("n",): 1, ("x",): "a"}, {("n",): 1, ("x",): "b"})
    assert row == Row("case", "file", 1, 1, 0.0, ["different: x: 'a' -> 'b'"])


def test_a_key_that_one_side_lacks_is_named() -> None:
    row = compare("case", "file", leaves({"a": 1, "b": {"c": 2}}), leaves({"a": 1, "d": []}))
    assert row.faults == ["missing in NEW: b.c", "additional in NEW: d"]


@pytest.mark.parametrize("values", [{}, {("a",): "text"}, {("a",): True}])
def test_a_comparison_of_nothing_is_a_fault(values: Leaves) -> None:
    (fault,) = compare("case", "results.json", values, values).faults
    assert fault.startswith("nothing was compared")


def test_a_manifest_may_have_only_texts() -> None:
    values = leaves({"precision": "32-true"})
    assert not compare("case", "before/manifest.json", values, values).faults
    assert compare("case", "before/manifest.json", {}, {}).faults


def test_ignored_places_go_with_all_that_is_below_them() -> None:
    found = leaves({"versions": {"torch": "1"}, "test": {"guess": {"name": "x", "score": 1}, "name": "y"}})
    assert without(found, ["versions", "guess.name"]) == {("test", "guess", "score"): 1, ("test", "name"): "y"}


def test_a_pattern_fits_the_end_of_a_place() -> None:
    assert matches(("stages", "*", "factors"), ("stages", "0", "factors"))
    assert matches(("factors",), ("stages", "0", "factors"))
    assert not matches(("stages", "*", "factors"), ("stages", "0", "factors", "neck.0"))
    assert not matches(("stages", "*", "factors"), ("0", "factors"))


def test_a_recipe_is_translated_by_position_both_ways() -> None:
    assert NAMES.recipe.to_old(NEW_RECIPE) == OLD_RECIPE
    assert NAMES.recipe.to_new(OLD_RECIPE) == NEW_RECIPE
    assert NONE.recipe.to_old(NEW_RECIPE) == NEW_RECIPE


def test_part_of_a_recipe_is_translated_at_its_place() -> None:
    assert NAMES.recipe.to_old({"transforms": "small", "target": "masks"}, ("data", "new")) == {
        "transforms": "light",
        "answer": "masks",
    }


def test_a_table_without_a_way_back_is_refused() -> None:
    with pytest.raises(TableError, match="ambiguous"):
        NAMES.recipe.to_old({"stages": [{"factors": 1}]})
    with pytest.raises(TableError, match=r"two keys become 'images' in tasks\.seg"):
        parse_names({"json": {"keys": {"shots": "images"}}}).json.to_new({"tasks": {"seg": {"shots": 1, "images": 2}}})


def test_the_longest_pattern_counts() -> None:
    tree = {"tasks": {"seg": {"shots": 1, "classes": {"cat": {"shots": 2}}}}}
    assert NAMES.json.to_new(tree) == {"tasks": {"seg": {"train_images": 1, "classes": {"cat": {"images": 2}}}}}


def test_plain_names_change_whole_or_in_their_leading_parts() -> None:
    table = {"a": "x", "a/b": "y"}
    given = ["a", "a/c", "a/b/c", "ab", "b/a"]
    assert [rename(name, table, "/") for name in given] == ["x", "x/c", "y/c", "ab", "b/a"]


def test_regular_expressions_are_applied_in_turn_after_that() -> None:
    table = {r"^(.*)\.json$": r"\1.yaml", "a": "x", r"^x/(\d)": r"y/n\1"}
    assert [rename(name, table, "/") for name in ("a/1.json", "b/1.json")] == ["y/n1.yaml", "b/1.yaml"]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"recipes": {}}, "unknown section 'recipes'"),
        ({"json": {"guess": "dummy_baseline"}}, "unknown section 'guess'"),
        ({"json": ["guess"]}, "expected a mapping"),
        ({"csv": {"kept": 1}}, "expected old names and new names"),
        ({"json": {"keys": {"tasks.*": "x"}}}, r"ends with '\*'"),
        ({"recipe": {"words": {"^--c": "--d"}}}, "read in both directions"),
    ],
)
def test_a_table_with_a_mistake_is_refused(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TableError, match=complaint):
        parse_names(table)


def test_the_shipped_table_can_be_read() -> None:
    names = read_names(golden.CASES.with_name("golden_names.yaml"))
    cases = yaml.safe_load(golden.CASES.read_text(encoding="utf-8"))
    for case in cases.values():
        assert names.recipe.to_new(names.recipe.to_old(case["recipe"])) == case["recipe"]


def test_words_of_the_command_line_are_translated() -> None:
    command = {
        "words": ["extend", "runs/a", "--task", "new", "--confidence", "0.1", "--data"],
        "data": {"new": {"reader": "scenes", "target": "masks", "val": {"count": 3}}},
        "changes": {"name": "b", "stages": {"0": {"lr_mult": {"neck": 0.5}}}},
    }
    assert golden.words_of(command, NAMES) == [
        *("extend", "runs/a", "--task", "new", "--conf", "0.1", "--data"),
        *('reader="scenes"', 'answer="masks"', 'val={"count": 3}'),
        *("--", 'name="b"', "stages.0.factors.neck=0.5"),
    ]
    assert golden.words_of(command, None)[-1] == "stages.0.lr_mult.neck=0.5"


def test_runs_that_differ_in_names_alone_are_equal(tmp_path: Path) -> None:
    old, new = left_by(tmp_path / "old", new=False), left_by(tmp_path / "new", new=True)
    rows = compare_folders("case", old, new, NAMES, ["runs/a/weights/*.pt", "runs/a/results.json"])
    assert not faults_of(rows)
    assert {row.artifact.removeprefix("runs/a/"): row.compared for row in rows} == {
        "exemplars/seg/*.png": 1,
        "predictions/test.seg.target.npz": 2,
        "results.csv": 1,
        "results.json": 4,
        "weights/best.pt metadata": 2,
        "weights/best.pt tensors": 2,
    }


def test_without_the_table_every_name_is_a_difference(tmp_path: Path) -> None:
    old, new = left_by(tmp_path / "old", new=False), left_by(tmp_path / "new", new=True)
    faults = faults_of(compare_folders("case", old, new, NONE, []))
    assert faults["runs/a/store/seg/*.png"][0] == "missing file in NEW: runs/a/store/seg/0.png"
    assert faults["runs/a/exemplars/seg/*.png"][0] == "additional file in NEW: runs/a/exemplars/seg/0.png"
    assert "missing in NEW: state.neck.0.weight" in faults["runs/a/weights/best.pt tensors"]
    assert "missing in NEW: 0.train/protect/seg" in faults["runs/a/results.csv"]
    assert "additional in NEW: test.tasks.seg.dummy_baseline.score" in faults["runs/a/results.json"]


def test_one_tensor_and_one_key_that_differ_are_found(tmp_path: Path) -> None:
    old, new = (
        left_by(tmp_path / "old", new=False),
        left_by(tmp_path / "new", new=True, factor=1.001, extra={"more": 1}),
    )
    faults = faults_of(compare_folders("case", old, new, NAMES, []))
    assert faults == {
        "runs/a/weights/best.pt tensors": ["different: state.heads.seg.final.bias: torch.float32 [4], at most 0.003"],
        "runs/a/results.json": ["additional in NEW: test.tasks.seg.more"],
    }


def test_two_old_names_for_one_new_name_are_a_fault(tmp_path: Path) -> None:
    old, new = left_by(tmp_path / "old", new=False), left_by(tmp_path / "new", new=False)
    names = parse_names({"tensors": {"neck.0.weight": "x", "heads.seg.last.bias": "x"}})
    faults = faults_of(compare_folders("case", old, new, names, []))["runs/a/weights/best.pt tensors"]
    assert faults[0] == "the table of names: tensors: two old names get the same new name"


def test_a_case_that_left_nothing_is_a_fault(tmp_path: Path) -> None:
    rows = compare_folders("case", tmp_path, tmp_path, NONE, ["runs/a/results.json"])
    assert faults_of(rows) == {"runs/a/results.json": ["nothing was compared: neither side has such a file"]}


def test_the_last_line_says_how_it_ended() -> None:
    equal, other = Row("a", "x.json", 3, 3, 0.0, []), Row("b", "y.json", 2, 1, 0.5, [f"fault {n}" for n in range(7)])
    assert golden.verdict([equal], ["a"]).startswith("EQUAL: all 3 tensors, arrays and numbers in 1 artifacts of a")
    assert golden.verdict([equal, other], ["a", "b"]) == "FAILED: 1 of 2 artifacts differ, in b."
    assert golden.verdict([], ["a"]) == "FAILED: nothing was compared."
    text = golden.report([equal, other], ["time"])
    assert "b y.json: fault 4\nb y.json: 2 more\nnot compared: time" in text
    assert text.count("DIFFERS") == 1


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        golden.main([str(tmp_path), str(tmp_path), "--work", str(tmp_path / "work")])
    assert stop.value.code == 2
    assert "is not a checkout" in capsys.readouterr().err


def test_old_runs_are_not_taken_for_new_ones(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(golden.RunError, match="is not empty"):
        golden.empty_folder(tmp_path)


def test_images_to_predict_on_are_the_same_at_every_call(tmp_path: Path) -> None:
    for name in ("a", "b"):
        golden.draw_images(tmp_path / name)
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert len(first) == len(golden.SIZES)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
