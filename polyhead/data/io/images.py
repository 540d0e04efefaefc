"""Decode image files of any supported format to upright RGB pixels.

EXIF rotation is applied. Transparent pixels are blended with white, because that is what annotators saw. 16-bit gray
images keep the high byte, of all bits or of those that they use. CMYK, palette and gray images become RGB. Of an
animation the first frame is read.

All formats are decoded by Pillow: torchvision's decoder is deprecated, and OpenCV fills truncated files with gray
without an error.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image
from torchvision import tv_tensors as tv

from polyhead.errors import InvalidFileError, counted, few
from polyhead.types import Size

MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".avif"]
)
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "AVIF")  # not EPS: Pillow would start Ghostscript
HEIC = frozenset([".heic", ".heif", ".hif"])
"""Endings of the images that need the package pillow-heif."""
NOT_READ = frozenset(
    [
        *HEIC,
        ".jp2",
        ".j2k",
        ".jpf",
        ".jpx",
        ".jxl",
        ".jxr",
        ".psd",
        ".svg",
        ".exr",
        ".hdr",
        ".tga",
        ".pcx",
        ".dcm",
        ".dng",
        ".cr2",
        ".cr3",
        ".nef",
        ".arw",
        ".orf",
        ".rw2",
        ".raf",
    ]
)
"""Endings of images that are not read (those of ``HEIC`` only without the package), and therefore counted."""
INSTALL_HEIC = "install it with: pip install 'polyhead[heic]'"
Image.init()  # before this call Pillow knows only the most common formats

THUMBNAIL = 32
"""Height and width of the thumbnails by which images are compared."""
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that makes an image upright, by EXIF orientation."""
FIRST_SIDEWAYS = 5
"""From this EXIF orientation on, width and height are swapped."""


def is_image(name: str | Path) -> bool:
    """Return whether the suffix of a file is that of a supported image format."""
    suffix = Path(name).suffix.lower()
    return suffix in SUFFIXES or (suffix in HEIC and reads_heic())


