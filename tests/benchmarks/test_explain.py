"""The table of class activation maps."""

from pathlib import Path

import pytest
from builders.red_or_blue import photo, predictor
from builders.untrained_run import noisy_photos, two_detectors

from benchmarks import explain
from polyhead.analysis.explain.layers import Layers
from polyhead.workflows.explain import Explainer


def test_each_map_and_each_reference_of_an_item_is_a_row() -> None:
    explainer = Explainer(predictor())
    rows = explain.measure(explainer, explainer.run(photo()), 0, [("layercam", Layers()), ("eigencam", Layers("neck"))])
    by_map = {row["map"]: row for row in rows}
    assert list(by_map) == [
        "layercam backbone.sum",
        "eigencam neck.sum",
        "random",
        "noise",
        "center",
        "constant",
        explain.SHUFFLED,
    ]
    assert (by_map["constant"]["shuffled"], by_map["constant"]["trustworthy"]) == (1, 0)
    assert by_map[explain.SHUFFLED]["shuffled"] < 1  # another order of the weights
    assert by_map["eigencam neck.sum"]["head_shuffled"] == 1  # it does not see the head
    assert by_map["center"]["shuffled"] == 1
    assert by_map["center"]["better_deletion"] == 0
    assert by_map["layercam backbone.sum"]["better_deletion"] == 1
    assert by_map["layercam backbone.sum"]["energy"] is None  # a class has no box
    trusted = explainer.explain(explainer.run(photo()), 0).trust
    assert trusted is not None
    assert by_map["layercam backbone.sum"]["deletion"] == trusted.map.deletion


@pytest.mark.slow
def test_several_processes_measure_what_one_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, photos = two_detectors(tmp_path / "run"), noisy_photos(tmp_path)
    words = [
        str(run),
        str(photos / "photo0.png"),
        str(photos / "photo1.png"),
        "--task",
        "food",
        "--methods",
        "layercam",
    ]
    words += ["--layers", "neck.sum", "--conf", "0.5"]
    assert explain.main([*words, "--boxes", "4", "--out", str(tmp_path / "all.csv")]) == 0
    whole = capsys.readouterr().out
    assert whole.startswith("4 items of ")
    for name, skip in (("first", "0"), ("second", "2")):
        assert explain.main([*words, "--boxes", "2", "--skip", skip, "--out", str(tmp_path / f"{name}.csv")]) == 0
    capsys.readouterr()
    assert explain.main(["--table", str(tmp_path / "first.csv"), str(tmp_path / "second.csv")]) == 0
    assert capsys.readouterr().out == whole
    rows = [row for name in ("first", "second") for row in explain.read(tmp_path / f"{name}.csv")]
    assert rows == explain.read(tmp_path / "all.csv")
