"""Inputs are one tensor or several by name; both are joined, counted and moved alike."""

import torch

from polyhead.nets.inputs import count, device_of, join, shapes, to_device


def test_inputs_with_equal_shapes_can_be_joined() -> None:
    ids, numbers = torch.zeros(2, 5, dtype=torch.int64), torch.ones(2, 3)
    one, other = {"ids": ids, "numbers": numbers}, {"numbers": numbers[:1], "ids": ids[:1]}
    assert shapes(one) == shapes(other)
    joined = join([one, other])
    assert isinstance(joined, dict)
    assert {name: value.shape for name, value in joined.items()} == {"ids": (3, 5), "numbers": (3, 3)}
    assert (count(one), count(other), count(joined)) == (2, 1, 3)
    assert shapes({"ids": ids[:, :4], "numbers": numbers}) != shapes(one)
    assert shapes({"ids": ids}) != shapes(one)


def test_one_tensor_is_joined_as_it_is() -> None:
    images = torch.randn(2, 3, 4, 5)
    assert shapes(images) == shapes(images[:1])
    assert shapes(images) != shapes(images[..., :4])
    joined = join([images, images[:1]])
    assert torch.equal(joined, torch.cat([images, images[:1]]))  # type: ignore[arg-type]  # a tensor, as the parts
    assert count(images) == 2


def test_only_images_become_channels_last() -> None:
    moved = to_device({"image": torch.zeros(2, 3, 4, 5), "ids": torch.zeros(2, 7)}, "meta")
    assert isinstance(moved, dict)
    assert moved["image"].is_contiguous(memory_format=torch.channels_last)
    assert moved["ids"].shape == (2, 7)
    assert device_of(moved) == torch.device("meta")
    image = to_device(torch.zeros(2, 3, 4, 5), "cpu")
    assert isinstance(image, torch.Tensor)
    assert image.is_contiguous(memory_format=torch.channels_last)
