"""The cache returns the same bits as decoding, respects its limit, and reads changed files again."""

import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from builders.colored_images import same
from builders.fitted_images import image_modality
from PIL import Image

from polyhead.contracts.reader import Reader
from polyhead.data.loading.cache import Cached
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.loading.streams import Decoded, Index, TrainSet
from polyhead.data.readers.png_masks import PngMasks
from polyhead.data.readers.yolo import Yolo
from polyhead.data.synthetic.scenes import Scenes
from polyhead.workflows.tasks import open_tasks

HEIGHT, WIDTH = 48, 64
IMAGE_BYTES = 3 * HEIGHT * WIDTH
OBJECT_BYTES = 4 * 4 + 8 + 1 + 4
"""Of the box, label, ignore and area of an object."""
CLASSES = 2
BYTES = [IMAGE_BYTES + 2 * OBJECT_BYTES + CLASSES, IMAGE_BYTES + CLASSES, IMAGE_BYTES + CLASSES]
"""Of each image and its target."""


def both(reader: Reader, limit: int) -> tuple[Cached, Decoded]:
    """Return the decoded samples of a reader with and without a cache."""
    modality = image_modality()
    read = Decoded(reader, modality)
    entries = [reader.entry(index) for index in range(len(reader))]
    return Cached(read, entries, modality.cached_bytes, limit), Decoded(reader, modality)


def test_hits_and_misses_give_the_same_bits(tiny: Callable[[str], Path]) -> None:
    cached, plain = both(Yolo(tiny("yolo")), 10**9)
    first = [deepcopy(cached(index)) for index in range(3)]
    assert all(same(cached(index), first[index]) for index in range(3))
    assert all(same(plain(index), first[index]) for index in range(3))
    assert cached(0).input.data_ptr() == cached(0).input.data_ptr()
    assert cached.used == sum(BYTES)


def test_training_does_not_modify_cached_images(tiny: Callable[[str], Path]) -> None:
    cached, plain = both(Yolo(tiny("yolo")), 10**9)
    for preset in ("plain", "light", "ssd", "yolov4", "classify"):
        for size in ((HEIGHT, WIDTH), (40, 40)):
            transform = image_modality(size, preset).train
            with_cache, without = (TrainSet(read, 3, transform, 0) for read in (cached, plain))
            for cycle in range(4):
                for index in range(3):
                    assert same(with_cache[Index(cycle, index, True)], without[Index(cycle, index, True)])
    assert all(same(cached(index), plain(index)) for index in range(3))


def test_the_cache_stays_within_its_limit(tiny: Callable[[str], Path]) -> None:
    cached, plain = both(Yolo(tiny("yolo")), BYTES[0] + BYTES[1])
    for _ in range(2):
        for index in range(3):
            assert same(cached(index), plain(index))
    assert cached.used == BYTES[0] + BYTES[1]
    assert cached(0).input.data_ptr() == cached(0).input.data_ptr()
    assert cached(2).input.data_ptr() != cached(2).input.data_ptr()


def test_a_target_counts(tiny: Callable[[str], Path]) -> None:
    """A mask is a third of its image."""
    reader = PngMasks(tiny("png_masks"))
    cached, _ = both(reader, IMAGE_BYTES + HEIGHT * WIDTH)
    assert [same(cached(index), cached(index)) for index in range(2)] == [True, True]
    assert cached.used == IMAGE_BYTES + HEIGHT * WIDTH
    cached, _ = both(reader, IMAGE_BYTES + HEIGHT * WIDTH - 1)
    cached(0)
    assert cached.used == 0


def test_a_changed_file_is_read_again(tiny: Callable[[str], Path]) -> None:
    reader = Yolo(tiny("yolo"))
    cached, plain = both(reader, 10**9)
    old = cached(0)
    path = Path(reader.entry(0).path)
    Image.new("RGB", (WIDTH, HEIGHT), "red").save(path)
    os.utime(path, ns=(1, 1))
    assert not torch.equal(old.input, cached(0).input)
    assert same(cached(0), plain(0))
    assert cached.used == BYTES[0]


def test_a_changed_mask_is_read_again(tiny: Callable[[str], Path]) -> None:
    reader = PngMasks(tiny("png_masks"))
    cached, plain = both(reader, 10**9)
    old = cached(0)
    mask = Path(reader.entry(0).files[1])
    Image.new("RGB", (WIDTH, HEIGHT), (128, 64, 128)).save(mask)
    os.utime(mask, ns=(1, 1))
    assert not torch.equal(old.target.classes, cached(0).target.classes)
    assert same(cached(0), plain(0))


def test_generated_images_are_not_cached() -> None:
    cached, plain = both(Scenes(2), 10**9)
    assert same(cached(1), plain(1))
    assert cached.used == 0


def test_inputs_that_are_cheap_to_decode_are_not_cached(tiny: Callable[[str], Path]) -> None:
    reader = Yolo(tiny("yolo"))
    read = Decoded(reader, image_modality())
    cached = Cached(read, [reader.entry(index) for index in range(3)], lambda _: None, 10**9)
    assert same(cached(0), read(0))
    assert cached(0).input.data_ptr() != cached(0).input.data_ptr()
    assert cached.used == 0


def test_training_uses_the_cache_and_divides_it_among_workers(tiny: Callable[[str], Path]) -> None:
    root = tiny("yolo")
    data: list[TaskData] = []
    for cache, workers in ((0.0, 0), (0.5, 0), (0.5, 2)):
        source = Source(Yolo(root), split={"val": 0.34, "test": 0.33}, cache=cache, workers=workers, batch=1)
        data.append(open_tasks({"x": source}, (32, 32), 0)["x"])
    reads = [task.train(1, lambda: 0, 0, 0).dataset.read for task in data]  # type: ignore[attr-defined]  # a TrainSet
    assert not isinstance(reads[0], Cached)
    assert [read.limit for read in reads[1:]] == [2**29, 2**28]
