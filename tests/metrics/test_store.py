from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics import store
from polyhead.metrics.coco import coco
from polyhead.metrics.masks import PixelCounts
from polyhead.types import Annotation, Detections, Labels


def test_predictions_come_back_in_order(make_case: Callable[..., Any], tmp_path: Path) -> None:
    targets, predictions, names = make_case(0)
    shuffled = dict(sorted(predictions.items(), key=lambda item: item[0][::-1]))
    store.save(tmp_path / "deep" / "test.a.npz", shuffled, names)
    loaded, stored_names = store.load(tmp_path / "deep" / "test.a.npz")
    assert stored_names == names
    assert list(loaded) == list(shuffled)
    for name, found in loaded.items():
        assert all(torch.equal(one, other) for one, other in zip(found, predictions[name], strict=True))
    assert coco(targets, loaded, names).ap == coco(targets, predictions, names).ap
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["test.a.npz"]


def test_the_best_are_stored_best_first(tmp_path: Path) -> None:
    scores = torch.tensor([0.1, 0.9, 0.5, 0.9])
    found = Detections(torch.arange(16.0).reshape(4, 4), scores, torch.arange(4))
    store.save(tmp_path / "a.npz", {"x": found}, ["a", "b", "c", "d"], top_k=3)
    loaded = store.load(tmp_path / "a.npz")[0]["x"]
    assert loaded.labels.tolist() == [1, 3, 2]
    assert torch.equal(loaded.boxes, found.boxes[[1, 3, 2]])


def test_half_precision_and_wide_integers_are_stored_as_float32_and_int64(tmp_path: Path) -> None:
    found = Detections(
        torch.ones(1, 4, dtype=torch.float64), torch.ones(1).bfloat16(), torch.zeros(1, dtype=torch.int32)
    )
    store.save(tmp_path / "a.npz", {"x": found}, ["a"])
    loaded = store.load(tmp_path / "a.npz")[0]["x"]
    assert [column.dtype for column in loaded] == [torch.float32, torch.float32, torch.int64]


@pytest.mark.parametrize(
    "predictions", [{}, {"x": Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long())}]
)
def test_empty_predictions_can_be_stored(tmp_path: Path, predictions: dict[str, Detections]) -> None:
    store.save(tmp_path / "a.npz", predictions, ["a"])
    loaded, _ = store.load(tmp_path / "a.npz")
    assert list(loaded) == list(predictions)
    assert all(found.boxes.shape == (0, 4) for found in loaded.values())


def test_target_comes_back_without_its_paths(make_case: Callable[..., Any], tmp_path: Path) -> None:
    targets, _, names = make_case(0)
    targets[1] = targets[1]._replace(path="photo.jpg", annotated=torch.tensor([True, False, True, False]))
    path = store.targets_path(tmp_path / "test.food.npz")
    assert path.name == "test.food.target.npz"
    store.save_targets(path, targets, names)
    loaded, stored_names = store.load_targets(path)
    assert stored_names == names
    for one, other in zip(loaded, targets, strict=True):
        assert (one.id, one.path, one.size, one.value) == (other.id, "", other.size, None)
        for column in ("boxes", "labels", "ignore", "areas", "annotated"):
            mine, theirs = getattr(one, column), getattr(other, column)
            assert mine.dtype == theirs.dtype
            assert torch.equal(mine, theirs)


def test_target_with_flags_of_other_classes_is_refused(make_case: Callable[..., Any], tmp_path: Path) -> None:
    targets, _, names = make_case(0)
    path = tmp_path / "a.target.npz"
    store.save_targets(path, targets, names)
    with np.load(path) as archive:
        columns: dict[str, Any] = dict(archive)
    np.savez(path, **columns | {"names": np.array(["a"])})
    with pytest.raises(PolyheadError, match=r"is damaged \(annotated has 4 classes, names 1"):
        store.load_targets(path)


def test_an_interrupted_write_leaves_the_old_file(
    make_case: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, predictions, names = make_case(0)
    path = tmp_path / "a.npz"
    store.save(path, predictions, names)
    before = path.read_bytes()

    def cut(file: BinaryIO, **_: np.ndarray) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", cut)
    with pytest.raises(KeyboardInterrupt):
        store.save(path, {}, names)
    assert path.read_bytes() == before


def columns(**changed: np.ndarray | None) -> dict[str, Any]:
    whole = {
        "names": np.array(["a"]),
        "ids": np.array(["x", "y"]),
        "counts": np.array([1, 1]),
        "boxes": np.zeros((2, 4), dtype=np.float32),
        "scores": np.zeros(2, dtype=np.float32),
        "labels": np.zeros(2, dtype=np.int64),
    }
    return {name: value for name, value in (whole | changed).items() if value is not None}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"boxes": None}, "boxes"),
        ({"boxes": np.zeros((2, 5), dtype=np.float32)}, r"boxes is float32\[2, 5\]"),
        ({"scores": np.zeros(2, dtype=np.int64)}, r"scores is int64\[2\]"),
        ({"labels": np.zeros(3, dtype=np.int64)}, "labels has 3 rows, expected 2"),
        ({"counts": np.array([3, -1])}, "appears twice or has a negative count"),
        ({"ids": np.array(["x", "x"])}, "appears twice or has a negative count"),
        ({"counts": np.array([2])}, "counts has 1 rows, expected 2"),
        ({"ids": np.array(["x", None], dtype=object)}, "allow_pickle"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **columns())
    assert list(store.load(path)[0]) == ["x", "y"]
    np.savez(path, **columns(**changed))
    with pytest.raises(
        PolyheadError, match=f"(?s)a.npz' is damaged .*{message}.*Write it again with 'polyhead evaluate RUN'"
    ):
        store.load(path)


