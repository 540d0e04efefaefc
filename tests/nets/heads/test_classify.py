import torch

from polyhead.nets.heads.classify import Classify
from polyhead.types import Batch, LabelBatch, Meta, Pyramid, PyramidSpec, TaskInfo


def batch(labels: torch.Tensor) -> Batch:
    return Batch(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), LabelBatch(labels), [Meta("a"), Meta("b")])


def test_probabilities_and_loss() -> None:
    head = Classify(PyramidSpec([4, 8], [8, 16]), TaskInfo(["cat", "dog", "owl"]))
    raw = head(Pyramid([torch.zeros(2, 4, 2, 2), torch.randn(2, 8, 1, 1)], (16, 16)))
    scores = torch.stack([labels.scores for labels in head.decode(raw)])
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(2))
    loss = head.losses(raw, batch(torch.tensor([0, 2])))["class"].value
    torch.testing.assert_close(loss, -scores[[0, 1], [0, 2]].log().mean())


def test_all_levels_are_pooled_one_after_the_other() -> None:
    spec, info = PyramidSpec([4, 8], [8, 16]), TaskInfo(["cat", "dog"])
    head = Classify(spec, info, all_levels=True)
    assert head.linear.in_features == 12
    levels = [torch.randn(2, 4, 2, 2), torch.randn(2, 8, 1, 1)]
    pooled = torch.cat([levels[0].mean((2, 3)), levels[1].mean((2, 3))], dim=1)
    torch.testing.assert_close(head(Pyramid(levels, (16, 16))).logits, head.linear(pooled))
