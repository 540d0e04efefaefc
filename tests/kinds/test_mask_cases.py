"""The cases of a segmentation are the regions of the annotated classes."""

import numpy as np
import pytest

from polyhead.kinds.mask_cases import region_cases


def test_a_region_is_wrong_if_its_iou_is_below_one_half() -> None:
    pixels = np.array(
        [
            [[60, 0, 0, 0], [0, 20, 10, 0], [0, 0, 0, 10]],  # class 1: IoU 20 / 30; class 2 is not predicted
            [[75, 25, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],  # class 0: IoU 75 / 100
            [[10, 0, 40, 0], [0, 0, 0, 0], [0, 0, 50, 0]],  # class 0: IoU 10 / 50; class 2: IoU 50 / 90
        ]
    )
    cases = region_cases(pixels)
    assert cases.samples.tolist() == [0, 0, 0, 1, 2, 2]
    assert cases.labels.tolist() == [0, 1, 2, 0, 0, 2]
    assert cases.wrong.tolist() == [False, False, True, False, True, False]
    assert cases.facts["size"].tolist() == pytest.approx(np.sqrt([0.6, 0.3, 0.1, 1, 0.5, 0.5]))
    assert cases.facts["classes in the image"].tolist() == [3, 3, 3, 1, 2, 2]
