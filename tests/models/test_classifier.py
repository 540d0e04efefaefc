import pytest
import torch
from builders.image_batches import images

from polyhead.models import classifier
from polyhead.types import Labels, TaskInfo

BACKBONE = "test_resnet"


def test_a_classifier_predicts_a_probability_for_each_class() -> None:
    model = classifier(BACKBONE, size=64).build({"pets": TaskInfo(["cat", "dog", "owl"])}).eval()
    found = model.head("pets").decode(model(images(2, 64))["pets"])
    assert [labels.scores.shape for labels in found if isinstance(labels, Labels)] == [(3,), (3,)]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_changes_the_logits_in_training_only(dropout: float) -> None:
    model = classifier(BACKBONE, size=64, dropout=dropout).build({"pets": TaskInfo(["cat", "dog", "owl"])}).eval()
    pyramid = model.trunk(images(2, 64))
    head = model.head("pets")
    for training in (False, True):
        head.train(training)
        logits = [head(pyramid).logits for _ in range(3)]
        assert all(torch.equal(each, logits[0]) for each in logits) is not (training and dropout > 0)
