"""The cache returns the same bits as the reader, respects its limit, and reads changed files again."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from builders.colored_images import copied, same
from PIL import Image

from polyhead.data.augment.transforms import train_transform
from polyhead.data.loading.cache import Cached
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.loading.streams import TrainSet
from polyhead.data.readers.yolo import Yolo
from polyhead.data.synthetic.scenes import Scenes

HEIGHT, WIDTH = 48, 64
IMAGE_BYTES = 3 * HEIGHT * WIDTH


def cached(root: Path, limit: int) -> Cached:
    """Return a cached reader of a YOLO data set."""
    reader = Yolo(root)
    return Cached(reader, [reader.annotation(index).path for index in range(len(reader))], limit)


def test_hits_and_misses_give_the_same_bits(tiny: Callable[[str], Path]) -> None:
    reader = cached(tiny("yolo"), 10**9)
    assert len(reader) == 3
    assert reader.annotation(1).id == reader.reader.annotation(1).id
    first = [copied(reader[index]) for index in range(3)]
    assert all(same(reader[index], first[index]) for index in range(3))
    assert all(same(reader.reader[index], first[index]) for index in range(3))
    assert reader[0].input.data_ptr() == reader[0].input.data_ptr()
    assert reader.used == 3 * IMAGE_BYTES


def test_training_does_not_modify_cached_images(tiny: Callable[[str], Path]) -> None:
    reader = cached(tiny("yolo"), 10**9)
    for preset in ("plain", "light", "ssd", "yolov4", "classify"):
        for size in ((HEIGHT, WIDTH), (40, 40)):
            with_cache = TrainSet(reader, train_transform(preset, size), 0)
            without = TrainSet(reader.reader, train_transform(preset, size), 0)
            for cycle in range(4):
                for index in range(3):
                    assert same(with_cache[cycle, index, True], without[cycle, index, True])
    assert all(same(reader[index], reader.reader[index]) for index in range(3))


def test_the_cache_stays_within_its_limit(tiny: Callable[[str], Path]) -> None:
    reader = cached(tiny("yolo"), 2 * IMAGE_BYTES)
    for _ in range(2):
        for index in range(3):
            assert same(reader[index], reader.reader[index])
    assert reader.used == 2 * IMAGE_BYTES
    assert reader[0].input.data_ptr() == reader[0].input.data_ptr()
    assert reader[2].input.data_ptr() != reader[2].input.data_ptr()


def test_a_changed_file_is_read_again(tiny: Callable[[str], Path]) -> None:
    root = tiny("yolo")
    reader = cached(root, 10**9)
    old = reader[0]
    path = Path(reader.paths[0])
    Image.new("RGB", (WIDTH, HEIGHT), "red").save(path)
    os.utime(path, ns=(1, 1))
    assert not torch.equal(old.input, reader[0].input)
    assert same(reader[0], reader.reader[0])
    assert reader.used == IMAGE_BYTES


def test_generated_images_are_not_cached() -> None:
    scenes = Scenes(2)
    reader = Cached(scenes, ["", ""], 10**9)
    assert same(reader[1], scenes[1])
    assert reader.used == 0


def test_training_uses_the_cache_and_divides_it_among_workers(tiny: Callable[[str], Path]) -> None:
    root = tiny("yolo")
    readers = [Yolo(root) for _ in range(3)]
    data: list[TaskData] = []
    for cache, workers in ((0.0, 0), (0.5, 0), (0.5, 2)):
        source = Source(readers[0], split={"val": 0.34, "test": 0.33}, cache=cache, workers=workers, batch=1)
        data.append(TaskData("x", source, (32, 32), 0))
    train_readers = [task.train(1, lambda: 0, 0, 0).dataset.reader for task in data]  # type: ignore[attr-defined]  # a TrainSet
    assert not isinstance(train_readers[0], Cached)
    assert [reader.limit for reader in train_readers[1:]] == [2**29, 2**28]
