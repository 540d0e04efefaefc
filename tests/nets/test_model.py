"""Names that heads can have."""

import pytest
from builders.toy_parts import toy_model

from polyhead.errors import PolyheadError


@pytest.mark.parametrize("task", ["", "a.b", "a/b", "a,b", "a=b", "train", "keys", "training", "keep", "loss"])
def test_names_that_torch_cannot_keep_are_refused(task: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        toy_model().build({task: ["cat"]})
    assert str(caught.value) == (
        f"a task cannot be called {task!r}: its name must be non-empty, without any of . / \\ , =, and not that of a "
        "method of torch's modules, nor loss or keep; rename it in data:"
    )