@lru_cache(1)
def reads_heic() -> bool:
    """Return whether HEIC images can be read, and let Pillow read them if so."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def not_read(names: Iterable[str | Path]) -> list[str]:
    """Return a sentence with the number of images in formats that are not read, by their endings; none without any."""
    endings = Counter(Path(name).suffix.lower() for name in names if not is_image(name))
    counts = {ending: count for ending, count in endings.most_common() if ending in NOT_READ}
    if not counts:
        return []
    listed = few([f"{count} with {ending}" for ending, count in counts.items()])
    remedy = (
        f"for HEIC, {INSTALL_HEIC}; convert others to JPEG or PNG"
        if HEIC & counts.keys()
        else "convert them to JPEG or PNG"
    )
    return [f"{counted(sum(counts.values()), 'image')} not read, because of the format: {listed} ({remedy})"]


def read_image(path: str | Path, bits: int = 16) -> tv.Image:
    """Read an upright image as uint8 ``[3, h, w]``; in memory the channels come last, as the decoder writes them.

    Args:
        path: the file.
        bits: how many bits the values of 16-bit images use, of which the high eight are read.

    Raises:
        InvalidFileError: if the file is missing, empty, broken, or has more than ``MAX_PIXELS`` pixels.
    """
    with _opened(path) as image:
        orientation = _orientation(image)  # before the pixels are decoded, which may load further EXIF data
        pixels = _upright(to_rgb(image, path, bits), orientation)
        return tv.Image(torch.from_numpy(np.array(pixels)).permute(2, 0, 1))  # [h, w, 3] -> [3, h, w]


class ImageFile(NamedTuple):
    """An image file; ``size`` is the expected height and width of the upright image, or None."""

    path: str
    size: Size | None = None


def read_sized(file: ImageFile, bits: int = 16) -> tv.Image:
    """Read an image as :func:`read_image` does, and check its size.

    Raises:
        InvalidFileError: if the image cannot be read, or does not have the expected size.
    """
    image = read_image(file.path, bits)  # [3, h, w]
    _require_size(file, (image.shape[1], image.shape[2]))
    return image


def _require_size(file: ImageFile, size: Size) -> None:
    """Check that an image has the expected size.

    Raises:
        InvalidFileError: if it has not.
    """
    if file.size is not None and size != file.size:
        what = (
            f"expected {file.size[1]} x {file.size[0]} pixels as in its annotation, got {size[1]} x "
            f"{size[0]} (after EXIF rotation)"
        )
        remedy = "correct the size in the annotation; if only the EXIF rotation differs, save the image rotated"
        raise InvalidFileError(file.path, what, remedy)


def inspect_image(file: ImageFile, bits: int = 16) -> tuple[Size, str, UInt8[np.ndarray, "32 32"]]:
    """Read an image whole, and return its upright size, the form of its pixels, and a gray thumbnail.

    A JPEG file is decoded at a lower resolution, which is faster; damage in it is found all the same.

    Raises:
        InvalidFileError: as :func:`read_sized`.
    """
    with _opened(file.path) as image:
        (width, height), form, orientation = image.size, _form(image), _orientation(image)
        image.draft("L", (4 * THUMBNAIL, 4 * THUMBNAIL))
        gray = _upright(to_rgb(image, file.path, bits).convert("L"), orientation)
        size = (width, height) if orientation >= FIRST_SIDEWAYS else (height, width)
        _require_size(file, size)
        return size, form, np.array(gray.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def _form(image: Image.Image) -> str:
    """Return what the pixels of an image are, from its header: such as ``color``, ``gray`` or ``CMYK``."""
    if image.mode.startswith(("I", "F")):
        return "16 bits"
    if image.has_transparency_data:
        return "transparent"
    return {"1": "gray", "L": "gray", "RGB": "color", "P": "color"}.get(image.mode, image.mode)


def is_size(height: int, width: int) -> bool:
    """Return whether an image may have this height and width in pixels; annotation files may say anything."""
    return height > 0 and width > 0 and height * width <= MAX_PIXELS


def image_size(path: str | Path) -> Size:
    """Return height and width of an upright image; reads the header of the file only.

    Raises:
        InvalidFileError: as :func:`read_image`, for faults that the header shows.
    """
    with _opened(path) as image:
        width, height = image.size
        return (width, height) if _orientation(image) >= FIRST_SIDEWAYS else (height, width)


def image_mode(path: str | Path) -> str:
    """Return Pillow's mode of an image, such as ``RGB``; reads the header of the file only.

    Raises:
        InvalidFileError: as :func:`image_size`.
    """
    with _opened(path) as image:
        return image.mode


def used_bits(path: str | Path) -> int | None:
    """Return how many bits the values of a 16-bit image use, at least 8; None for other images.

    Raises:
        InvalidFileError: as :func:`read_image`.
    """
    with _opened(path) as image:
        if not image.mode.startswith("I;16"):
            return None
        return max(8, int(np.asarray(image).max()).bit_length())


def read_colors(path: str | Path) -> UInt8[np.ndarray, "h w 3"]:
    """Read the colors of an upright color, gray or palette image, such as a mask; transparent pixels keep their color.

    Raises:
        InvalidFileError: as :func:`read_image`, or if the mode of the image is another one.
    """
    with _opened(path) as image:
        if image.mode not in ("RGB", "RGBA", "P", "L", "1"):
            what = f"expected a mask of colors (RGB, gray or palette), got pixels of mode {image.mode}"
            raise InvalidFileError(path, what, "save it as RGB PNG")
        orientation = _orientation(image)
        return np.array(_upright(image.convert("RGB"), orientation))


def read_classes(path: str | Path) -> UInt8[np.ndarray, "h w"]:
    """Read the unchanged pixel values of an upright 8-bit gray or palette image, such as a mask.

    Raises:
        InvalidFileError: as :func:`read_image`, or if the image has more than one channel.
    """
    with _opened(path) as image:
        if image.mode not in ("L", "P", "1"):
            what = f"expected a mask with one 8-bit channel, got pixels of mode {image.mode}"
            raise InvalidFileError(path, what, "save it as gray PNG")
        orientation = _orientation(image)
        return np.array(_upright(image, orientation)).astype(np.uint8)


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """Open an image and read its header; every error until it is closed becomes an InvalidFileError."""
    try:
        heic = Path(path).suffix.lower() in HEIC and reads_heic()
        with Image.open(path, formats=(*FORMATS, "HEIF") if heic else FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{width} x {height} pixels")
            yield image
    except InvalidFileError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        what = f"the image is larger than {MAX_PIXELS:,} pixels, possibly a decompression bomb ({error})"
        raise InvalidFileError(path, what, "split it into smaller images, or remove it") from error
    except Exception as error:  # decoders raise any exception on broken files
        raise InvalidFileError(path, *_diagnosis(Path(path), error)) from error


def _diagnosis(path: Path, error: Exception) -> tuple[str, str]:
    """Return why a file could not be opened or decoded, and what to do."""
    if not path.exists():
        return "the file does not exist", "add the file, or delete the entries that name it"
    if isinstance(error, PermissionError):
        return "the file cannot be read (permission denied)", "give yourself permission to read it"
    if path.is_file() and path.stat().st_size == 0:
        return "the image file is empty (0 bytes)", "copy it again from its source, or remove it"
    if path.suffix.lower() in HEIC and not reads_heic():
        return "the image is HEIC, which needs the package pillow-heif", INSTALL_HEIC
    if path.suffix.lower() in NOT_READ - HEIC:
        return f"images in the format {path.suffix.lower()} are not read", "save it as JPEG or PNG"
    return f"the image cannot be decoded ({error})", "copy it again, save it as JPEG or PNG, or remove it"


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if it is missing or broken, and for TIFF, which Pillow itself rotates."""
    if image.format == "TIFF":
        return 1
    try:
        # not image.getexif(): for PNG files that would decode the pixels
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # EXIF parsers raise anything
        return 1
    return orientation if orientation in TRANSPOSE else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(TRANSPOSE[orientation]) if orientation in TRANSPOSE else image


def to_rgb(image: Image.Image, path: str | Path, bits: int = 16) -> Image.Image:
    """Convert an image to RGB; 16 bits are reduced to the high 8, and transparent pixels are blended with white.

    Args:
        image: the image.
        path: its file, for messages.
        bits: how many bits the values of a 16-bit image use.

    Raises:
        InvalidFileError: if the pixels have 32 bits, because their value range is unknown.
    """
    # Pillow reads a PGM file of 16 bits, scaled to all of them, into pixels of 32 bits.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        values = np.asarray(image).astype(np.uint16) >> (bits - 8)  # [h, w]
        image = Image.fromarray(values.clip(max=255).astype(np.uint8))
    if image.mode in ("I", "F"):
        what = f"expected pixels of 8 or 16 bits, got 32-bit pixels (mode {image.mode}), whose value range is unknown"
        raise InvalidFileError(path, what, "save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
