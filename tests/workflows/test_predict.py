"""Prediction: the same results for every source, batch size and process, and clear errors."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.untrained_run import noisy_photos, two_detectors, write
from PIL import Image

import polyhead
from polyhead import checkpoint
from polyhead.data.loading.streams import Collate
from polyhead.errors import PolyheadError
from polyhead.modalities.image import Image as ImageModality
from polyhead.models import classifier
from polyhead.plotting.draw import color
from polyhead.types import Batch
from polyhead.workflows import predictor as module
from polyhead.workflows.predictor import Predictor
from polyhead.workflows.result import Result, plot, table


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_detectors(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def predictor(run: Path) -> Predictor:
    loaded: Predictor = polyhead.load(run)
    return loaded


def plain(results: list[Result]) -> list[dict[str, Any]]:
    return [result.to_json() for result in results]


def assert_same(one: list[Result], other: list[Result], tolerance: float) -> None:
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert (a.task, a.labels) == (b.task, b.labels)
        np.testing.assert_allclose(a.boxes, b.boxes, atol=tolerance, rtol=0)
        np.testing.assert_allclose(a.scores, b.scores, atol=tolerance, rtol=0)


def test_results_do_not_depend_on_the_batch_size(predictor: Predictor, photos: Path) -> None:
    alone = predictor.predict(photos, conf=0.02, batch=1)
    assert sum(len(result) for result in alone) > 50
    assert_same(alone, predictor.predict(photos, conf=0.02, batch=3), 1e-4)
    assert_same(alone, predictor.predict(photos, conf=0.02, batch=99), 1e-4)


def test_results_do_not_depend_on_the_defaults_of_torch(run: Path, predictor: Predictor, photos: Path) -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        found = polyhead.load(run).predict(photos, conf=0.02)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert_same(found, predictor.predict(photos, conf=0.02), 0)


def test_results_are_ordered_by_image_and_task(predictor: Predictor, photos: Path) -> None:
    results = predictor.predict(photos)
    names = [f"photo{number}.png" for number in range(4)] + ["turned.jpg"]
    assert [(Path(result.image).name, result.task) for result in results] == [
        (name, task) for name in names for task in ("street", "food")
    ]
    assert {result.task for result in predictor.predict(photos, "food")} == {"food"}


def test_boxes_are_inside_the_upright_original(predictor: Predictor, photos: Path) -> None:
    sizes = {
        "photo0.png": (160, 160),
        "photo1.png": (90, 200),
        "photo2.png": (301, 77),
        "photo3.png": (40, 40),
        "turned.jpg": (200, 90),
    }
    for result in predictor.predict(photos, conf=0.02):
        height, width = sizes[Path(result.image).name]
        assert len(result) > 0
        assert result.boxes.min() >= 0
        assert (result.boxes <= [width, height, width, height]).all()
        assert (result.boxes[:, 2:] > result.boxes[:, :2]).all()
        assert result.plot().size == (width, height)


def test_conf_is_a_minimum_score(predictor: Predictor, photos: Path) -> None:
    every = predictor.predict(photos, conf=0.02)
    for cut, full in zip(predictor.predict(photos, conf=0.5), every, strict=True):
        np.testing.assert_array_equal(cut.scores, full.scores[full.scores >= 0.5])
        assert (np.diff(full.scores) <= 0).all()


def test_every_type_of_source_gives_the_same_results(predictor: Predictor, photos: Path) -> None:
    path = photos / "photo1.png"
    pixels = np.array(Image.open(path))
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    expected = predictor.predict(path, conf=0.02)
    sources: list[Any] = [
        str(path),
        str(photos / "*1.png"),
        [path],
        Image.open(path),
        pixels,
        tensor,
        torch.stack([tensor]),
        [tensor],
    ]
    for source in sources:
        assert_same(expected, predictor.predict(source, conf=0.02), 0)
    assert predictor.predict([path, pixels])[2].image == "1"


def test_pil_images_and_arrays_are_converted_to_upright_rgb(predictor: Predictor, photos: Path) -> None:
    turned = photos / "turned.jpg"
    assert_same(predictor.predict(turned, conf=0.02), predictor.predict(Image.open(turned), conf=0.02), 1e-4)
    gray = np.array(Image.open(photos / "photo0.png").convert("L"))
    assert_same(predictor.predict(gray, conf=0.02), predictor.predict(Image.fromarray(gray), conf=0.02), 0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "no/such.jpg",
            "'no/such.jpg' does not exist. Give an image file, a folder or a pattern such as 'photos/\\*.jpg'",
        ),
        (
            "*.nothing",
            "'\\*.nothing' has no image \\(expected files that end in .avif, .bmp, .gif, .jfif, .jpe, .jpeg",
        ),
        ([], "the list of sources is empty"),
        (
            np.zeros((4, 4, 3)),
            r"expected an array of uint8 \(0..255\), RGB \[h, w, 3\] or gray \[h, w\], got float64 \[4, 4, 3\]",
        ),
        (np.zeros((3, 4, 4), np.uint8), r"got uint8 \[3, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), r"got uint8 \[0, 4, 3\]"),
        (
            torch.full((3, 4, 4), 2.0),
            r"expected a tensor of uint8 \(0..255\) or floats \(0..1\), RGB .* gray \[1, h, w\], got torch.float32",
        ),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), r"got torch.uint8 \[4, 4, 3\]"),
    ],
)
def test_invalid_sources(predictor: Predictor, source: Any, message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        predictor.predict(source)


def test_a_folder_without_images_names_the_expected_files(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    with pytest.raises(
        PolyheadError, match=r"folder '.*' has no image \(.* \.jpg, .*\); to include its subfolders, give '.*\*\*/\*'"
    ):
        predictor.predict(tmp_path)


def test_a_broken_image_is_an_error_or_is_skipped_and_reported(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    Image.open(photos / "photo0.png").save(tmp_path / "b.png")
    with pytest.raises(
        PolyheadError, match=r"a\.jpg: the image cannot be decoded .* skip such images with on_bad='skip'"
    ):
        predictor.predict(tmp_path)
    results = predictor.predict(tmp_path, on_bad="skip")
    assert {Path(result.image).name for result in results} == {"b.png"}
    assert [Path(problem.where).name for problem in predictor.skipped] == ["a.jpg"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": "fod"}, "no head 'fod'; did you mean 'food'"),
        ({"conf": 1.5}, "conf must be between 0 and 1, got 1.5"),
        ({"batch": 0}, "batch must be 1 or more, got 0"),
        ({"on_bad": "ignore"}, "on_bad must be 'stop' or 'skip', got 'ignore'"),
    ],
)
def test_invalid_settings(predictor: Predictor, photos: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        predictor.predict(photos, **settings)


def test_json_and_tables_are_exact(predictor: Predictor, photos: Path) -> None:
    result = predictor.predict(photos / "photo0.png", "street", conf=0.02)[0]
    read = json.loads(json.dumps(result.to_json()))
    assert list(read) == ["image", "task", "boxes", "scores", "labels"]
    np.testing.assert_array_equal(np.array(read["boxes"], dtype=np.float32), result.boxes)
    np.testing.assert_array_equal(np.array(read["scores"], dtype=np.float32), result.scores)
    frame = result.to_df()
    assert list(frame.columns) == ["image", "task", "label", "score", "x1", "y1", "x2", "y2"]
    np.testing.assert_array_equal(frame[["x1", "y1", "x2", "y2"]].to_numpy(), result.boxes)
    assert frame["label"].tolist() == result.labels
    empty = predictor.predict(photos / "photo0.png", "street", conf=1.0)[0]
    assert (len(empty), str(empty), empty.to_json()["boxes"]) == (0, "nothing", [])
    assert list(empty.to_df().dtypes) == list(frame.dtypes) == list(table([]).dtypes)


def test_supervision_gets_boxes_and_names(predictor: Predictor, photos: Path) -> None:
    pytest.importorskip("supervision")
    result = predictor.predict(photos / "photo0.png", "street", conf=0.02)[0]
    given = result.to_supervision()
    np.testing.assert_array_equal(given.xyxy, result.boxes)
    assert given.data["class_name"].tolist() == result.labels


def test_without_supervision_the_extra_is_named(
    predictor: Predictor, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(PolyheadError, match=r"pip install 'polyhead\[supervision\]'"):
        predictor.predict(photos / "photo0.png")[0].to_supervision()


def test_two_heads_have_different_colors(predictor: Predictor, photos: Path) -> None:
    results = predictor.predict(photos / "photo0.png", conf=0.02)
    assert [len(result) > 0 for result in results] == [True, True]
    drawn = np.array(plot(results)).reshape(-1, 3)
    assert (drawn == color(1)).all(1).any()  # the second head's
    assert not (np.array(results[1].plot()).reshape(-1, 3) == color(1)).all(1).any()  # its only class has the first


def test_compared_results_have_the_same_colors(predictor: Predictor, photos: Path) -> None:
    """A single head has the colors of its classes; compared to results of two heads, the color that it has there."""
    both = predictor.predict(photos / "photo0.png", conf=0.0)
    street, food = both
    twice = [np.asarray(plot([food], like)) for like in ((), both)]
    assert (twice[0] != twice[1]).any()
    assert (np.asarray(plot(both, both)) == np.asarray(plot(both))).all()
    assert (np.asarray(plot([food, street], both)) != np.asarray(plot([food, street]))).any()


def test_the_suffix_selects_the_image_format(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    result = predictor.predict(photos / "photo1.png")[0]
    result.save(tmp_path / "drawn.png")
    with Image.open(tmp_path / "drawn.png") as drawn:
        assert drawn.size == (200, 90)
    with pytest.raises(PolyheadError, match=r"drawn\.txt': expected the name of an image file"):
        result.save(tmp_path / "drawn.txt")


def test_a_classifier_returns_all_its_classes(tmp_path: Path, photos: Path) -> None:
    names = ["kitchen", "street", "beach", "sky"]
    weights = write(tmp_path / "weights" / "best.pt", {"scene": names}, classifier, backbone="test_resnet", size=64)
    result = polyhead.load(weights).predict(photos / "photo1.png")[0]
    assert sorted(result.labels) == sorted(names)
    assert result.boxes.shape == (0, 4)
    assert result.scores.sum() == pytest.approx(1)
    assert (np.diff(result.scores) <= 0).all()
    assert str(result) == f"{result.labels[0]} {result.scores[0]:.2f}"
    assert result.to_df()[["x1", "y1", "x2", "y2"]].isna().all(axis=None)
    assert np.array(result.plot())[:12, :12].mean() < 80  # the dark background of the text
    pytest.importorskip("supervision")
    assert result.to_supervision().class_id.tolist() == result.classes.tolist()


def test_weights_files_that_cannot_be_used(run: Path, tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match=r"does not exist\. Use the folder that 'polyhead train' printed"):
        polyhead.load(tmp_path / "none")
    with pytest.raises(PolyheadError, match="is not a run folder"):
        polyhead.load(tmp_path)
    content = (run / "weights" / "best.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(PolyheadError, match="damaged or truncated"):
        polyhead.load(tmp_path / "cut.pt")
    checkpoint.save(tmp_path / "bare.pt", {"state": {}})
    with pytest.raises(PolyheadError, match="does not describe its model"):
        polyhead.load(tmp_path / "bare.pt")


class Photo(ImageModality):
    """Images under another name."""

    @property
    def name(self) -> str:
        return "photo"


def test_tasks_that_read_different_inputs_are_predicted_separately(predictor: Predictor, photos: Path) -> None:
    other = Photo()
    other.restore(predictor.modalities["food"].state())
    mixed = Predictor(predictor.model, predictor.names, {"street": predictor.modalities["street"], "food": other})
    with pytest.raises(
        PolyheadError, match=r"the tasks street, food read different inputs \(image, photo\)\. Choose tasks of one"
    ):
        mixed.predict(photos)
    assert plain(mixed.predict(photos, "food")) == plain(predictor.predict(photos, "food"))


def test_a_weights_file_of_format_1_predicts_as_before(run: Path, photos: Path, tmp_path: Path) -> None:
    """Its tasks have a fit, its images a size; the first files have one fit for all tasks."""
    content = torch.load(run / "weights" / "best.pt", weights_only=True)
    for task, fit in (("street", "letterbox"), ("food", "stretch")):
        content["tasks"][task]["modality"]["state"]["fit"] = fit
    torch.save(content, tmp_path / "new.pt")
    expected = plain(polyhead.load(tmp_path / "new.pt").predict(photos, conf=0.02))
    names = {"street": ["person", "car"], "food": ["cake"]}
    tasks = {task: {"names": own, "categories": own} for task, own in names.items()}
    first = {**content, "format": 1, "tasks": tasks, "eval": {"size": [160, 160], "fit": "stretch"}}
    torch.save({**first, "tasks": {**tasks, "street": {**tasks["street"], "fit": "letterbox"}}}, tmp_path / "old.pt")
    assert plain(polyhead.load(tmp_path / "old.pt").predict(photos, conf=0.02)) == expected
    torch.save(first, tmp_path / "first.pt")
    assert plain(polyhead.load(tmp_path / "first.pt").predict(photos, conf=0.02)) == plain(
        polyhead.load(run).predict(photos, conf=0.02)
    )


@pytest.mark.slow
def test_a_new_process_predicts_the_same_without_lightning(run: Path, predictor: Predictor, photos: Path) -> None:
    code = (
        "import sys, json, polyhead\n"
        "results = polyhead.load(sys.argv[1]).predict(sys.argv[2], conf=0.02)\n"
        "assert 'lightning' not in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
        "print(json.dumps([result.to_json() for result in results]))\n"
    )
    weights = str(run / "weights" / "best.pt")
    done = subprocess.run(
        [sys.executable, "-c", code, weights, str(photos)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == plain(predictor.predict(photos, conf=0.02))


def test_large_images_are_batches_of_their_own(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    collate = Collate.__call__

    def record(self: Collate, samples: Sequence[Any]) -> Batch:
        sizes.append(len(samples))
        return collate(self, samples)

    draw = torch.Generator().manual_seed(0)
    small, large = (torch.randint(256, (3, side, side), generator=draw).to(torch.uint8) for side in (20, 60))
    inputs = [small, small, small, large, large, small, small]
    whole = predictor.predict(inputs)
    monkeypatch.setattr(module, "BATCH_BYTES", 3 * 60 * 60 + 1)
    monkeypatch.setattr(Collate, "__call__", record)
    assert_same(predictor.predict(inputs), whole, 0.01)
    assert sizes == [3, 1, 1, 2]


def test_boxes_are_limited_on_request(run: Path) -> None:
    photo = torch.zeros(3, 48, 64, dtype=torch.uint8)
    assert {len(result) for result in polyhead.predict(run, photo, conf=0.0, max_boxes=5)} == {5}
    with pytest.raises(PolyheadError, match="max_detections must be 1 or more, got 0"):
        polyhead.load(run, max_boxes=0)


def test_the_overlap_of_boxes_is_limited_at_any_time(run: Path) -> None:
    predictor, photo = polyhead.load(run), torch.zeros(3, 60, 60, dtype=torch.uint8)
    counts = []
    for overlap in (None, 1.0, 0.0):  # also after the first prediction, which has made a copy of the network
        predictor.limit(overlap=overlap)
        counts.append(len(predictor.predict(photo, "street", conf=0.0)[0]))
    assert counts[2] < counts[0] <= counts[1]
