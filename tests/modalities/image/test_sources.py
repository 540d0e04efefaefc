"""Files, folders, patterns and pixels that can be predicted, and clear errors for everything else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.contracts.modality import Source
from polyhead.data.io.images import ImageFile
from polyhead.errors import PolyheadError, SampleError
from polyhead.modalities.image import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
PLANES = torch.from_numpy(PIXELS).permute(2, 0, 1)
"""The same pixels as a tensor ``[3, h, w]``."""


def sources(source: Any) -> list[Source]:
    return list(Image().sources(source))


def names(source: Any) -> list[str]:
    return [each.name for each in sources(source)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three images that are empty files, and others that are not images of it."""
    for name in ("c.png", "a.jpg", "b.JPEG", ".hidden.png", "notes.txt", "deeper/d.png", "deeper/.e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def test_files_are_found_in_order_and_not_opened(photos: Path) -> None:
    expected = [str(photos / name) for name in ("a.jpg", "b.JPEG", "c.png")]
    assert names(photos) == names(str(photos)) == names(str(photos / "*")) == expected
    assert [each.raw for each in sources(photos)] == [ImageFile(path) for path in expected]
    assert names(photos / "c.png") == [expected[2]]
    assert names(str(photos / "*.png")) == [expected[2]]
    assert names(photos / "**" / "*") == [*expected, str(photos / "deeper" / "d.png")]
    assert names(photos / "notes.txt") == [str(photos / "notes.txt")], "a file that is named is not left out"
    assert names(photos / ".hidden.png") == [str(photos / ".hidden.png")]


def test_a_list_has_its_own_order(photos: Path) -> None:
    given = [photos / "c.png", str(photos / "a.jpg"), photos / "deeper"]
    assert names(given) == names(tuple(given)) == [str(photos / name) for name in ("c.png", "a.jpg", "deeper/d.png")]


def test_a_file_with_the_characters_of_a_pattern_is_a_file(photos: Path) -> None:
    (photos / "a[1].png").touch()
    assert names(photos / "a[1].png") == [str(photos / "a[1].png")]


def test_the_home_folder_is_found(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(photos))
    assert names("~/c.png") == [str(photos / "c.png")]


PIXEL_SOURCES: list[Any] = [
    PIXELS,
    PIXELS.copy(order="F"),
    PIXELS[::-1][::-1],
    Pillow.fromarray(PIXELS),
    PLANES,
    PLANES.contiguous(),
    tv.Image(PLANES),
    PLANES[None],
    [PIXELS],
]


@pytest.mark.parametrize("source", PIXEL_SOURCES, ids=range(len(PIXEL_SOURCES)))
def test_pixels_of_every_type_are_the_same_image(source: Any) -> None:
    ((name, raw),) = sources(source)
    assert name == "0"
    assert isinstance(raw, tv.Image)
    assert raw.dtype == torch.uint8
    assert torch.equal(raw, PLANES)
    assert torch.equal(Image().decode(raw), PLANES)


def test_pixels_are_named_by_their_position(photos: Path) -> None:
    batch = torch.stack([PLANES, 255 - PLANES])
    assert names([PIXELS, photos / "a.jpg", batch, Pillow.fromarray(PIXELS)]) == [
        "0",
        str(photos / "a.jpg"),
        "2",
        "3",
        "4",
    ]
    assert torch.equal(sources(batch)[1].raw, 255 - PLANES)


def test_tensors_of_a_data_set_may_be_floats_and_gray() -> None:
    """What torchvision's ToTensor returns is the same image."""
    assert torch.equal(sources(PLANES / 255)[0].raw, PLANES)
    assert torch.equal(sources(PLANES[:1])[0].raw, PLANES[:1].expand(3, -1, -1))
    assert len(sources(PLANES[None, :1] / 255)) == 1


def test_an_image_of_a_data_set_is_a_path_or_pixels(tmp_path: Path) -> None:
    Pillow.fromarray(PIXELS).save(tmp_path / "a.png")
    for value in (tmp_path / "a.png", str(tmp_path / "a.png"), Pillow.fromarray(PIXELS), PIXELS, PLANES / 255):
        raw = Image().as_raw(value)
        assert torch.equal(raw, PLANES)
        assert Image().size_of(raw) == (6, 8)
    with pytest.raises(SampleError, match="expected one image, got a batch of 2"):
        Image().as_raw(torch.stack([PLANES, PLANES]))
    with pytest.raises(SampleError, match="expected a path, a PIL image, an array or a tensor, got dict"):
        Image().as_raw({})


def test_images_of_every_mode_become_upright_rgb() -> None:
    gray = PIXELS[:, :, 0]
    expected: Tensor = torch.from_numpy(np.repeat(gray[None], 3, axis=0))
    assert torch.equal(sources(gray)[0].raw, expected)
    assert torch.equal(sources(Pillow.fromarray(gray))[0].raw, expected)
    transparent = Pillow.new("RGBA", (4, 3), (10, 20, 30, 0))
    assert sources(transparent)[0].raw.unique().tolist() == [255], "transparent pixels are white"
    turned = Pillow.fromarray(PIXELS)
    turned.getexif()[0x0112] = 3  # upside down
    assert torch.equal(sources(turned)[0].raw, PLANES.flip(1, 2))


def test_changing_the_given_pixels_later_does_not_change_images_of_other_types() -> None:
    image = Pillow.fromarray(PIXELS)
    (found,) = sources(image)
    image.paste((0, 0, 0), (0, 0, 8, 6))
    assert torch.equal(found.raw, PLANES)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "no/such.jpg",
            "'no/such.jpg' does not exist. Give an image file, a folder or a pattern such as 'photos/*.jpg'.",
        ),
        ("*.nothing", "'*.nothing' has no image (expected files that end in .avif, .bmp, .gif, .jfif, .jpe, .jpeg"),
        ([], "no image to predict: the list of sources is empty"),
        (
            np.zeros((4, 4, 3)),
            "expected an array of uint8 (0..255), RGB [h, w, 3] or gray [h, w], got float64 [4, 4, 3]",
        ),
        (np.zeros((3, 4, 4), np.uint8), "got uint8 [3, 4, 4]"),
        (np.zeros((0, 4, 3), np.uint8), "got uint8 [0, 4, 3]"),
        (np.zeros((4,), np.uint8), "got uint8 [4]"),
        (
            torch.full((3, 4, 4), 2.0),
            "expected a tensor of uint8 (0..255) or floats (0..1), RGB [3, h, w] or gray [1, h, w], got torch.float32",
        ),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), "got torch.uint8 [4, 4, 3]"),
        (torch.zeros(1, 3, 0, 4, dtype=torch.uint8), "got torch.uint8 [1, 3, 0, 4]"),
        (7, "expected a path, a PIL image, an array or a tensor, got int"),
        (Pillow.new("F", (4, 4)), "the given image: expected pixels of 8 or 16 bits, got 32-bit pixels (mode F)"),
    ],
)
def test_invalid_sources_raise(source: Any, message: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        sources(source)
    assert message in str(caught.value)


def test_a_folder_without_images_names_the_expected_files(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    with pytest.raises(PolyheadError) as caught:
        sources(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"folder '{tmp_path}' has no image (expected files that end in .avif, .bmp, .gif, ")
    assert message.endswith(f"; to include its subfolders, give '{tmp_path}/**/*'")
