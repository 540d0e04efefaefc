"""Picture files become upright RGB pixels, whatever is inside them.

EXIF rotation is applied; alpha is laid over white, as the person who drew the boxes saw it; 16-bit grey keeps its high
byte; CMYK, palette and grey pictures become RGB; of a moving picture the first frame counts.

Pillow decodes all of them: torchvision's decoder is deprecated, and OpenCV's fills truncated files with grey, silently.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image
from torchvision import tv_tensors as tv

from polyhead.errors import FileFault
from polyhead.types import Size

MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"]
)
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # no others: Pillow would start Ghostscript for EPS
Image.init()  # Pillow finds formats other than the commonest only after this

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF orientation; from 5 on width and height change places
SIDEWAYS = 5


def is_picture(name: str | Path) -> bool:
    """Whether a file's suffix is one of a picture format that can be read."""
    return Path(name).suffix.lower() in SUFFIXES


def read_picture(path: str | Path) -> tv.Image:
    """The upright picture, uint8 ``[3, h, w]``; channels come last in memory, as pictures are decoded.

    Raises:
        FileFault: naming the file, when it is missing, empty, broken, or larger than ``MAX_PIXELS``.
    """
    with _opened(path) as image:
        turn = _orientation(image)  # before the pixels are decoded: afterwards more of a file may be known
        pixels = _turned(to_rgb(image, path), turn)
        return tv.Image(torch.from_numpy(np.array(pixels)).permute(2, 0, 1))


def picture_size(path: str | Path) -> Size:
    """Height and width of the upright picture, from the file's header alone.

    Raises:
        FileFault: as :func:`read_picture`, as far as the header tells.
    """
    with _opened(path) as image:
        width, height = image.size
        return (width, height) if _orientation(image) >= SIDEWAYS else (height, width)


def picture_mode(path: str | Path) -> str:
    """Pillow's name for the kind of a file's pixels, such as ``RGB``; from the file's header alone.

    Raises:
        FileFault: as :func:`picture_size`.
    """
    with _opened(path) as image:
        return image.mode


def read_colours(path: str | Path) -> UInt8[np.ndarray, "h w 3"]:
    """The colours of an upright picture in colours, grey or with a palette, such as a mask.

    What is transparent keeps its colour.

    Raises:
        FileFault: as :func:`read_picture`, or when the picture has no colours.
    """
    with _opened(path) as image:
        if image.mode not in ("RGB", "RGBA", "P", "L", "1"):
            what = f"a mask of colours is RGB, grey or has a palette, this one is {image.mode}"
            raise FileFault(path, what, "save it as RGB PNG")
        turn = _orientation(image)
        return np.array(_turned(image.convert("RGB"), turn))


def read_classes(path: str | Path) -> UInt8[np.ndarray, "h w"]:
    """The numbers of an upright one-channel 8-bit or palette picture, such as a mask; not converted.

    Raises:
        FileFault: as :func:`read_picture`, or when the picture has more than one channel.
    """
    with _opened(path) as image:
        if image.mode not in ("L", "P", "1"):
            raise FileFault(path, f"a mask has one 8-bit channel, this one is {image.mode}", "save it as grey PNG")
        turn = _orientation(image)
        return np.array(_turned(image, turn)).astype(np.uint8)


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """The picture with its header read; whatever goes wrong until it is closed becomes a FileFault."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{width} x {height} pixels")
            yield image
    except FileFault:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as fault:
        what = f"the picture is larger than {MAX_PIXELS:,} pixels, as a decompression bomb is ({fault})"
        raise FileFault(path, what, "cut it into smaller pictures, or remove it") from fault
    except Exception as fault:  # decoders raise anything on broken files
        raise FileFault(path, *_diagnosis(Path(path), fault)) from fault


def _diagnosis(path: Path, fault: Exception) -> tuple[str, str]:
    """What is wrong with a file that could not be opened or decoded, and what to do."""
    if not path.exists():
        return "there is no such file", "add the file, or remove what refers to it"
    if isinstance(fault, PermissionError):
        return "the file may not be read", "give yourself the right to read it"
    if path.is_file() and path.stat().st_size == 0:
        return "the picture file is empty (0 bytes)", "copy it again from its source, or remove it"
    return f"the picture cannot be decoded ({fault})", "copy it again, save it as JPEG or PNG, or remove it"


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8. TIFF files are turned by Pillow itself; a broken EXIF block counts as upright."""
    if image.format == "TIFF":
        return 1
    try:
        # not image.getexif(): for PNG files that would decode the pixels
        turn = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # EXIF parsers raise anything
        return 1
    return turn if turn in TURNS else 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def to_rgb(image: Image.Image, path: str | Path) -> Image.Image:
    """Any picture as RGB; 16 bits are cut to 8, and what is transparent lies on white.

    Raises:
        FileFault: for pixels of 32 bits, whose range nobody knows.
    """
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise FileFault(path, f"32-bit pixels (mode {image.mode}) have no known range", "save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
