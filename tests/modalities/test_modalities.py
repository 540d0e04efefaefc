"""Modalities are found by their names, and every instance is a new one."""

import pytest

from polyhead.errors import PolyheadError
from polyhead.modalities import MODALITIES, modality_of


@pytest.mark.parametrize("name", MODALITIES)
def test_a_modality_has_the_name_by_which_it_is_found(name: str) -> None:
    modality = modality_of(name)
    assert modality.name == modality.key == name
    assert modality_of(MODALITIES[name]).name == name
    assert modality_of(name) is not modality


def test_unknown_modalities_raise_with_the_nearest_name() -> None:
    with pytest.raises(PolyheadError, match=r"there is no modality 'imag'; did you mean 'image'\?"):
        modality_of("imag")
    with pytest.raises(PolyheadError, match=r"package 'mine' is not allowed to be imported\. .* --allow mine"):
        modality_of("mine.Images")
    with pytest.raises(PolyheadError, match="expected a class derived from Modality, got"):
        modality_of("polyhead.kinds.detection.Detection")
