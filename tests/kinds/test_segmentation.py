"""Segmentation: masks are reduced to counts, which are stored, scored and plotted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders.plot_data import pixels
from builders.split_targets import split_targets
from PIL import Image
from torch import Tensor

from polyhead.contracts.kind import Targets, reduced
from polyhead.data.geometry.plane import ImageMeta
from polyhead.data.synthetic.scenes import Scenes
from polyhead.errors import PolyheadError
from polyhead.kinds.segmentation import Segmentation, TestedMasks
from polyhead.metrics import store
from polyhead.metrics.masks import METRICS, PixelCounts, count_pixels, masks
from polyhead.plotting.draw import color
from polyhead.types import Mask

KIND = Segmentation()
NAMES = ["background", "cat", "dog"]


def image(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.uint8)


def counted(count: int = 4, classes: int = 3, seed: int = 0) -> dict[str, PixelCounts]:
    generator = torch.Generator().manual_seed(seed)
    shape = (classes, classes + 1)
    correct = 20 * torch.eye(*shape, dtype=torch.int64)
    return {f"p{index}": PixelCounts(correct + torch.randint(9, shape, generator=generator)) for index in range(count)}


def targets_of(found: dict[str, PixelCounts], names: list[str]) -> Targets:
    """Return masks that have the target pixels of the counts."""
    masks_by_id = {
        name: Mask(torch.arange(len(names), dtype=torch.uint8).repeat_interleave(each.counts.sum(1))[None])
        for name, each in found.items()
    }
    return split_targets("segmentation", names, masks_by_id)


def test_counts_of_pixels_come_back(tmp_path: Path) -> None:
    path, found = tmp_path / "deep" / "test.a.npz", counted()
    KIND.save(path, targets_of(found, NAMES), found)
    tested = KIND.load(path, "a")
    assert isinstance(tested, TestedMasks)
    assert (tested.task, tested.names, tested.ids) == ("a", NAMES, [*found])
    assert tested.pixels.tolist() == [each.counts.tolist() for each in found.values()]
    assert tested.pixels.dtype == np.int64
    KIND.save(path, split_targets("segmentation", NAMES, {}), {})
    assert store.read(path, {"pixels": ("i", (3, 4))})["ids"].tolist() == []


@pytest.mark.parametrize("pixels_of", [np.zeros((1, 3, 4)), np.zeros((1, 2, 2)), np.full((1, 2, 3), -1)])
def test_counts_that_do_not_fit_the_classes_are_refused(tmp_path: Path, pixels_of: np.ndarray) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, names=np.array(["a", "b"]), ids=np.array(["x"]), pixels=pixels_of.astype(np.int64))
    with pytest.raises(PolyheadError, match="pixels are not counts of the 2 classes"):
        KIND.load(path, "a")


def test_masks_are_reduced_to_counts_and_read_only_one_at_a_time() -> None:
    read: list[int] = []

    def target(index: int) -> Mask:
        read.append(index)
        return Mask(image([[0, 1]]))

    targets = Targets(KIND, NAMES, ["a", "b"], target)
    found = reduced(targets, "b", Mask(image([[0, 1]])))
    assert isinstance(found, PixelCounts)
    assert found.counts.trace() == 2
    assert read == [1]
    one = split_targets("segmentation", NAMES, {"b": Mask(image([[0, 1]]))})
    assert KIND.score(one, {"b": found}) == {"miou": 1.0, "pixel_accuracy": 1.0}


def test_intervals_hold_the_score_and_shrink_with_more_images() -> None:
    few, many = counted(6, 5), counted(60, 5)
    names = list("abcde")
    small, large = (
        KIND.report(targets_of(found, names), found, targets_of(found, names))["intervals"] for found in (few, many)
    )
    scores = masks([*many.values()], names)
    for metric in METRICS:
        value, low, high = large[metric]
        assert value == pytest.approx(getattr(scores, metric))
        assert low <= value <= high
        assert high - low < small[metric][2] - small[metric][1]
    statistics = KIND.statistics(targets_of(many, names), many)
    assert KIND.intervals(statistics, METRICS) == KIND.intervals(statistics, METRICS)


def test_the_report_has_the_scores_and_the_mistakes_of_the_masks() -> None:
    found = counted()
    targets, scores = targets_of(found, NAMES), masks([*counted().values()], NAMES)
    train = split_targets("segmentation", NAMES, {"t": Mask(image([[1, 1, 255]])), "u": Mask(image([[0, 1, 2]]))})
    report = KIND.report(targets, found, train)
    assert report["score"] == scores.miou == pytest.approx(KIND.score(targets, found)["miou"])
    assert (report["miou_foreground"], report["mean_accuracy"]) == (scores.miou_foreground, scores.mean_accuracy)
    assert {name: each["pixels"] for name, each in report["classes"].items()} == scores.pixels
    assert report["dummy_baseline"]["name"] == "every pixel 'cat', the most frequent in training"
    cats = [count_pixels(Mask(torch.ones_like(targets[name].classes)), targets[name].classes, 3) for name in found]
    assert report["dummy_baseline"]["score"] == masks(cats, NAMES).miou == KIND.dummy(train, targets)
    assert report["train_images"] == {"background": 1, "cat": 2, "dog": 1}
    assert len(report["confusions"]) == 5


def test_ignored_pixels_are_neither_counted_nor_shown() -> None:
    ignored, empty = Mask(image([[255, 255]])), Mask(image([[0, 255]]))
    targets = split_targets("segmentation", NAMES, {"a": ignored, "b": empty, "c": Mask(image([[2, 2]]))})
    assert targets.gathered.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 2]]
    assert KIND.shown(targets) == [set(), {("mask", 0)}, {("mask", 2)}]
    assert KIND.has_content(targets) == [False, False, True]
    assert KIND.can_be_scored(targets)
    assert KIND.can_be_scored(split_targets("segmentation", NAMES, {"b": empty})), "the background is scored"
    assert not KIND.can_be_scored(split_targets("segmentation", NAMES, {"a": ignored}))


def test_pixels_that_were_not_on_the_canvas_become_255() -> None:
    meta = ImageMeta("a", (2, 4), ((0.0, 0.0), (4.0, 0.0), (0.0, 2.0)))
    back = KIND.restore(Mask(image([[1, 2], [2, 1]])), meta)
    assert back.classes.tolist() == [[1, 2, 255, 255], [2, 1, 255, 255]]


def test_a_mask_as_columns_text_and_marks() -> None:
    prediction = Mask(image([[0, 0, 0, 2], [2, 255, 0, 0]]))
    columns = KIND.columns(prediction)
    assert (columns.scores.tolist(), columns.classes.tolist()) == ([0.625, 0.25], [0, 2])
    assert columns.mask is not None
    assert columns.mask.tolist() == prediction.classes.tolist()
    assert KIND.describe(prediction, NAMES) == "background 62 %, dog 25 %"
    assert KIND.describe(Mask(image([[255]])), NAMES) == "nothing"
    overlay = KIND.marks(prediction, NAMES, "pets", first=4).overlay
    assert overlay is not None
    assert (overlay.names, overlay.colors) == ({2: "dog"}, {2: color(6)})
    assert KIND.target_marks(prediction, NAMES).overlay is not None
    assert KIND.colors(NAMES) == 3


def test_a_saved_mask_has_the_classes_and_colors(tmp_path: Path) -> None:
    prediction = Mask(image([[0, 1], [2, 255]]))
    assert KIND.save_prediction(prediction, NAMES, tmp_path / "a.png") == tmp_path / "a.png"
    with Image.open(tmp_path / "a.png") as saved:
        assert np.array(saved).tolist() == prediction.classes.tolist()
        assert np.array(saved.convert("RGB"))[0].tolist() == [[0, 0, 0], list(color(1))]
    with pytest.raises(PolyheadError, match=r"a\.jpg': a mask needs a lossless format\. Use the suffix \.png\."):
        KIND.save_prediction(prediction, NAMES, tmp_path / "a.jpg")


def test_data_and_results_are_plotted(tmp_path: Path) -> None:
    targets = Targets.of(KIND, Scenes(6, size=48, target="masks"))
    made = KIND.plot_data(targets, "pixels", tmp_path / "labels.png")
    assert made is not None
    found = counted()
    KIND.save(tmp_path / "a.npz", targets_of(found, NAMES), found)
    tested = KIND.load(tmp_path / "a.npz", "pets")
    plots = KIND.plot_results(tested, "run: pets", lambda plot: tmp_path / f"{plot}.png")
    assert [path.stem for path in plots] == ["iou", "confusion_matrix"]
    assert all(pixels(path).std() > 1 for path in [made, *plots])


def test_the_background_is_no_rare_class() -> None:
    facts = KIND.facts({"train_images": {"background": 0, "road": 3}, "confusions": [["road", "background", 0.25]]})
    assert facts == [
        "Most frequent confusion: road is predicted as background (25% of its pixels); see the plots in plots/.",
        "Fewer than 50 training images: road (3); more images of these classes help most.",
    ]


def test_the_region_of_each_class_can_be_explained() -> None:
    mask = image([[0, 1, 1, 2], [0, 1, 1, 2], [0, 0, 0, 2]])
    items = KIND.items(Mask(mask), NAMES)
    assert [(each.number, each.caption) for each in items] == [(1, "cat 0.33"), (2, "dog 0.25")]  # not the background
    boxes = [each.box.tolist() for each in items if each.box is not None]
    assert boxes == [[1, 0, 3, 2], [3, 0, 4, 3]]
    for item in items:
        assert item.inside is not None
        assert torch.equal(item.inside, mask == item.label)
    assert KIND.agreement(Mask(mask), items[0], Mask(mask)) == 1
    assert KIND.agreement(Mask(mask), items[0], Mask(mask.clamp(max=1))) == pytest.approx(4 / 7)
    assert KIND.agreement(Mask(mask), items[0], Mask(torch.zeros_like(mask))) == 0
