"""Explanations of predictions, in Python."""

from pathlib import Path

import pytest
from builders.red_or_blue import photo, predictor
from builders.untrained_run import two_detectors
from torch import Tensor

from polyhead.analysis.explain.shuffled import rank_correlation
from polyhead.analysis.explain.trust import inside
from polyhead.contracts.explained import SIDES
from polyhead.errors import PolyheadError
from polyhead.workflows.explain import Explainer
from polyhead.workflows.predict import load
from polyhead.workflows.result import Result


def test_a_result_explains_its_predictions() -> None:
    (result,) = predictor().predict([photo()])
    red, blue = result.explain()
    assert [each.item.caption.split()[0] for each in (red, blue)] == ["red", "blue"]
    assert red.trust is not None
    assert red.to_json()["trust"]["deletion"] == red.trust.map.deletion
    assert red.to_json()["box"] is None
    assert (red.image, red.task, red.place) == ("0", "color", 0)
    drawn = red.plot()
    assert drawn is not None
    assert drawn.width == 480
    (plain, _) = result.explain(trust=False, method="gradcam", levels="neck.8")
    assert plain.to_json()["verdict"] == "trust not measured"
    assert plain.method == "gradcam at neck.8"


def test_a_result_without_a_model_cannot_be_explained() -> None:
    (result,) = predictor().predict([photo()])
    alone = Result(result.image, result.task, result.prediction, result.names, result.kind, result.drawing)
    with pytest.raises(PolyheadError, match=r"^this result was not made by a predictor, so there is no model to"):
        alone.explain()


def test_several_maps_are_drawn_together() -> None:
    explainer = Explainer(predictor())
    ((image, forward, found, left),) = explainer.stream([photo()], label="red")
    assert (image, len(found), left) == ("0", 1, 0)
    together = explainer.together(forward, found)
    assert together is not None
    assert together.size == found[0].plot().size  # type: ignore[union-attr]  # the same image and one line of text
    ((_, _, found, left),) = explainer.stream([photo()], most=1)
    assert (len(found), left) == (1, 1)


@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_a_side_of_a_box_grows_with_what_its_map_explains(side: str, tmp_path: Path) -> None:
    explainer = Explainer(load(two_detectors(tmp_path)), "street", side=side)
    forward = explainer.run(photo())
    found = explainer.explain(forward, 0)
    assert (found.trust, found.verdict) == (None, "trust not measured")
    assert found.item.caption.endswith(f", {side} side")
    value = float(explainer.head.side(forward.traced.raw, forward.prediction, 0, side).detach())
    corner = dict(zip(SIDES, forward.prediction.boxes[0].tolist(), strict=True))[side]
    reach = value if side in ("right", "bottom") else -value
    assert min(max(reach, 0.0), 160.0) == pytest.approx(corner, abs=1e-2)  # boxes are clipped to the canvas


def test_a_side_of_what_is_no_box_is_an_error() -> None:
    explainer = Explainer(predictor(), side="left")
    with pytest.raises(
        PolyheadError, match=r"^Classify predicts no boxes, so the left side of one cannot be explained"
    ):
        explainer.explain(explainer.run(photo()), 0)
    with pytest.raises(PolyheadError, match=r"^side must be one of left, top, right, bottom, got 'front'$"):
        Explainer(predictor(), side="front")


def test_whether_a_map_can_be_trusted_is_computed_when_it_is_asked_for() -> None:
    explainer = Explainer(predictor(), trust=False)
    forward = explainer.run(photo())
    found = explainer.explain(forward, 0)
    assert found.trust is None
    judged = explainer.judged(forward, found)
    (expected, _) = predictor().predict([photo()])[0].explain()
    assert judged.trust == expected.trust


def test_two_objects_of_one_class_have_different_maps(data_root: Path, weights_root: Path) -> None:
    del weights_root
    photo_of_two = data_root / "penn_fudan/PennFudanPed/PNGImages/FudanPed00001.png"
    explainer = Explainer(load("yolox_nano"), trust=False)
    ((_, forward, found, _),) = explainer.stream(photo_of_two)
    left, right = found
    assert {each.item.label for each in found} == {0}
    assert isinstance(forward.inputs, Tensor)
    size = (int(forward.inputs.shape[-2]), int(forward.inputs.shape[-1]))
    for one, other in ((left, right), (right, left)):
        assert inside(one.values, one.item, size)[1] is True  # the largest value is in its own box
        assert inside(one.values, other.item, size)[1] is False
    assert rank_correlation(left.values, right.values) < 0.5
