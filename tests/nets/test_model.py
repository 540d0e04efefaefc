"""Names that tasks can have."""

import pytest
from builders.toy_parts import toy_model

from polyhead.errors import PolyheadError


@pytest.mark.parametrize("task", ["", "a.b", "a/b", "a,b", "a=b", "train", "keys", "training", "continual", "loss"])
def test_task_names_that_cannot_be_used_are_refused(task: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        toy_model().build({task: ["cat"]})
    assert str(caught.value) == (
        f"{task!r} is not a valid task name: expected a non-empty name without any of . / \\ , = that is neither a "
        "method of torch's modules nor loss or continual. Rename the task in data:."
    )
