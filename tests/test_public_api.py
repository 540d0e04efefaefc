"""The public names of the package."""

from types import ModuleType

import pytest

import polyhead


@pytest.mark.parametrize("name", polyhead.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    value = getattr(polyhead, name)
    assert isinstance(value, ModuleType) is (name == "models")
    assert value.__name__ == (f"polyhead.{name}" if name == "models" else name)
    assert name in dir(polyhead)


def test_models_are_reached_through_their_module() -> None:
    assert polyhead.models.ssd300 is polyhead.ssd300
    assert set(polyhead.models.__all__) == {"classifier", "efficientdet", "ssd300", "unified"}
