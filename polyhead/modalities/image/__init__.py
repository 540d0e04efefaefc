"""Images: uint8 RGB, decoded from files or given as pixels, on a canvas of the model's size."""

from polyhead.modalities.image.modality import Image

__all__ = ["Image"]
