"""Models, one module per paper, and the heads and backbones of any model; recipes name the functions listed here."""

from polyhead.models.classifier import classifier
from polyhead.models.efficientdet import efficientdet
from polyhead.models.ssd import ssd300
from polyhead.models.unified import unified
from polyhead.models.yolov3 import yolov3, yolov3_tiny
from polyhead.models.yolox import yolox

__all__ = ["classifier", "efficientdet", "ssd300", "unified", "yolov3", "yolov3_tiny", "yolox"]
