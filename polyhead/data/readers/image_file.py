"""The base class of readers whose samples are image files."""

from abc import ABC
from collections.abc import Callable
from typing import Any

from polyhead.contracts.reader import Reader
from polyhead.data.io.images import read_sized
from polyhead.errors import InvalidFileError, Problem


class ImageFileReader(Reader, ABC):
    """A reader whose raw inputs are image files (:class:`polyhead.data.io.images.ImageFile`)."""

    def verify(self, index: int, inspect: Callable[[Any], object] | None = None) -> Problem | None:
        """Return why an image or its target cannot be read; None if both can."""
        try:
            (inspect or read_sized)(self.raw(index))
            self.target(index)
        except InvalidFileError as error:
            return error.problem
        return None
