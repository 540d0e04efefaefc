"""Random and real targets with detections."""

from collections.abc import Callable
from pathlib import Path

import pytest
from builders.box_cases import Case, det10, random_case


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    return random_case


@pytest.fixture(scope="session")
def real_case(data_root: Path) -> Case:
    """Return the val images of coco_mini/det10 with jittered targets as detections."""
    return det10(data_root)
