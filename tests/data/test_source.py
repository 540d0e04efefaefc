"""Settings of a source that no loader can have."""

import pytest
from toys import Squares

from polyhead.data.source import Source
from polyhead.errors import SettingError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 0}, "batch must be 1 or more, got 0"),
        ({"val_batch": 0}, "val_batch must be 1 or more, got 0"),
        ({"workers": -1}, "workers must be 0 or more, got -1"),
        ({"cache": -0.5}, "cache must be 0 or more, got -0.5"),
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Source(Squares(3), **settings)  # type: ignore[arg-type]  # of one type as far as mypy sees
    assert str(caught.value) == message


def test_the_smallest_values_are_taken() -> None:
    source = Source(Squares(3), batch=1, val_batch=1, workers=0, cache=0.0)
    assert (source.batch, source.val_batch, source.workers, source.cache) == (1, 1, 0, 0.0)
