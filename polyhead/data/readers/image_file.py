"""The base class of readers whose samples are image files."""

from abc import ABC

from torchvision import tv_tensors as tv

from polyhead.contracts.reader import Reader, sample
from polyhead.data.io.images import read_image
from polyhead.errors import InvalidFileError
from polyhead.types import Annotation, Sample


class ImageFileReader(Reader, ABC):
    """A reader whose annotations each name an image file."""

    def __getitem__(self, index: int) -> Sample:
        """Return the decoded image with its annotation."""
        return read_sample(self.annotation(index), self.mask(index))


def read_sample(annotation: Annotation, mask: tv.Mask | None = None) -> Sample:
    """Decode the image of an annotation and return both as one sample.

    Raises:
        InvalidFileError: if the image cannot be read, or its size differs from the size in its annotation.
    """
    image = read_image(annotation.path)  # [3, h, w]
    height, width = annotation.size
    if tuple(image.shape[1:]) != (height, width):
        what = (
            f"expected {width} x {height} pixels as in its annotation (id {annotation.id}), "
            f"got {image.shape[2]} x {image.shape[1]} (after EXIF rotation)"
        )
        remedy = "correct the size in the annotation; if only the EXIF rotation differs, save the image rotated"
        raise InvalidFileError(annotation.path, what, remedy)
    return sample(annotation, image, mask)
