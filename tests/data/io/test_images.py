"""Image files of every format are decoded to the same upright RGB pixels."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision import tv_tensors as tv

from polyhead.data.io import images
from polyhead.data.io.images import (
    MAX_PIXELS,
    image_size,
    is_image,
    is_size,
    not_read,
    read_classes,
    read_image,
    used_bits,
)
from polyhead.errors import InvalidFileError

NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
GRID = np.meshgrid(np.arange(0, 256, 4), np.arange(0, 192, 4))
SMOOTH = np.stack([*GRID, np.full((48, 64), 90)], -1).astype(np.uint8)


def pixels(path: Path) -> np.ndarray:
    image = read_image(path)
    assert isinstance(image, tv.Image)
    assert image.dtype == torch.uint8
    assert image_size(path) == tuple(image.shape[1:])
    return np.asarray(image.permute(1, 2, 0))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm"])
def test_lossless_formats_keep_every_pixel(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(NOISE).save(path)
    assert is_image(path)
    assert np.array_equal(pixels(path), NOISE)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "gif", "avif"])
def test_lossy_formats_are_close(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(SMOOTH).save(path)
    assert np.abs(pixels(path).astype(int) - SMOOTH).mean() < 6


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(10))
def test_exif_rotation_is_applied(suffix: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation  # 0 and 9 are invalid
    Image.fromarray(SMOOTH).save(path, exif=exif)
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    found = pixels(path)
    assert found.shape[:2] == ((64, 48) if 5 <= orientation <= 8 else (48, 64))
    assert np.array_equal(found, np.array(upright))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_an_image_with_broken_exif_is_upright(tmp_path: Path) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert pixels(tmp_path / "a.jpg").shape == (48, 64, 3)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_gray(suffix: str, tmp_path: Path) -> None:
    gray = Image.fromarray(SMOOTH).convert("L")
    gray.save(tmp_path / f"a.{suffix}", quality=100)
    found = pixels(tmp_path / f"a.{suffix}")
    assert np.array_equal(found[..., 0], found[..., 2])
    assert np.abs(found[..., 1].astype(int) - np.array(gray)).max() <= 2


def test_of_sixteen_bits_the_high_byte_is_read(tmp_path: Path) -> None:
    high = SMOOTH[..., 0]
    for suffix in ("png", "tif"):
        Image.fromarray(high.astype(np.uint16) * 256 + 77).save(tmp_path / f"a.{suffix}")
        assert np.array_equal(pixels(tmp_path / f"a.{suffix}")[..., 1], high)


def test_pgm_of_sixteen_bits(tmp_path: Path) -> None:
    values = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 20
    (tmp_path / "a.pgm").write_bytes(b"P5 64 48 65535\n" + values.astype(">u2").tobytes())
    assert np.array_equal(read_image(tmp_path / "a.pgm")[0], values >> 8)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_of_fewer_bits_in_sixteen_those_are_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    values = (np.arange(64 * 64).reshape(64, 64) % 4096).astype(np.uint16)
    Image.fromarray(values).save(path)
    assert used_bits(path) == 12
    assert np.array_equal(read_image(path, bits=12)[0], values >> 4)
    assert int(read_image(path).max()) == 15
    assert int(read_image(path, bits=8)[0, 10, 0]) == 255, "larger values are clipped, not wrapped around"
    Image.fromarray(SMOOTH).save(path)
    assert used_bits(path) is None


def test_images_in_formats_that_are_not_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "reads_heic", lambda: False)
    assert not is_image("a.heic")
    assert not not_read(["a.jpg", "b.avif", "notes.txt"])
    (note,) = not_read(["a.HEIC", "b.heic", "c.jxl", "d.jpg"])
    assert note.startswith("3 images not read, because of the format: 2 with .heic, 1 with .jxl (for HEIC, ")
    assert note.endswith("pip install 'polyhead[heic]'; convert others to JPEG or PNG)")
    for name, message in (("a.heic", r"pip install 'polyhead\[heic\]'"), ("a.jp2", "save it as JPEG or PNG")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(InvalidFileError, match=message):
            read_image(tmp_path / name)
    monkeypatch.setattr(images, "reads_heic", lambda: True)
    assert is_image("a.heic")
    assert not not_read(["a.heic"])


def test_heic_is_read_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package, which is no dependency, is replaced by one that counts; Pillow knows formats by their content."""
    calls: list[int] = []
    package = ModuleType("pillow_heif")
    vars(package)["register_heif_opener"] = lambda: calls.append(1)
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    images.reads_heic.cache_clear()
    Image.fromarray(SMOOTH).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.heic")
    try:
        assert is_image(tmp_path / "a.heic")
        assert np.array_equal(pixels(tmp_path / "a.heic"), SMOOTH)
        assert calls == [1]
    finally:
        images.reads_heic.cache_clear()


