"""Decode image files of any supported format to upright RGB pixels.

EXIF rotation is applied. Transparent pixels are blended with white, because that is what annotators saw. 16-bit gray
images keep their high byte. CMYK, palette and gray images become RGB. Of an animation the first frame is read.

All formats are decoded by Pillow: torchvision's decoder is deprecated, and OpenCV fills truncated files with gray
without an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image
from torchvision import tv_tensors as tv

from polyhead.errors import InvalidFileError
from polyhead.types import Size

MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"]
)
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # no others: Pillow would start Ghostscript for EPS
Image.init()  # before this call Pillow knows only the most common formats

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
    return Path(name).suffix.lower() in SUFFIXES


def read_image(path: str | Path) -> tv.Image:
    """Read an upright image as uint8 ``[3, h, w]``; in memory the channels come last, as the decoder writes them.

    Raises:
        InvalidFileError: if the file is missing, empty, broken, or has more than ``MAX_PIXELS`` pixels.
    """
    with _opened(path) as image:
        orientation = _orientation(image)  # before the pixels are decoded, which may load further EXIF data
        pixels = _upright(to_rgb(image, path), orientation)
        return tv.Image(torch.from_numpy(np.array(pixels)).permute(2, 0, 1))  # [h, w, 3] -> [3, h, w]


class ImageFile(NamedTuple):
    """An image file; ``size`` is the expected height and width of the upright image, or None."""

    path: str
    size: Size | None = None


def read_sized(file: ImageFile) -> tv.Image:
    """Read an image as :func:`read_image` does, and check its size.

    Raises:
        InvalidFileError: if the image cannot be read, or does not have the expected size.
    """
    image = read_image(file.path)  # [3, h, w]
    if file.size is not None and tuple(image.shape[1:]) != file.size:
        what = (
            f"expected {file.size[1]} x {file.size[0]} pixels as in its annotation, got {image.shape[2]} x "
            f"{image.shape[1]} (after EXIF rotation)"
        )
        remedy = "correct the size in the annotation; if only the EXIF rotation differs, save the image rotated"
        raise InvalidFileError(file.path, what, remedy)
    return image


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
        with Image.open(path, formats=FORMATS) as image:
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


def to_rgb(image: Image.Image, path: str | Path) -> Image.Image:
    """Convert an image to RGB; 16 bits are reduced to the high 8, and transparent pixels are blended with white.

    Raises:
        InvalidFileError: if the pixels have 32 bits, because their value range is unknown.
    """
    # Pillow reads a PGM file of 16 bits, scaled to all of them, into pixels of 32 bits.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        what = f"expected pixels of 8 or 16 bits, got 32-bit pixels (mode {image.mode}), whose value range is unknown"
        raise InvalidFileError(path, what, "save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
