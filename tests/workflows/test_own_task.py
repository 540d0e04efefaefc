"""What a Python user gives as the data of a task: all mistakes are named before anything is trained."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from builders.error_kind import MeanError
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from polyhead.contracts import classes
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.errors import PolyheadError
from polyhead.kinds.classification import Classification
from polyhead.modalities.tensor import Tensors
from polyhead.workflows.own_task import Task, check_forms

DATA = TensorDataset(torch.randn(12, 2, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 2)
NAMES = ["left", "right"]


class Endless(IterableDataset[Any]):  # pylint: disable=abstract-method  # it has no items by index
    """A data set without a length."""

    def __iter__(self) -> Iterator[Any]:
        yield DATA[0]


class Needy(Tensors):
    """A modality that only its maker can build."""

    name = "builders.needy.Needy"  # a property elsewhere

    def __init__(self, size: int) -> None:
        self.size = size


def test_names_are_stored_as_plain_strings() -> None:
    for names in (np.array(NAMES), tuple(NAMES)):
        reader = Task(DATA, names).source("side").reader
        assert [type(name) for name in reader.names] == [str, str]
    assert Task(DATA, range(2)).source("side").reader.names == ["0", "1"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": "ab"}, "task 'side': names: expected a list of names, got 'ab'. Give ['cat', 'dog']."),
        ({"names": 2}, "names: expected a list of names, got 2."),
        ({"names": ["a", "a"]}, "names: expected a different name for each class, got 'a' twice."),
        ({"names": []}, "names: expected a different name for each class, got none."),
        ({"train": DataLoader(DATA)}, "task 'side': train: expected a map-style data set (with len() and [index], "),
        ({"val": Endless()}, "task 'side': val: expected a map-style data set"),
        ({"train": {"x": 1}}, "got dict. Batches are made by polyhead.fit."),
        (
            {"val": DATA, "test": None},
            "task 'side': 12 samples are in both train and val, and a score on training data",
        ),
        ({"kind": Classification}, "kind: expected a name or a Kind object, got <class"),
        ({"kind": Classification}, "Create an object of it: Classification()."),
        ({"kind": 1}, "kind: expected a name or a Kind object, got 1. See docs/own_parts.md."),
        ({"kind": "regression"}, "there is no kind 'regression'"),
        ({"modality": "images"}, "there is no modality 'images'; did you mean 'image'?"),
        ({"transforms": {"preset": "lite"}}, "transforms: unknown preset 'lite'; did you mean 'light'?"),
        ({"transforms": {"preset": "light", "hue": 1}}, "transforms: preset 'light' has no such settings"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    task = Task(DATA, NAMES)
    vars(task).update(settings)  # tests check the types of arguments
    with pytest.raises(PolyheadError) as caught:
        task.source("side")
    assert message in str(caught.value)


def test_subsets_of_one_data_set_may_not_overlap() -> None:
    first, second = Subset(DATA, range(8)), Subset(DATA, range(8, 12))
    assert Task(first, NAMES, second).source("side").val is not None
    nested = Subset(Subset(DATA, [11, 0, 10]), [1, 2])
    with pytest.raises(PolyheadError, match="1 samples are in both train and val"):
        Task(first, NAMES, nested).source("side")


def test_transforms_are_a_preset_or_one_with_settings() -> None:
    given: list[Any] = [None, "light", {"preset": "light"}, {"preset": "yolov4", "mosaic": 0.0}]
    found = [Task(DATA, NAMES, transforms=each).source("side").transforms for each in given]
    assert found == ["plain", "light", "light", Yolov4(mosaic=0.0)]


def test_objects_are_trusted_and_must_be_found_by_their_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "ALLOWED", ["polyhead"])
    numbers = TensorDataset(DATA.tensors[0], torch.rand(12))
    assert Task(numbers, ["age"], kind=MeanError()).source("age").reader.kind == "builders.error_kind.MeanError"
    assert "builders" in classes.ALLOWED

    class Hidden(MeanError):
        """A kind that no other process can import."""

    with pytest.raises(PolyheadError, match=r"cannot be imported: .* Define the class at the top level of a module"):
        Task(numbers, ["age"], kind=Hidden()).source("age")


def test_a_modality_is_built_without_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    load = classes.load
    monkeypatch.setattr(classes, "load", lambda name, *given: Needy if "needy" in name else load(name, *given))
    with pytest.raises(PolyheadError, match=r"cannot be built without arguments .* give every argument a default"):
        Task(DATA, NAMES, modality=Needy(3)).source("side")


@pytest.mark.parametrize("inputs", [torch.ones(12, 2, dtype=torch.int64), torch.ones(12, 3)])
def test_inputs_of_one_backbone_have_one_form(inputs: torch.Tensor) -> None:
    tasks = {"a": Task(DATA, NAMES), "b": Task(TensorDataset(inputs, DATA.tensors[1]), NAMES)}
    check_forms({"a": tasks["a"].source("a")})
    with pytest.raises(PolyheadError) as caught:
        check_forms({name: task.source(name) for name, task in tasks.items()})
    message = "task 'b' (train): expected inputs of torch.float32 [2], as in task 'a' (train), got torch."
    assert str(caught.value).startswith(message)
