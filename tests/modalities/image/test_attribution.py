"""Images with an attribution: hidden, shown, and mapped back to the original."""

import numpy as np
import torch
from builders.fitted_images import image_modality

from polyhead.modalities.image.attribution import GRAY, hidden_and_shown, resized
from polyhead.types import Sample

FRACTIONS = (0.0, 0.1, 0.5, 1.0)


def image() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(150, 256, (1, 3, 40, 60), dtype=torch.uint8, generator=generator)


def test_the_most_important_pixels_are_hidden_and_only_these_are_shown() -> None:
    values = torch.zeros(4, 6)
    values[1, 2] = 1.0
    deleted, inserted = hidden_and_shown(image(), values, FRACTIONS)
    assert deleted.shape == inserted.shape == (4, 3, 40, 60)
    assert deleted.dtype == inserted.dtype == torch.uint8
    gray = (deleted == GRAY).all(dim=1).flatten(1).float().mean(dim=1)
    assert torch.allclose(gray, torch.tensor(FRACTIONS), atol=1e-3)
    assert torch.equal(deleted[0], image()[0])
    assert torch.equal(inserted[3], image()[0])
    assert (deleted[1, :, 15, 25] == GRAY).all()  # the middle of the important cell
    assert torch.equal(inserted[1, :, 15, 25], image()[0, :, 15, 25])
    assert not torch.equal(inserted[0], image()[0])


def test_pixels_of_equal_importance_are_hidden_in_random_order() -> None:
    deleted, _ = hidden_and_shown(image(), torch.zeros(4, 6), (0.5,))
    rows = (deleted[0] == GRAY).all(dim=0).float().mean(dim=1)
    assert rows.min() > 0.2
    assert rows.max() < 0.8


def test_a_map_lies_on_the_original_image() -> None:
    modality = image_modality((64, 64), "yolox")
    decoded = modality.decode(torch.full((3, 30, 60), 114, dtype=torch.uint8))  # padded at the bottom
    sample = modality.eval(Sample(decoded, None, modality.meta("0", decoded)))
    values = torch.zeros(8, 8)
    values[0, 7] = 1.0  # the upper right corner
    drawn = np.asarray(modality.draw_attribution(decoded, values, sample.meta), dtype=int)
    assert drawn.shape == (30, 60, 3)
    changed = np.abs(drawn - 114).sum(axis=2)  # [30, 60]
    assert changed[2, 57] > 100
    assert changed[:, :40].max() == 0
    assert changed[20:].max() == 0
    assert resized(values, (64, 64)).shape == (64, 64)
