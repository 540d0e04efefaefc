"""Explanations of predictions, in Python."""

import pytest
from builders.red_or_blue import photo, predictor

from polyhead.errors import PolyheadError
from polyhead.workflows.explain import Explainer
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