def test_cmyk(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(SMOOTH).convert("CMYK").save(path, quality=100)
    assert np.abs(pixels(path).astype(int) - SMOOTH).mean() < 4


def test_palette_and_black_and_white(tmp_path: Path) -> None:
    few = Image.fromarray(SMOOTH).quantize(16)
    few.save(tmp_path / "a.png")
    assert np.array_equal(pixels(tmp_path / "a.png"), np.array(few.convert("RGB")))
    Image.fromarray(SMOOTH).convert("1").save(tmp_path / "b.png")
    assert set(np.unique(pixels(tmp_path / "b.png"))) == {0, 255}


def test_transparent_pixels_are_blended_with_white(tmp_path: Path) -> None:
    alpha = np.full((48, 64, 1), 255, np.uint8)
    alpha[:, :32] = 0
    Image.fromarray(np.concatenate([NOISE, alpha], -1)).save(tmp_path / "a.png")
    found = pixels(tmp_path / "a.png")
    assert (found[:, :32] == 255).all()
    assert np.array_equal(found[:, 32:], NOISE[:, 32:])
    palette = Image.fromarray(SMOOTH).quantize(8)
    palette.save(tmp_path / "c.png", transparency=0)
    clear = np.array(palette) == 0
    assert clear.any()
    assert (pixels(tmp_path / "c.png")[clear] == 255).all()


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("hello")
    Image.fromarray(NOISE).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(NOISE[..., 0].astype(np.float32)).save(tmp_path / "float.tif")
    (tmp_path / "script.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    for name, word in (
        ("empty.jpg", "empty"),
        ("text.jpg", "cannot be decoded"),
        ("cut.jpg", "truncated"),
        ("float.tif", "32-bit"),
        ("none.jpg", "does not exist"),
        ("script.jpg", "cannot be decoded"),
    ):
        with pytest.raises(InvalidFileError, match=f"{name}: .*{word}"):
            read_image(tmp_path / name)


def test_the_pixel_values_of_masks_are_not_changed(tmp_path: Path) -> None:
    numbers = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64) % 5
    Image.fromarray(numbers).save(tmp_path / "gray.png")
    palette = Image.new("P", (64, 48))
    palette.putpalette([200, 0, 0, 0, 200, 0] * 3)
    palette.putdata(numbers.ravel().tolist())
    palette.save(tmp_path / "palette.png")
    for name in ("gray.png", "palette.png"):
        assert np.array_equal(read_classes(tmp_path / name), numbers)
    Image.fromarray(NOISE).save(tmp_path / "rgb.png")
    with pytest.raises(InvalidFileError, match="one 8-bit channel, got pixels of mode RGB"):
        read_classes(tmp_path / "rgb.png")


@pytest.mark.parametrize("most", [65_535, 255, 4095])
def test_a_pgm_file_of_any_depth_has_its_full_range(most: int, tmp_path: Path) -> None:
    values = np.array([[0, most // 2, most]], dtype=">u2" if most > 255 else "u1")
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 3 1 %d\n" % most + values.tobytes())
    assert read_image(path)[0].tolist() == [[0, 127, 255]]


def test_sizes_that_no_image_may_have() -> None:
    assert is_size(48, 64)
    assert is_size(1, MAX_PIXELS)
    for height, width in ((0, 64), (48, -1), (2, MAX_PIXELS), (10_000_000, 48)):
        assert not is_size(height, width)
