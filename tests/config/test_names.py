"""Names in a recipe: those of runs stay in their folder, and those that YAML reads as something else are refused."""

from typing import Any

import pytest

from polyhead.config import recipe
from polyhead.config.names import check_names
from polyhead.errors import PolyheadError

NO_FOLDER = "name: expected a folder name within 'runs'"


def resolved(name: Any, *changes: str) -> Any:
    """Return the name of the run of a recipe."""
    data = {"shapes": {"reader": "scenes", "count": 3}}
    config = {"model": "ssd300", "data": data, "stages": [{"epochs": 1}], "name": name}
    return recipe.resolve(config, changes, "mine")["name"]


@pytest.mark.parametrize("name", ["/abs", "..", "a/../b", "../a", ".", "a/..", "C:x", "\\\\host\\x", "a\nb", "a\x1b"])
def test_a_run_stays_in_the_folder_of_the_runs(name: str) -> None:
    with pytest.raises(PolyheadError, match=f"^{NO_FOLDER}, got "):
        resolved(name)


@pytest.mark.parametrize("name", ["2024_01", "on", "a,b+c", "with space", "lr/low", "ü猫", "..a"])
def test_other_names_of_runs_are_taken_as_they_are_typed(name: str) -> None:
    assert resolved("other", f"name={name}") == name
    assert resolved("other", "name=null") == "mine"


def test_a_name_in_a_recipe_that_yaml_reads_as_a_number_needs_quotes() -> None:
    with pytest.raises(PolyheadError, match=r"^name: expected str or null, got '202401'; put it in quotes$"):
        resolved(202401)


@pytest.mark.parametrize(
    ("name", "got"), [(2024, "2024 (int)"), (True, "True (bool)"), (None, "null (NoneType)"), (1.5, "1.5 (float)")]
)
def test_names_that_yaml_reads_as_something_else_need_quotes(name: Any, got: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        check_names({"a": 1, name: 2, str(name): 3}, "data")
    assert str(caught.value) == f"data: expected names, got {got}; put the name in quotes"
    assert check_names({str(name): 3}, "data") == {str(name): 3}


@pytest.mark.parametrize(
    "change", ["data={on: {}}", "model.heads={no: detect}", "data.shapes={reader: merge, parts: {1: a}}"]
)
def test_they_are_refused_wherever_a_recipe_has_names(change: str) -> None:
    with pytest.raises(PolyheadError, match=r"^(data|model\.heads|data\.shapes\.reader\.parts): expected names, got "):
        resolved("mine", change)
