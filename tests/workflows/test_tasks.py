"""The data of a recipe is opened with the kind and a modality of each task."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from builders.toy_parts import Squares, Tints

from polyhead.data.loading.source import Source
from polyhead.modalities.image import Image
from polyhead.types import Size
from polyhead.workflows.tasks import open_tasks


class Counting(Image):
    """Counts the inputs that it is fitted to; its key is given."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.given_key = key
        self.fitted_to = 0

    @property
    def key(self) -> str:
        return self.given_key

    def fit(
        self, inputs: Iterable[Any], size: Size | None, transforms: Any, earlier: Mapping[str, Any] | None = None
    ) -> None:
        self.fitted_to += len(list(inputs))
        super().fit([], size, transforms, earlier)


def squares(count: int = 10, **settings: Any) -> Source:
    return Source(Squares(count), Squares(4, 1), Squares(4, 2), workers=0, **settings)


def test_each_task_has_the_kind_of_its_reader_and_a_modality_of_its_own() -> None:
    tints = Source(Tints(9), Tints(6, 1), Tints(6, 2), workers=0, transforms="classify")
    tasks = open_tasks({"squares": squares(), "tints": tints}, (32, 48), 0)
    assert [task.kind.name for task in tasks.values()] == ["detection", "classification"]
    assert [task.modality.name for task in tasks.values()] == ["image", "image"]
    assert tasks["squares"].modality is not tasks["tints"].modality
    assert tasks["squares"].modality.state()["size"] == [32, 48]


def test_a_modality_is_fitted_to_the_training_inputs_of_all_tasks_that_share_its_backbone() -> None:
    """Not to those of val and test, nor to those of other backbones."""
    given = Counting("one")
    sources = {
        "a": squares(10, modality=given),
        "b": squares(7, modality=given),
        "c": squares(5, modality=Counting("two")),
    }
    fitted = [task.modality for task in open_tasks(sources, (32, 32), 0).values()]
    assert [each.fitted_to for each in fitted if isinstance(each, Counting)] == [17, 17, 5]
    assert given.fitted_to == 0, "the modality of the settings is not changed"


def test_known_splits_are_used_again() -> None:
    source = Source(Squares(20), split={"val": 0.2, "test": 0.2}, workers=0)
    first = open_tasks({"squares": source}, (32, 32), 0)["squares"]
    ids = {split: first.ids(split) for split in ("train", "val", "test")}
    again = open_tasks({"squares": source}, (32, 32), 1, {"squares": ids})["squares"]
    assert {split: again.ids(split) for split in ids} == ids
    other = open_tasks({"squares": source}, (32, 32), 1)["squares"]
    assert other.ids("val") != ids["val"]
    assert torch.equal(again.sample("val", 0).input, first.sample("val", 0).input)
