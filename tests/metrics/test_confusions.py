import numpy as np

from polyhead.metrics.confusions import FEW_OBJECTS, largest, most_frequent, rare


def test_confusions_are_the_largest_mistakes_first() -> None:
    counts = np.array([[50, 5, 0, 1], [10, 20, 10, 0], [0, 0, 7, 0]])
    assert largest(counts, ["a", "b", "c"]) == [
        ["b", "a", 0.25],
        ["b", "c", 0.25],
        ["a", "b", 5 / 56],
        ["a", "nothing", 1 / 56],
    ]
    assert largest(counts, ["a", "b", "c"], most=1) == [["b", "a", 0.25]]
    assert largest(np.eye(3, dtype=np.int64), ["a", "b", "c"]) == []


def test_the_most_frequent_confusion_is_the_first() -> None:
    found = most_frequent({"confusions": [["cat", "dog", 0.25], ["dog", "cat", 0.1]]}, "pixels")
    assert found == ["Most frequent confusion: cat is predicted as dog (25% of its pixels); see the plots in plots/."]
    assert most_frequent({"confusions": []}, "pixels") == most_frequent({}, "pixels") == []


def test_rare_classes_are_named_rarest_first() -> None:
    counts = {"oven": FEW_OBJECTS - 1, "toaster": 4, "sink": FEW_OBJECTS}
    assert rare({"train_objects": counts}, "objects") == [
        "Fewer than 50 training objects: toaster (4), oven (49); more images of these classes help most."
    ]
    assert rare({"train_objects": {"sink": FEW_OBJECTS}}, "objects") == rare({}, "objects") == []
    assert not rare({"train_images": {"background": 0, "road": 50}}, "images", skip=1)
    assert (
        "a (0), b (0), c (0), d (0), e (0) and 2 more;"
        in rare({"train_images": dict.fromkeys("abcdefg", 0)}, "images")[0]
    )
