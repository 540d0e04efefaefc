"""Confident learning finds what cleanlab finds."""

import numpy as np
import pytest
import torch
from cleanlab.filter import find_label_issues

from polyhead.metrics.class_label_errors import contradicted


@pytest.mark.parametrize("seed", range(5))
def test_findings_and_their_order_equal_those_of_cleanlab(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    truly = torch.randint(4, (300,), generator=draw)
    logits = torch.randn(300, 4, generator=draw) + 2.5 * torch.eye(4)[truly]
    probabilities = logits.double().softmax(dim=1).numpy()
    labels = torch.where(torch.rand(300, generator=draw) < 0.1, torch.randint(4, (300,), generator=draw), truly).numpy()
    expected = find_label_issues(
        labels, probabilities, filter_by="confident_learning", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    found, suggested = contradicted(labels, probabilities)
    assert len(found) > 5
    assert found.tolist() == expected.tolist()
    assert (suggested != labels[found]).all()


def test_a_class_without_labels_is_never_suggested() -> None:
    probabilities = np.array([[0.6, 0.1, 0.3], [0.1, 0.2, 0.7], [0.2, 0.8, 0.0]])
    found, _ = contradicted(np.array([0, 0, 1]), probabilities)
    assert found.tolist() == []


def test_one_wrong_label_among_sure_ones_is_found() -> None:
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 4)
    found, suggested = contradicted(np.array([0, 0, 0, 1, 1, 1, 1, 1]), probabilities)
    assert (found.tolist(), suggested.tolist()) == ([3], [0])
