"""Modalities are found by their names, and every instance is a new one."""

import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.modalities import MODALITIES, modality_of
from polyhead.modalities.tensor import Tensors


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


def tensors(dtype: torch.dtype) -> Tensors:
    modality = Tensors()
    modality.restore({"shape": [2], "dtype": str(dtype)})
    return modality


def test_a_tensor_is_not_converted_to_a_type_that_loses_something() -> None:
    assert tensors(torch.float32).decode(torch.tensor([1, 2])).tolist() == [1, 2]
    assert tensors(torch.float32).decode([0.1, 0.2]).dtype == torch.float32
    assert tensors(torch.float32).decode(torch.tensor([0.1, 0.2]).double()).dtype == torch.float32
    assert tensors(torch.uint8).decode(torch.tensor([1, 2])).dtype == torch.uint8
    for dtype, given in ((torch.int64, torch.tensor([0.7, 1.0])), (torch.uint8, torch.tensor([1, 300]))):
        with pytest.raises(PolyheadError, match=r"expected an input of type torch\.u?int.*, as in training, got torch"):
            tensors(dtype).decode(given)


def test_a_list_of_numbers_is_one_input() -> None:
    modality = tensors(torch.float32)
    assert [source.raw.tolist() for source in modality.sources([1.0, 2])] == [[1, 2]]
    assert not list(modality.sources([]))
    assert [modality.decode(source.raw).tolist() for source in modality.sources([[1.0, 2], [3, 4]])] == [[1, 2], [3, 4]]
