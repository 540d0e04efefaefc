"""Check the sizes and the pixels of images, and find copies among them."""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from jaxtyping import UInt8

from polyhead.contracts.modality import Facts
from polyhead.data.checks.near_copies import near_copies
from polyhead.data.io.images import THUMBNAIL, ImageFile, inspect_image
from polyhead.errors import Finding, Problem

SMALL = 32
"""Pixels; an image with a shorter side is small, unless the other images are about as small."""
NARROW = 5.0
"""Ratio of the sides from which an image is narrow, unless the other images are about as narrow."""
BLANK = 2.0
"""Standard deviation of the gray values (0 to 255) of a thumbnail below which an image shows nothing."""


def facts_of(file: ImageFile, bits: int) -> dict[str, Any]:
    """Return the size, the form of the pixels and the thumbnail of an image file, as plain types.

    Raises:
        InvalidFileError: if it cannot be read.
    """
    size, form, thumbnail = inspect_image(file, bits)
    return {"size": list(size), "form": form, "thumbnail": b64encode(thumbnail.tobytes()).decode()}


def check_images(facts: Mapping[str, Facts]) -> list[Finding]:
    """Return warnings of images that are odd among the others of a data set, by their files."""
    known = {file: each for file, each in facts.items() if each}
    return [*_sizes(known), *_forms(known), *_blank(known)] if known else []


def groups_of_copies(facts: Sequence[Facts]) -> list[list[int]]:
    """Return the groups of images that are almost the same, as indices."""
    known = [index for index, each in enumerate(facts) if each]
    if not known:
        return []
    groups = near_copies(np.stack([_thumbnail(facts[index]) for index in known]))
    return [[known[index] for index in group] for group in groups]


def _sizes(facts: Mapping[str, Facts]) -> Iterator[Finding]:
    sides = {file: min(each["size"]) for file, each in facts.items()}
    ratios = {file: max(each["size"]) / min(each["size"]) for file, each in facts.items()}
    usual_side, usual_ratio = median(sides.values()), median(ratios.values())
    for file, each in facts.items():
        size = f"{each['size'][1]} x {each['size'][0]} pixels"
        if sides[file] < min(SMALL, usual_side / 2):
            what = f"the image has only {size}, the shorter side of the median image {usual_side:g}"
            yield Finding("small-images", Problem(file, what, "remove it if it is a thumbnail or a part of a page"))
        if ratios[file] > max(NARROW, 2 * usual_ratio):
            what = f"the image of {size} is very narrow, and little of it is left when it is resized"
            yield Finding("narrow-images", Problem(file, what, "cut it into parts, or remove it"))


def _forms(facts: Mapping[str, Facts]) -> Iterator[Finding]:
    forms = Counter(each["form"] for each in facts.values())
    usual = forms.most_common(1)[0][0]
    for file, each in facts.items():
        if each["form"] != usual:
            what = f"the pixels of the image are {each['form']}, those of most others {usual}"
            remedy = "make sure that images in use look the same; otherwise, convert it"
            yield Finding("channels", Problem(file, what, remedy))


def _blank(facts: Mapping[str, Facts]) -> Iterator[Finding]:
    for file, each in facts.items():
        if _thumbnail(each).std() < BLANK:
            what = "the image shows nothing: all of its pixels are almost the same"
            yield Finding("blank-images", Problem(file, what, "remove it, or export it again"))


def _thumbnail(facts: Facts) -> UInt8[np.ndarray, "32 32"]:
    pixels = np.frombuffer(b64decode(facts["thumbnail"]), np.uint8)
    return pixels.reshape(THUMBNAIL, THUMBNAIL)
