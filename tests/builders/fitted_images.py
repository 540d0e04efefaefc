"""The modality of images, fitted, and decoded samples of readers."""

from polyhead.contracts.reader import Reader
from polyhead.data.augment.base import Augmentation
from polyhead.data.loading.streams import Decoded
from polyhead.modalities.image import Image
from polyhead.types import Sample, Size


def image_modality(size: Size = (32, 32), transforms: str | Augmentation = "plain") -> Image:
    """Return a fitted modality of images."""
    modality = Image()
    modality.fit([], size, transforms)
    return modality


def decoded(reader: Reader, index: int) -> Sample:
    """Return a sample of images before any transform."""
    return Decoded(reader, Image())(index)
