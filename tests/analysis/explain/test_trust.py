"""The verdict on maps: a map that marks what matters is trusted, maps that know nothing are not."""

import pytest
import torch
from builders.red_or_blue import SIDE, photo, predictor

from polyhead.analysis.explain.layers import Layers
from polyhead.analysis.explain.methods import METHODS
from polyhead.analysis.explain.references import gaussian
from polyhead.analysis.explain.trust import Curves, Trust, average, inside
from polyhead.contracts.explained import Item
from polyhead.workflows.explain import Explainer

PLACES = [(8, 40), (0, 0), (40, 8), (48, 48)]


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(predictor())


@pytest.mark.parametrize(("left", "top"), PLACES)
def test_the_map_of_what_matters_beats_every_reference(explainer: Explainer, left: int, top: int) -> None:
    forward = explainer.run(photo(left, top), 0.25)
    assert forward.items[0].caption.startswith("red")
    trust = explainer.explain(forward, 0).trust
    assert trust is not None
    assert trust.map.deletion < min(curves.deletion for curves in trust.references.values())
    assert trust.map.insertion > max(curves.insertion for curves in trust.references.values())


@pytest.mark.parametrize(("left", "top"), PLACES)
@pytest.mark.parametrize("name", ["constant", "random", "Gaussian", "elsewhere", "perfect"])
def test_maps_that_do_not_depend_on_the_network_are_not_trusted(
    monkeypatch: pytest.MonkeyPatch, name: str, left: int, top: int
) -> None:
    """Not even one that marks the right place."""
    maps = {
        "constant": torch.ones(8, 8),
        "random": torch.rand(8, 8, generator=torch.Generator().manual_seed(0)),
        "Gaussian": gaussian((8, 8)),
        "elsewhere": gaussian((8, 8), torch.tensor([3.0, 3, 5, 5])),
        "perfect": gaussian((8, 8), torch.tensor([left, top, left + 16.0, top + 16.0]) / 8),
    }
    monkeypatch.setitem(METHODS, "fixed", lambda activation, gradient: maps[name])
    fixed = Explainer(predictor(), method="fixed")
    trust = fixed.explain(fixed.run(photo(left, top)), 0).trust
    assert trust is not None
    assert trust.shuffled == 1
    assert trust.verdict.startswith("not trustworthy: ")


def test_the_verdict_says_what_is_wrong() -> None:
    good = Curves(0.1, 0.8)
    known = {"random": Curves(0.4, 0.4), "noise": Curves(0.3, 0.5), "center": Curves(0.2, 0.6)}
    assert Trust(good, known, 0.1, 0.1, None, None).verdict == "trustworthy"
    same = Trust(good, known, 0.5, 0.1, None, None)
    assert same.verdict == "not trustworthy: it hardly changes when all weights of the network are shuffled"
    box = {**known, "box": Curves(0.1, 0.9)}
    assert "no more than hiding a blob in the shape of its box" in Trust(good, box, 0.1, 0.1, 1.0, True).verdict
    late = Trust(Curves(0.25, 0.5), known, 0.1, 0.1, None, None)
    assert late.faults == [
        "hiding what it marks changes the prediction no more than hiding a blob in the middle",
        "showing what it marks brings the prediction back no sooner than showing random places",
    ]
    figures = average([same, late])
    assert figures["deletion"] == pytest.approx(0.175)
    assert figures["trustworthy"] == 0
    assert "energy" not in figures
    assert figures["center_insertion"] == pytest.approx(0.6)


def test_energy_and_hits_are_those_of_the_box_or_of_the_region() -> None:
    values = torch.zeros(8, 8)
    values[1, 1], values[6, 6] = 1.0, 0.5
    box = Item(0, "", 1.0, 0, torch.tensor([0.0, 0, 32, 32]))
    energy, hit = inside(values, box, (SIDE, SIDE))
    assert (round(energy or 0, 6), hit) == (0.666667, True)
    region = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    region[40:, 40:] = True
    energy, hit = inside(values, box._replace(inside=region), (SIDE, SIDE))
    assert (round(energy or 0, 6), hit) == (0.333333, False)
    assert inside(values, Item(0, "", 1.0, 0), (SIDE, SIDE)) == (None, None)


def test_without_trust_only_maps_are_computed() -> None:
    explainer = Explainer(predictor(), levels="neck.8", trust=False)
    assert explainer.layers == Layers("neck", (8,))
    explanation = explainer.explain(explainer.run(photo()), 0)
    assert (explanation.trust, explanation.verdict) == (None, "trust not measured")
