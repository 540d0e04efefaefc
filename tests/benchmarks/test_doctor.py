"""All strong faults are found, and clean and real data has no error."""

from pathlib import Path

import pytest

from benchmarks.doctor import check_of, findings, recall
from benchmarks.faulty_data import FAULTS, clean, write
from polyhead.workflows.examine import examine, warnings

CLEAN = {"coco": set(), "yolo": {"license"}, "lists": {"license"}, "classes": {"license"}, "masks": {"license"}}
"""The warnings of the clean sets: only COCO JSON states a license."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_strong_fault_is_found(name: str, tmp_path: Path) -> None:
    hits, planted = recall(FAULTS[name], 2, FAULTS[name].layouts[0], tmp_path)
    assert hits == planted


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_strong_fault_is_found_in_every_layout(name: str, tmp_path: Path) -> None:
    for layout in FAULTS[name].layouts[1:]:
        hits, planted = recall(FAULTS[name], 2, layout, tmp_path / layout, seed=1)
        assert (layout, hits) == (layout, planted)


@pytest.mark.parametrize("layout", CLEAN)
def test_clean_data_has_no_error_and_no_warning(layout: str, tmp_path: Path) -> None:
    write(clean(), layout, tmp_path)
    assert {check_of(finding) for finding in findings(tmp_path)} == CLEAN[layout]


REAL = [
    ("coco128", "yolo", "license same-folder no-objects absent-classes channels tiny-boxes huge-boxes"),
    ("coco128", "coco", "license no-objects absent-classes channels tiny-boxes huge-boxes"),
    ("coco128", "coco_masks", "license no-objects imbalance absent-classes channels"),
    ("coco_mini/det10", None, "license channels huge-boxes"),
    ("coco_mini/appliance", None, "license imbalance"),
    ("coco_mini/food", None, "license duplicate-boxes"),
    ("penn_fudan", None, "license"),
    ("voc_from_coco", None, "license imbalance huge-boxes"),
    ("imagenette", None, "license channels"),
    ("oxford_pets", None, "license"),
    ("cifar10", None, "license"),
]
"""Real sets: folder, reader, and the checks whose warnings are known."""


@pytest.mark.parametrize(("folder", "reader", "known"), REAL)
def test_real_data_has_no_error_and_only_known_warnings(
    folder: str, reader: str | None, known: str, data_root: Path
) -> None:
    examined = examine(data_root / folder, reader)
    assert (examined.problems, examined.skipped) == ([], [])
    assert {finding.check for finding in warnings(examined.layout)} == set(known.split())
