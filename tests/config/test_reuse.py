"""What is computed from equal settings is reused within a block only, and never shared."""

from polyhead.config.reuse import reused, reusing


def test_a_key_is_computed_once_within_a_block_and_copied() -> None:
    calls: list[str] = []

    def compute() -> dict[str, list[str]]:
        calls.append("call")
        return {"stages": []}

    with reusing():
        first = reused("key", compute)
        first["stages"].append("changed")
        assert reused("key", compute) == {"stages": []}
        assert calls == ["call"]
        reused("another", compute)
    assert len(calls) == 2
    for _ in range(2):
        reused("key", compute)
    assert len(calls) == 4
