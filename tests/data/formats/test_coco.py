"""COCO's layouts as people keep them."""

import json
from pathlib import Path

import pytest

from tests.builders.folder_cases import Case, Expected, Variant, check_case, variants


def usual(variant: Variant) -> Expected:
    """Write annotations/instances_SPLIT.json and the images in a folder for each split."""
    classes = variant.classes()
    targets = {}
    for split in ("train", "val"):
        images, annotations, truth = [], [], {}
        for number, stem in enumerate(variant.stems()):
            name = stem + variant.suffix()
            size = variant.image(f"{split}/{name}")
            truth[stem] = variant.boxes(size, classes, least=0)
            images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
            for label, (x1, y1, x2, y2) in truth[stem]:
                entry = {"id": len(annotations), "image_id": number, "category_id": classes.index(label)}
                annotations.append(entry | {"bbox": [x1, y1, x2 - x1, y2 - y1]})
        categories = [{"id": number, "name": name} for number, name in enumerate(classes)]
        document = {"images": images, "annotations": annotations, "categories": categories}
        variant.write(f"annotations/instances_{split}.json", json.dumps(document))
        targets[split] = truth
    return Expected("coco", classes, targets)


@variants
@pytest.mark.parametrize("case", [usual])
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)
