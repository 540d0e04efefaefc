"""What a data card says of images: sizes, channels, brightness, cameras, and metadata about people or places."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image
from torch import Tensor

from polyhead.contracts.card import CardFacts
from polyhead.data.io.images import ImageFile, image_size
from polyhead.errors import counted
from polyhead.plotting.input_plots import sizes_and_brightness
from polyhead.types import Size

SIDE = 64
"""Pixels of the longer side to which images are reduced to measure their brightness."""
PERSONAL = ("Artist", "CameraOwnerName", "BodySerialNumber", "LensSerialNumber", "XPAuthor", "HostComputer")
"""EXIF entries that name a person, or a device of one."""
_BASE = {tag.name: tag.value for tag in ExifTags.Base}


class Facts(NamedTuple):
    """What is measured of one image.

    Attributes:
        size: height and width of the upright image.
        form: format and mode, such as ``JPEG RGB``; ``pixels`` for an image without a file.
        brightness: mean of the gray values, 0..1.
        camera: maker and model; empty if unknown.
        place: whether the file has a GPS position.
        person: whether the file names a person or the serial number of a device.
        year: in which the photo was taken; empty if unknown.
    """

    size: Size
    form: str
    brightness: float
    camera: str = ""
    place: bool = False
    person: bool = False
    year: str = ""


def card_facts(raws: Iterable[Any], plot: Path) -> CardFacts:
    """Return what a data card says of images, and plot their sizes and brightness."""
    facts = [_measure(raw) for raw in raws]
    if not facts:
        return CardFacts()
    sizes = np.array([each.size for each in facts])  # [n, 2]
    brightness = np.array([each.brightness for each in facts])  # [n]
    low, high = np.quantile(brightness, (0.05, 0.95))
    (least_h, least_w), (most_h, most_w) = sizes.min(axis=0), sizes.max(axis=0)
    usual, count = Counter(each.size for each in facts).most_common(1)[0]
    forms = Counter(each.form for each in facts)
    gray = sum(count for form, count in forms.items() if form.split()[-1] in ("L", "1", "I;16"))
    rows = [
        ("images examined", f"{len(facts):,}"),
        ("width and height", f"{_span(int(least_w), int(most_w))} and {_span(int(least_h), int(most_h))} pixels"),
        ("most frequent size", f"{usual[1]} x {usual[0]} pixels ({count / len(facts):.0%})"),
        ("format and channels", ", ".join(f"{form}: {count:,}" for form, count in forms.most_common(6))),
        ("brightness (0 to 1)", f"mean {brightness.mean():.2f}, 90% of the images {low:.2f} to {high:.2f}"),
    ]
    areas = sizes.prod(axis=1)
    wide = float((sizes[:, 1] > sizes[:, 0]).mean())
    biases = [_resolution(areas, len(set(map(tuple, sizes.tolist()))), usual)]
    if 0.02 < wide < 0.98:
        biases.append(f"{wide:.0%} of the images are wider than high")
    biases.append(
        f"90% of the images have a mean brightness of {low:.2f} to {high:.2f}; darker and brighter scenes are rare"
    )
    if gray:
        biases.append(f"gray images: {gray} of {len(facts)}")
    cameras = _cameras(facts)
    plots = [(sizes_and_brightness(sizes, brightness, plot), "sizes and brightness of the images")]
    return CardFacts([*rows, *cameras.rows], [*biases, *cameras.biases], cameras.limitations, _privacy(facts), plots)


def _span(least: int | str, most: int | str) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def _resolution(areas: np.ndarray, different: int, usual: Size) -> str:
    """Return a sentence on how much the sizes differ."""
    if different == 1:
        return f"all images have one size, {usual[1]} x {usual[0]} pixels; other resolutions are not covered"
    ratio = areas.max() / areas.min()
    return f"the images have {different} sizes; the largest has {ratio:.1f} times the pixels of the smallest"


def _cameras(facts: list[Facts]) -> CardFacts:
    """Return what the metadata says about cameras and years."""
    known = Counter(each.camera for each in facts if each.camera)
    years = sorted(each.year for each in facts if each.year)
    stated = f"({len(years)} of {len(facts)} state it)"
    rows = [("year of the photo", f"{_span(years[0], years[-1])} {stated}")] if years else []
    if not known:
        return CardFacts(rows, limitations=["no image states its camera, so a bias to one device cannot be seen"])
    most, models = known.most_common(1)[0][1] / known.total(), counted(len(known), "model")
    bias = (
        f"{known.total()} of {len(facts)} images state their camera ({models}); the most frequent one took {most:.0%}"
    )
    return CardFacts([*rows, ("camera models", f"{len(known)}")], [bias])


def _privacy(facts: list[Facts]) -> list[str]:
    """Return which metadata about people the files have; never the metadata itself."""
    places, people = sum(each.place for each in facts), sum(each.person for each in facts)
    found = []
    if places:
        found.append(f"{places} of {len(facts)} image files have a GPS position: remove it before passing them on")
    if people:
        found.append(
            f"{people} of {len(facts)} image files name a person, or the serial number of a device: remove that before "
            "passing them on"
        )
    return found


def _measure(raw: ImageFile | Tensor) -> Facts:
    """Measure an image, which is decoded at a reduced size where its format allows."""
    if isinstance(raw, Tensor):
        pixels = raw.as_subclass(Tensor).float()  # [3, h, w]
        return Facts((int(raw.shape[-2]), int(raw.shape[-1])), "pixels", float(pixels.mean()) / 255)
    with Image.open(raw.path) as image:
        form = f"{image.format} {image.mode}"
        size = raw.size or image_size(raw.path)
        exif = _exif(image)
        image.draft("L", (SIDE, SIDE))
        reduced = image.convert("F") if image.mode.startswith("I") else image.convert("L")
        reduced.thumbnail((SIDE, SIDE))
        values, most = np.asarray(reduced), 65535 if image.mode.startswith("I") else 255
    camera = " ".join(str(exif.get(_BASE[name], "")).strip(" \0") for name in ("Make", "Model")).strip()
    taken = str(exif.get(_BASE["DateTimeOriginal"]) or exif.get(_BASE["DateTime"]) or "")[:4]
    return Facts(
        size,
        form,
        float(values.mean()) / most,
        camera,
        bool(exif.get(ExifTags.IFD.GPSInfo)),
        any(exif.get(_BASE[name]) for name in PERSONAL),
        taken if taken.isdecimal() and taken > "1900" else "",
    )


def _exif(image: Image.Image) -> dict[int, Any]:
    """Return the EXIF entries of an opened image, those about the camera included; empty if they cannot be read."""
    try:
        found = Image.Image.getexif(image)  # not image.getexif(): for PNG files that would decode the pixels
        return {**found, **found.get_ifd(ExifTags.IFD.Exif), ExifTags.IFD.GPSInfo: found.get_ifd(ExifTags.IFD.GPSInfo)}
    except Exception:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # EXIF parsers raise anything
        return {}
