from builders.image_batches import images

from polyhead.models import classifier
from polyhead.types import Labels

BACKBONE = "test_resnet"


def test_a_classifier_predicts_a_probability_for_each_class() -> None:
    model = classifier(BACKBONE, size=64).build({"pets": ["cat", "dog", "owl"]}).eval()
    found = model.head("pets").decode(model(images(2, 64))["pets"])
    assert [labels.scores.shape for labels in found if isinstance(labels, Labels)] == [(3,), (3,)]