@pytest.mark.parametrize("cut", [0, 3, 100, -30])
def test_a_truncated_file_is_refused(make_case: Callable[..., Any], tmp_path: Path, cut: int) -> None:
    _, predictions, names = make_case(0)
    path = tmp_path / "a.npz"
    store.save(path, predictions, names)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(PolyheadError, match=r"a\.npz' is damaged"):
        store.load(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("boxes, scores\n1, 2\n")
    with pytest.raises(PolyheadError, match=r"a\.npz' is damaged"):
        store.load(tmp_path / "a.npz")
    with (tmp_path / "b.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(PolyheadError, match=r"b\.npz' is damaged"):
        store.load_targets(tmp_path / "b.npz")
    with pytest.raises(PolyheadError, match=r"file '.*c\.npz' does not exist\. Write it with 'polyhead evaluate RUN'"):
        store.load(tmp_path / "c.npz")


def counted(classes: int = 3, images: int = 4) -> dict[str, PixelCounts]:
    generator = torch.Generator().manual_seed(0)
    shape = (classes, classes + 1)
    return {f"p{index}": PixelCounts(torch.randint(9, shape, generator=generator)) for index in range(images)}


def test_counts_of_pixels_come_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "test.a.npz"
    found = counted()
    store.save_pixels(path, found, ["background", "b", "c"])
    assert store.kind(path) == "pixels"
    loaded, names = store.load_pixels(path)
    assert names == ["background", "b", "c"]
    assert list(loaded) == list(found)
    assert all(torch.equal(loaded[name].counts, found[name].counts) for name in found)
    store.save_pixels(path, {}, names)
    assert store.load_pixels(path) == ({}, names)


def test_labels_come_back_with_their_target(tmp_path: Path) -> None:
    path = tmp_path / "test.a.npz"
    none = torch.zeros(0)
    targets = [
        Annotation(
            f"p{index}",
            "",
            (9, 9),
            none.reshape(0, 4),
            none.long(),
            none.bool(),
            none,
            none.bool(),
            torch.tensor(index),
        )
        for index in range(3)
    ]
    scores = torch.rand(3, 3, generator=torch.Generator().manual_seed(0)).softmax(1)
    found = {target.id: Labels(row) for target, row in zip(targets, scores, strict=True)}
    store.save_labels(path, dict(reversed(found.items())), targets, ["a", "b", "c"])
    assert store.kind(path) == "labels"
    predicted, names = store.load_labels(path)
    assert (predicted.ids, names) == (["p0", "p1", "p2"], ["a", "b", "c"])
    assert (predicted.probabilities == scores.numpy()).all()
    assert predicted.target.tolist() == [0, 1, 2]


def test_files_of_another_kind_are_refused(make_case: Callable[..., Any], tmp_path: Path) -> None:
    boxes, pixels = tmp_path / "boxes.npz", tmp_path / "pixels.npz"
    _, predictions, names = make_case(0)
    store.save(boxes, predictions, names)
    store.save_pixels(pixels, counted(), ["background", "b", "c"])
    assert store.kind(boxes) == "boxes"
    with pytest.raises(PolyheadError, match=r"boxes\.npz' is damaged .*Write it again with 'polyhead evaluate RUN'"):
        store.load_pixels(boxes)
    with pytest.raises(PolyheadError, match=r"pixels\.npz' is damaged"):
        store.load_labels(pixels)
    with pytest.raises(PolyheadError, match=r"pixels\.npz' is damaged"):
        store.load(pixels)
    np.savez(pixels, names=np.array(["a", "b"]), ids=np.array(["x"]), pixels=np.zeros((1, 3, 4), dtype=np.int64))
    with pytest.raises(PolyheadError, match="pixels are not counts of the 2 classes"):
        store.load_pixels(pixels)
    columns = {"names": np.array(["a"]), "ids": np.array(["x"]), "true": np.array([1])}
    np.savez(pixels, probabilities=np.ones((1, 1), np.float32), **columns)  # type: ignore[arg-type]  # numpy's stubs
    with pytest.raises(PolyheadError, match="do not fit the 1 class names"):
        store.load_labels(pixels)
    with pixels.open("r+b") as file:
        file.truncate(100)
    for read in (store.kind, store.load_pixels, store.load_labels):
        with pytest.raises(PolyheadError, match="is damaged"):
            read(pixels)
        with pytest.raises(PolyheadError, match="does not exist"):
            read(tmp_path / "none.npz")
