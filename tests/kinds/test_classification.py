"""Classification: probabilities are stored with their targets, scored, described and plotted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.plot_data import pixels
from builders.split_targets import split_targets
from builders.toy_parts import Tints
from matplotlib.axes import Axes

from polyhead.contracts.kind import Targets
from polyhead.errors import PolyheadError
from polyhead.kinds import classification
from polyhead.kinds.classification import Classification, TestedLabels
from polyhead.metrics.intervals import wilson
from polyhead.metrics.labels import labels
from polyhead.plotting import figures
from polyhead.types import ClassLabel, Labels

KIND = Classification()
NAMES = ["cat", "dog", "cow"]


def targets_of(*classes: int) -> Targets:
    images = {f"p{index}": ClassLabel(torch.tensor(label)) for index, label in enumerate(classes)}
    return split_targets("classification", NAMES, images)


def probabilities(count: int, seed: int = 0) -> dict[str, Labels]:
    scores = (3 * torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))).softmax(1)
    return {f"p{index}": Labels(row) for index, row in enumerate(scores)}


def test_labels_come_back_in_the_order_of_the_targets(tmp_path: Path) -> None:
    path, found, targets = tmp_path / "deep" / "test.a.npz", probabilities(3), targets_of(0, 2, 1)
    KIND.save(path, targets, dict(reversed(found.items())))
    tested = KIND.load(path, "a")
    assert isinstance(tested, TestedLabels)
    assert (tested.task, tested.names, tested.ids) == ("a", NAMES, ["p0", "p1", "p2"])
    assert (tested.probabilities == torch.stack([each.scores for each in found.values()]).numpy()).all()
    assert tested.true.tolist() == [0, 2, 1]
    with pytest.raises(PolyheadError, match="image 'p2' has no prediction"):
        KIND.save(path, targets, {name: found[name] for name in ("p0", "p1")})


@pytest.mark.parametrize(("classes", "true"), [(1, 2), (1, -1), (2, 0)])
def test_labels_that_do_not_fit_the_classes_are_refused(tmp_path: Path, classes: int, true: int) -> None:
    columns: dict[str, Any] = {"names": np.array(["a"]), "ids": np.array(["x"]), "true": np.array([true])}
    np.savez(tmp_path / "a.npz", probabilities=np.ones((1, classes), np.float32), **columns)
    with pytest.raises(PolyheadError, match="do not fit the 1 class names"):
        KIND.load(tmp_path / "a.npz", "a")


def test_the_report_has_the_scores_and_the_mistakes_of_the_labels() -> None:
    targets, found, train = targets_of(*[0, 1, 2, 1] * 5), probabilities(20), targets_of(2, 2, 1)
    scores, report = labels(targets.gathered, found, NAMES), KIND.report(targets, found, train)
    assert 0 < scores.accuracy < 1
    assert report["score"] == scores.accuracy
    assert report["macro_f1"] == scores.macro_f1
    assert KIND.score(targets, found) == {"accuracy": scores.accuracy, "f1": scores.macro_f1}
    assert report["interval"] == list(wilson(scores.accuracy, 20))
    assert {name: each["images"] for name, each in report["classes"].items()} == {"cat": 5, "dog": 10, "cow": 5}
    assert report["dummy_baseline"] == {"name": "always 'cow', the most frequent class in training", "score": 0.25}
    assert KIND.dummy(targets, targets) == 0.5
    assert report["train_images"] == {"cat": 0, "dog": 1, "cow": 2}


def test_measures_are_the_scores_of_the_resample(tmp_path: Path) -> None:
    targets, found = targets_of(0, 1, 2, 1), probabilities(4)
    KIND.save(tmp_path / "a.npz", targets, found)
    tested = KIND.load(tmp_path / "a.npz", "a")
    weights = np.array([[1, 1, 1, 1], [3, 1, 0, 0], [0, 0, 0, 4]])
    correct = np.array([int(found[name].scores.argmax() == targets[name].label) for name in targets.ids])
    assert 0 < correct.sum() < 4
    measure = tested.bootstrap(tested)
    assert measure("accuracy", weights) == pytest.approx(weights @ correct / 4)
    recalls = [correct[0], (correct[1] + correct[3]) / 2, correct[2]]
    assert measure("mean_accuracy", weights) == pytest.approx(
        [np.mean(recalls), (correct[0] + correct[1]) / 2, correct[3]]
    )
    assert tested.counts() == (4, 4, 3, 0)


def test_a_batch_has_one_class_for_each_sample() -> None:
    targets = targets_of(0, 2, 1)
    assert KIND.collate([targets[each] for each in targets.ids]).labels.tolist() == [0, 2, 1]
    assert KIND.shown(targets) == [{("value", 0)}, {("value", 2)}, {("value", 1)}]
    assert KIND.has_content(targets) == [True] * 3
    assert KIND.peers(targets) is None
    assert KIND.as_target(2, None, NAMES) == ClassLabel(torch.tensor(2))


def test_probabilities_as_columns_text_and_marks() -> None:
    prediction = Labels(torch.tensor([0.2, 0.7, 0.1]))
    columns = KIND.columns(prediction)
    assert (columns.scores.tolist(), columns.classes.tolist()) == (pytest.approx([0.7, 0.2, 0.1]), [1, 0, 2])
    assert (columns.boxes, columns.mask) == (None, None)
    assert KIND.describe(prediction, NAMES) == "dog 0.70"
    assert KIND.marks(prediction, NAMES, "pets").notes == ["dog 0.70", "cat 0.20", "cow 0.10"]
    four = Labels(torch.tensor([0.2, 0.6, 0.1, 0.1]))
    assert len(KIND.marks(four, [*NAMES, "hen"]).notes) == 3
    assert KIND.target_marks(ClassLabel(torch.tensor(2)), NAMES).notes == ["cow"]


def test_supervision_gets_the_most_probable_class_first() -> None:
    pytest.importorskip("supervision")
    assert KIND.to_supervision(Labels(torch.tensor([0.2, 0.7, 0.1])), NAMES).class_id.tolist() == [1, 0, 2]


def test_classes_of_whole_images_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = KIND.plot_data(Targets.of(KIND, Tints(9)), "tints", tmp_path / "labels.png")
    assert path is not None
    assert pixels(path).std() > 1
    titles: list[str] = []
    monkeypatch.setattr(Axes, "set_title", lambda _, title, **__: titles.append(title))
    KIND.plot_data(Targets.of(KIND, Tints(9)), "tints", tmp_path / "labels.png")
    assert titles == ["tints: 9 images, 3 classes"]


def test_the_confusion_matrix_is_plotted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrices: list[np.ndarray] = []
    KIND.save(tmp_path / "a.npz", targets_of(0, 1, 1), {f"p{index}": Labels(torch.eye(3)[1]) for index in range(3)})

    def record(matrix: np.ndarray, names: list[str], path: Path, title: str) -> Path:
        matrices.append(matrix)
        assert title == "confusion\nrun: pets, val, n = 3"
        return figures.confusion_matrix(matrix, names, path, title)

    monkeypatch.setattr(classification, "confusion_matrix", record)
    tested = KIND.load(tmp_path / "a.npz", "pets")
    (path,) = KIND.plot_results(tested, "run: pets, val, n = 3", lambda plot: tmp_path / f"{plot}.png")
    assert path.name == "confusion_matrix.png"
    assert pixels(path).std() > 1
    assert matrices[0].tolist() == [[0, 1, 0], [0, 2, 0], [0, 0, 0]]


def test_facts_are_about_confusions_and_rare_classes() -> None:
    numbers = {"confusions": [["cat", "dog", 0.25]], "train_images": {"cat": 3, "dog": 200}}
    assert KIND.facts(numbers) == [
        "Most frequent confusion: cat is predicted as dog (25% of its images); see the plots in plots/.",
        "Fewer than 50 training images: cat (3); more images of these classes help most.",
    ]


def test_each_class_can_be_explained_and_agrees_by_its_probability() -> None:
    found, other = Labels(torch.tensor([0.1, 0.7, 0.2])), Labels(torch.tensor([0.5, 0.3, 0.2]))
    kind = Classification()
    items = kind.items(found, ["a", "b", "c"])
    assert [(each.number, each.caption, each.box) for each in items] == [
        (1, "b 0.70", None),
        (2, "c 0.20", None),
        (0, "a 0.10", None),
    ]
    assert kind.agreement(found, items[0], other) == pytest.approx(0.3)
