"""Classes that a classifier contradicts: confident learning (Northcutt et al. 2021, section 3.1)."""

import numpy as np
from jaxtyping import Float, Int


def contradicted(
    labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n c"]
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Return the samples off the diagonal of the confident joint, the least probable label first.

    The threshold of a class is the mean probability that the samples with this label get for it. A sample is
    confidently of the most probable class among those whose threshold it reaches, and contradicted if this is not its
    label. Left out are samples whose label is the most probable class all the same. A class that no sample has as its
    label has no threshold, so nothing is confidently of it.

    Args:
        labels: the label of each sample.
        probabilities: of each class, by a model that has not trained on the sample.

    Returns:
        Indices of the contradicted samples, by increasing probability of their label, and their confident classes.
    """
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)  # [n]
    counts = np.bincount(labels, minlength=classes)  # [c]
    sums = np.bincount(labels, own, minlength=classes)  # [c]
    thresholds = np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)  # [c]
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)  # [n, c]
    confident = reached.argmax(axis=1)  # [n]
    disagree = (confident != labels) & (probabilities.argmax(axis=1) != labels)  # [n]
    wrong = np.flatnonzero(disagree & (reached.max(axis=1) >= 0))  # [k]
    order = wrong[np.argsort(own[wrong], kind="stable")]  # [k]
    return order, confident[order]
