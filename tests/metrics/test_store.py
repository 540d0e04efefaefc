"""Files of stored predictions: what is written comes back, and damaged files are refused."""

import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics import store
from polyhead.run import Run

PER_SAMPLE: store.ColumnTypes = {"sizes": ("i", (2,)), "weights": ("f", (-1,))}
PER_OBJECT: store.ColumnTypes = {"boxes": ("f", (4,)), "labels": ("i", ())}


def table(**changed: np.ndarray | None) -> dict[str, Any]:
    """Return the columns of two samples with one object each; a column that is changed to None is left out."""
    whole = {
        "kind": np.array(["detection"]),
        "names": np.array(["a"]),
        "ids": np.array(["x", "y"]),
        "sizes": np.array([[1, 2], [3, 4]]),
        "weights": np.ones((2, 3)),
        "counts": np.array([1, 1]),
        "boxes": np.zeros((2, 4), dtype=np.float32),
        "labels": np.zeros(2, dtype=np.int64),
    }
    return {name: value for name, value in (whole | changed).items() if value is not None}


def write(path: Path) -> None:
    columns = {name: value for name, value in table().items() if name not in ("kind", "names", "ids")}
    store.write(path, "detection", ["a"], ["x", "y"], **columns)


def read(path: Path) -> dict[str, np.ndarray]:
    return store.read(path, PER_SAMPLE, PER_OBJECT)


def test_columns_come_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "test.a.npz"
    write(path)
    assert [each.name for each in path.parent.iterdir()] == ["test.a.npz"]
    assert store.kind_name(path) == "detection"
    assert sorted(store.columns(path)) == sorted(table())
    found, expected = read(path), table()
    assert set(found) == set(expected) - {"kind"}
    for name, column in found.items():
        np.testing.assert_array_equal(column, expected[name])


def test_a_file_without_the_column_kind_has_no_kind(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **table(kind=None))
    assert store.kind_name(tmp_path / "a.npz") is None
    assert read(tmp_path / "a.npz")["ids"].tolist() == ["x", "y"]


def test_columns_without_objects_need_no_counts(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **table(counts=None, boxes=None, labels=None))
    assert set(store.read(tmp_path / "a.npz", PER_SAMPLE)) == {"names", "ids", "sizes", "weights"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"boxes": None}, "boxes"),
        ({"boxes": np.zeros((2, 5), dtype=np.float32)}, r"boxes is float32\[2, 5\]"),
        ({"weights": np.zeros(2)}, r"weights is float64\[2\]"),
        ({"labels": np.zeros(2, dtype=np.float32)}, r"labels is float32\[2\]"),
        ({"labels": np.zeros(3, dtype=np.int64)}, "labels has 3 rows, expected 2"),
        ({"sizes": np.zeros((1, 2), dtype=np.int64)}, "sizes has 1 rows, expected 2"),
        ({"counts": np.array([3, -1])}, "appears twice or has a negative count"),
        ({"ids": np.array(["x", "x"])}, "appears twice or has a negative count"),
        ({"counts": np.array([2])}, "counts has 1 rows, expected 2"),
        ({"ids": np.array(["x", None], dtype=object)}, "allow_pickle"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **table())
    assert read(path)["ids"].tolist() == ["x", "y"]
    np.savez(path, **table(**changed))
    with pytest.raises(
        PolyheadError, match=f"(?s)a.npz' is damaged .*{message}.*Write it again with 'polyhead evaluate RUN'"
    ):
        read(path)


def test_another_byte_order_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **table())
    expected = read(path)
    np.savez(path, **{name: array.astype(array.dtype.newbyteorder(">")) for name, array in table().items()})
    found = read(path)
    assert all((found[name] == array).all() and array.dtype.isnative for name, array in expected.items())


HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': ({},), }}"


@pytest.mark.parametrize(
    "header",
    [HEADER.format("<f4", 10**14), HEADER.format("<f4", -1), HEADER.format("none", 1), "{'descr': ", "(" * 300],
)
def test_a_damaged_header_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **table())
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["ids.npy"] = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(PolyheadError, match=r"a\.npz' is damaged"):
        read(path)


@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99)], ids=["encrypted", "unknown method"])
def test_other_ways_of_packing_are_refused(tmp_path: Path, offset: int, value: int) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **table())
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02") + 2
    data[offset] = data[start + offset] = value
    path.write_bytes(data)
    with pytest.raises(PolyheadError, match=r"a\.npz' is damaged"):
        store.kind_name(path)


def test_a_size_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_BYTES", 1000)
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **table(), more=np.zeros(1000))
    with pytest.raises(PolyheadError, match=r"a\.npz' is damaged \(it claims to hold more than"):
        read(path)


def test_the_message_names_the_run_and_the_split(tmp_path: Path) -> None:
    path = Run(tmp_path / "runs" / "x").predictions_path("val", "food")
    with pytest.raises(PolyheadError, match=rf"Write it with 'polyhead evaluate {tmp_path}/runs/x --split val'"):
        store.columns(path)


@pytest.mark.parametrize("cut", [0, 3, 100, -30])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.npz"
    write(path)
    path.write_bytes(path.read_bytes()[:cut])
    for function in (read, store.columns, store.kind_name):
        with pytest.raises(PolyheadError, match=r"a\.npz' is damaged"):
            function(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("boxes, scores\n1, 2\n")
    with (tmp_path / "b.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    for function in (read, store.columns, store.kind_name):
        for name in ("a", "b"):
            with pytest.raises(PolyheadError, match=rf"{name}\.npz' is damaged"):
                function(tmp_path / f"{name}.npz")
        with pytest.raises(
            PolyheadError, match=r"file '.*c\.npz' does not exist\. Write it with 'polyhead evaluate RUN'"
        ):
            function(tmp_path / "c.npz")


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    write(path)
    before = path.read_bytes()

    def cut(file: BinaryIO, **_: np.ndarray) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", cut)
    with pytest.raises(KeyboardInterrupt):
        store.write(path, "detection", [], [])
    assert path.read_bytes() == before


def test_rows_of_samples_are_concatenated_and_split_again() -> None:
    rows = [torch.rand(count, 4, dtype=torch.float64) for count in (2, 0, 3)]
    whole, counts = store.concat_float32(rows), store.count_rows(rows)
    assert whole.dtype == np.float32
    assert counts.tolist() == [2, 0, 3]
    for mine, theirs in zip(store.split_by_sample(whole, counts), rows, strict=True):
        assert torch.equal(mine, theirs.float())
    assert store.concat([]).shape == (0,)
    assert not store.split_by_sample(np.zeros((0, 4)), store.count_rows([]))
