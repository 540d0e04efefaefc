"""The decisions of a detector: its detections, each of which has a score and is correct or not."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyhead.contracts.operating import Conf, Decisions
from polyhead.metrics.matching import match
from polyhead.metrics.pooled import TestedBoxes
from polyhead.types import Detections


def box_decisions(tested: TestedBoxes) -> Decisions:
    """Return the detections of a test, matched at IoU .5; those that match only an ignored object are left out."""
    matches = match(tested.targets, tested.predictions, tested.names, np.array([0.5]))
    found = Decisions(matches.image_idx, matches.labels, matches.scores, matches.hit[0], matches.objects)
    return found.take(~matches.skip[0])


def lowest(prediction: Detections, conf: Conf) -> Float[Tensor, "*n"]:
    """Return the lowest score of each detection that is shown, or the one for all, in float64."""
    scores = torch.tensor(conf, dtype=torch.float64, device=prediction.labels.device)
    return scores[prediction.labels] if scores.ndim else scores


def reach(prediction: Detections, conf: Conf) -> Bool[Tensor, " n"]:
    """Return whether each detection has at least the lowest score of what is shown."""
    return prediction.scores >= lowest(prediction, conf)
