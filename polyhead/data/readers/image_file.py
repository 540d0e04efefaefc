"""Readers whose samples are image files: the base class that decodes them."""

from abc import ABC

from torchvision import tv_tensors as tv

from polyhead.contracts.reader import Reader, sample
from polyhead.data.io.images import read_picture
from polyhead.errors import FileFault
from polyhead.types import Annotation, Sample


class ImageFileReader(Reader, ABC):
    """A reader whose annotations name an image file each."""

    def __getitem__(self, index: int) -> Sample:
        """Return the decoded image with its annotation."""
        return read_sample(self.annotation(index), self.mask(index))


def read_sample(annotation: Annotation, mask: tv.Mask | None = None) -> Sample:
    """Read the picture of an annotation, and put both into one sample.

    Raises:
        FileFault: when the picture cannot be read, or is not of the size that its annotation tells.
    """
    picture = read_picture(annotation.path)
    height, width = annotation.size
    if tuple(picture.shape[1:]) != (height, width):
        found = f"{picture.shape[2]} x {picture.shape[1]}"
        what = f"the upright picture has {found} pixels, its annotation (id {annotation.id}) says {width} x {height}"
        remedy = "correct the size in the annotation; if only EXIF turns the picture, save it turned"
        raise FileFault(annotation.path, what, remedy)
    return sample(annotation, picture, mask)
