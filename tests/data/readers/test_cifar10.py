"""CIFAR-10's pickle files are read without running their code."""

import pickle
from pathlib import Path

import pytest
import torch
from builders.cifar10_files import batch, write_cifar10

from polyhead.data.doctor import check
from polyhead.data.readers.cifar10 import Cifar10
from polyhead.errors import PolyheadError


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_cifar10(tmp_path)


def test_images_have_their_pixels_and_classes(tiny: Path) -> None:
    reader = Cifar10(tiny)
    assert reader.names == ["cat", "dog"]
    assert [reader.entry(index).id for index in range(3)] == [
        "data_batch_1/00000",
        "data_batch_1/00001",
        "data_batch_2/00000",
    ]
    assert [int(reader[index].target.label) for index in range(3)] == [1, 0, 1]
    first = reader[0].input
    assert first.shape == (3, 32, 32)
    assert torch.equal(first.flatten(), torch.arange(256).repeat(12).to(torch.uint8))
    first.zero_()  # samples are copies
    assert int(reader[0].input.max()) == 255
    assert reader[-1].input.unique().tolist() == [7]
    with pytest.raises(IndexError):
        reader.entry(3)
    assert not check(reader)
    assert len(Cifar10(tiny.parent, "test")) == 1


def test_the_digest_depends_on_the_pixels(tiny: Path) -> None:
    before = Cifar10(tiny).digest
    (tiny / "data_batch_2").write_bytes(batch([1], b"\x08" * 3072))
    assert Cifar10(tiny).digest != before


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "data_batch_1",
            batch([1, 0], b"\0" * 3072),
            "expected 3,072 bytes of pixels for each label, got 2 labels and 3,072 bytes",
        ),
        ("data_batch_1", batch([1, 2], b"\0" * 6144), "expected labels of the 2 classes in batches.meta, got label 2"),
        ("data_batch_2", batch([1], b"\0" * 3072)[:900], "is not a complete pickle file"),
        ("data_batch_2", b"\x89PNG", "is not a complete pickle file"),
        ("batches.meta", b"", "is not a complete pickle file"),
    ],
)
def test_a_problem_names_its_file(tiny: Path, file: str, content: bytes, message: str) -> None:
    (tiny / file).write_bytes(content)
    problems = Cifar10(tiny).problems
    assert len(problems) == 1
    problem = problems[0]
    assert problem.where == str(tiny / file)
    assert message in problem.what
    assert "copy the file" in problem.remedy


def test_code_in_a_file_is_not_run(tiny: Path, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "ran",)

    (tiny / "data_batch_1").write_bytes(pickle.dumps({"labels": [0], "data": Hostile()}, protocol=2))
    assert "got 1 labels and" in Cifar10(tiny).problems[0].what
    assert not (tmp_path / "ran").exists()


def test_a_folder_of_other_data_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match=r"is not CIFAR-10 \(expected the files batches\.meta, data_batch_1 to"):
        Cifar10(tmp_path)


def test_the_real_files(data_root: Path) -> None:
    train, test = Cifar10(data_root / "cifar10"), Cifar10(data_root / "cifar10", "test")
    assert (len(train), len(test)) == (4000, 1000)
    assert train.names[:3] == ["airplane", "automobile", "bird"]
    assert not train.problems
    counts = torch.bincount(torch.stack([test.target(index).label for index in range(1000)]))
    assert counts.tolist() == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
