import pytest

from polyhead.contracts.class_names import SPELLINGS, same_classes


def test_case_and_separators_do_not_matter() -> None:
    assert same_classes(["Traffic-Light", "traffic_light", " DOG "], ["dog", "traffic light"]) == [1, 1, 0]


@pytest.mark.parametrize(("voc", "coco"), SPELLINGS.items())
def test_names_of_voc_are_those_of_coco(voc: str, coco: str) -> None:
    assert same_classes([voc], ["other", coco]) == same_classes([coco], ["other", voc]) == [1]


def test_other_names_are_unknown_and_the_first_of_several_is_meant() -> None:
    assert same_classes(["cart", "car"], ["car", "Car"]) == [-1, 0]
