import resource
import sys

import pytest
import torch

from benchmarks.speed import (
    ABOVE,
    CLASSES,
    Side,
    ours,
    process_megabytes,
    race,
    random_batch,
    row,
    set_background,
    theirs,
)


@pytest.mark.parametrize("who", ["ours", "theirs"])
def test_both_sides_learn_and_find_as_much_as_a_trained_network(who: str) -> None:
    batch = random_batch(2, 96)
    side: Side = ours("resnet10t", batch, 96, "32-true") if who == "ours" else theirs("resnet10t", batch, 96)
    taken = race({"train": side.train}, rounds=1)
    assert len(taken["train"]) == 1
    assert taken["train"][0] > 0
    side.calm()
    found = side.infer()
    counts = [len(each.scores) for each in found.values()] if who == "ours" else [len(each["scores"]) for each in found]
    assert len(counts) == 2
    assert 0 < sum(counts) <= 2 * ABOVE


def test_inference_is_timed_in_the_precision_that_is_asked_for() -> None:
    batch = random_batch(1, 96)
    found = {}
    for precision in ("32-true", "bf16-mixed"):
        torch.manual_seed(0)
        side = ours("resnet10t", batch, 96, precision)
        side.calm()
        (found[precision],) = side.infer().values()
    assert not torch.equal(found["32-true"].scores, found["bf16-mixed"].scores)


def test_background_leaves_as_many_pairs_above_the_threshold() -> None:
    logits = torch.randn(3, 400, 1 + CLASSES, generator=torch.Generator().manual_seed(0))
    bias = torch.zeros(4)
    set_background(logits, [bias])
    logits[..., 0] += bias[0]
    above = int((logits.softmax(dim=2)[..., 1:] > 0.01).sum()) / 3
    assert abs(above - ABOVE) < 2
    assert (bias == bias[0]).all()


def test_ratios_say_how_many_times_ours_is_faster() -> None:
    assert row("step", [1.0, 2.0, 1.0], [2.0, 2.0, 3.0]).split() == [
        "step",
        "1000",
        "2000",
        "2.00",
        "1.00",
        "to",
        "3.00",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_printed_in_megabytes() -> None:
    known = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert process_megabytes() == pytest.approx(known, rel=0.1)
