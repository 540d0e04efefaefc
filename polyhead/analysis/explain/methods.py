"""Class activation maps: from the activations of a layer and the gradient of a logit to a map of its cells.

In shapes, ``c`` is the number of channels, and ``*p`` the cells of a layer: ``h w`` of images, ``t`` of sequences.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyhead.errors import PolyheadError, suggest


def grad_cam(activation: Float[Tensor, "c *p"], gradient: Float[Tensor, "c *p"]) -> Float[Tensor, " *p"]:
    """Weigh each channel by its mean gradient (Selvaraju et al. 2017, eq. 1 and 2)."""
    return torch.einsum("c,c...->...", gradient.flatten(1).mean(dim=1), activation).relu()


def grad_cam_pp(activation: Float[Tensor, "c *p"], gradient: Float[Tensor, "c *p"]) -> Float[Tensor, " *p"]:
    """Weigh each channel by its positive gradients, those of few cells more (Chattopadhay et al. 2018, eq. 19)."""
    total = activation.flatten(1).sum(dim=1).reshape(-1, *[1] * (activation.ndim - 1))  # [c, 1, ...]
    divisor = 2 * gradient**2 + total * gradient**3
    alpha = gradient**2 / torch.where(divisor != 0, divisor, torch.ones_like(divisor))
    weights = (alpha * gradient.relu()).flatten(1).sum(dim=1)  # [c]
    return torch.einsum("c,c...->...", weights, activation).relu()


def layer_cam(activation: Float[Tensor, "c *p"], gradient: Float[Tensor, "c *p"]) -> Float[Tensor, " *p"]:
    """Weigh each cell of each channel by its positive gradient (Jiang et al. 2021, eq. 4 and 5)."""
    return (gradient.relu() * activation).sum(dim=0).relu()


def hires_cam(activation: Float[Tensor, "c *p"], gradient: Float[Tensor, "c *p"]) -> Float[Tensor, " *p"]:
    """Weigh each cell of each channel by its gradient (Draelos & Carin 2020, section 3.2)."""
    return (gradient * activation).sum(dim=0).relu()


def eigen_cam(activation: Float[Tensor, "c *p"], gradient: Float[Tensor, "c *p"]) -> Float[Tensor, " *p"]:
    """Project each cell on the first principal direction of the activations (Muhammad & Yeasin 2020).

    It does not depend on what is explained, so it explains nothing; it is here to show that the verdict says so.
    """
    del gradient
    cells = activation.flatten(1).T  # [n, c]
    direction: Tensor = torch.linalg.svd(cells, full_matrices=False).Vh[0]  # [c]
    projected: Tensor = cells @ direction  # [n]
    projected = projected * projected.sum().sign()  # the sign of a direction is arbitrary
    return projected.relu().reshape(activation.shape[1:])


METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "gradcam": grad_cam,
    "gradcam++": grad_cam_pp,
    "layercam": layer_cam,
    "hirescam": hires_cam,
    "eigencam": eigen_cam,
}
"""The methods by name."""


def method_of(name: str) -> Callable[[Any, Any], Any]:
    """Return the method with a name.

    Raises:
        PolyheadError: if there is none.
    """
    if name not in METHODS:
        raise PolyheadError(f"method: there is no method {name!r}{suggest(name, METHODS)}. Choose {', '.join(METHODS)}")
    return METHODS[name]


def normalized(values: Float[Tensor, " *p"]) -> Float[Tensor, " *p"]:
    """Divide a map by its largest value; a map without any is returned as it is."""
    largest = values.max()
    return values / largest if largest > 0 else values
