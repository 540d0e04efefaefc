"""The public names of the package."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

import polyhead


@pytest.mark.parametrize("name", polyhead.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    value = getattr(polyhead, name)
    assert isinstance(value, ModuleType) is (name == "models")
    assert value.__name__ == (f"polyhead.{name}" if name == "models" else name)
    assert name in dir(polyhead)


def test_type_checkers_see_names_that_do_not_exist() -> None:
    """A module with ``__getattr__`` accepts every name, so type checkers must not see the function."""
    module = ast.parse(Path(polyhead.__file__).read_text(encoding="utf-8"))
    assert "__getattr__" not in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
    (hidden,) = (node for node in module.body if isinstance(node, ast.If) and isinstance(node.test, ast.UnaryOp))
    assert ast.unparse(hidden.test) == "not TYPE_CHECKING"
    assert [node.name for node in hidden.body if isinstance(node, ast.FunctionDef)] == ["__getattr__"]


def test_a_recipe_that_does_not_exist_is_named() -> None:
    with pytest.raises(polyhead.PolyheadError, match=r"'x'"):
        polyhead.train("x")


def test_models_are_reached_through_their_module() -> None:
    assert polyhead.models.ssd300 is polyhead.ssd300
    assert set(polyhead.models.__all__) == {
        "classifier",
        "efficientdet",
        "ssd300",
        "unified",
        "yolov3",
        "yolov3_tiny",
        "yolox",
    }
