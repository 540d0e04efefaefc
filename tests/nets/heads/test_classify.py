import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.nets.heads.classify import Classify, Logits
from polyhead.types import Batch, Pyramid


def batch(values: torch.Tensor | None) -> Batch:
    none = torch.full((2, 1), -1)
    return Batch(
        torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
        torch.zeros(2, 1, 4),
        none,
        none > 0,
        torch.ones(2, 3, dtype=torch.bool),
        torch.zeros(2, 3, 2),
        torch.zeros(2, 2, dtype=torch.int64),
        ["a", "b"],
        values=values,
    )


def test_probabilities_and_loss() -> None:
    head = Classify([4, 8], [8, 16], ["cat", "dog", "owl"])
    raw = head(Pyramid([torch.zeros(2, 4, 2, 2), torch.randn(2, 8, 1, 1)], (16, 16)))
    scores = torch.stack([labels.scores for labels in head.decode(raw)])
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(2))
    loss = head.losses(raw, batch(torch.tensor([0, 2])))["class"]
    torch.testing.assert_close(loss, -scores[[0, 1], [0, 2]].log().mean())


def test_images_without_a_class_raise_an_error_with_a_remedy() -> None:
    head = Classify([8], [16], ["cat", "dog"])
    with pytest.raises(PolyheadError, match=r"needs images with one class each\. Use a reader that provides a value\."):
        head.losses(Logits(torch.zeros(2, 2)), batch(None))
