"""Models, one module per paper; recipes refer to them by the names in this module."""

from polyhead.models.classifier import classifier
from polyhead.models.efficientdet import efficientdet
from polyhead.models.ssd import ssd300
from polyhead.models.unified import unified

__all__ = ["classifier", "efficientdet", "ssd300", "unified"]
