"""Public data sets in their own files are recognized, and others with similar folders are not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from polyhead.data.doctor import check
from polyhead.data.formats.recognize import recognize
from polyhead.data.readers.oxford_pets import OxfordPets, OxfordPetsMasks
from polyhead.errors import PolyheadError

Tiny = Callable[[str], Path]


def test_breeds_and_trimaps_equal_those_of_another_parser(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    breeds = dict(enumerate(("Abyssinian", "american_bulldog", "great_pyrenees"), 1))
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations" / "trimaps").mkdir(parents=True)
    lines, expected, trimaps = [], {}, {}
    for number in range(510):
        breed = int(random.integers(1, 4))
        name = f"{breeds[breed]}_{number}"
        lines.append(f"{name} {breed} {1 + breed % 2} 1")
        expected[name] = breeds[breed]
        trimaps[name] = random.integers(1, 4, (8, 9), np.uint8)
        Image.new("RGB", (9, 8)).save(tmp_path / "images" / f"{name}.jpg")
        Image.fromarray(trimaps[name]).save(tmp_path / "annotations" / "trimaps" / f"{name}.png")
    (tmp_path / "annotations" / "list.txt").write_text("#Image CLASS-ID SPECIES BREED ID\n" + "\n".join(lines))
    (tmp_path / "annotations" / "trainval.txt").write_text("\n".join(lines[:400]) + "\n")
    (tmp_path / "annotations" / "test.txt").write_text("\r\n".join(lines[400:]))
    layout = recognize(tmp_path)
    assert (layout.reader, layout.counts, layout.classes) == (
        "oxford_pets",
        {"train": 400, "test": 110},
        [*breeds.values()],
    )
    found: dict[Any, Any] = {}
    for reader in layout.splits.values():
        assert reader.problems == []
        found |= {reader.entry(index).id: reader.names[int(reader.target(index).label)] for index in range(len(reader))}
    assert found == expected
    masks = OxfordPetsMasks(tmp_path, "list")
    assert masks.names == ["background", "pet"]
    meaning = np.array([99, 1, 0, 255], np.uint8)
    for index in range(0, 510, 7):
        name = masks.entry(index).id
        assert (masks.target(index).classes.numpy() == meaning[trimaps[name]]).all()


def test_boxes_of_pets_are_named(tiny: Tiny) -> None:
    root = tiny("oxford_pets")
    xmls = root / "annotations" / "xmls"
    xmls.mkdir()
    image = next((root / "images").glob("*.jpg"))
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox>"
    text = f"<annotation><filename>{image.name}</filename><object><name>cat</name>{box}</object></annotation>"
    (xmls / f"{image.stem}.xml").write_text(text)
    layout = recognize(root)
    assert layout.reader == "oxford_pets"
    assert layout.notes == ["annotations/xmls holds boxes, which are not read: --reader voc reads them"]
    assert recognize(root, "voc").classes == ["cat"]


def test_faults_of_pets(tiny: Tiny) -> None:
    root = tiny("oxford_pets")
    file = root / "annotations" / "trainval.txt"
    file.write_text(
        "Abyssinian_1 1 1 1\nbeagle_7 1 2 4\nnothing\n../beagle_7 5 2 4\nbeagle_8 5 2 4\nAbyssinian_1 1 1 1\n"
    )
    found = [str(problem) for problem in OxfordPets(root).problems]
    for words in (
        "line 2: the class id 1 is that of Abyssinian, got an image of beagle",
        "line 3: expected 'NAME_NUMBER CLASS-ID",
        "line 4: expected 'NAME_NUMBER CLASS-ID",
        "line 5: the image beagle_8.jpg does not exist in images/; add the image, or delete the line",
        "line 6: Abyssinian_1 is listed twice",
    ):
        assert any(words in each for each in found), words
    assert len(found) == 5
    with pytest.raises(PolyheadError, match="the list of images does not exist; did you mean 'trainval'"):
        OxfordPets(root, "train")
    shutil.rmtree(root / "annotations" / "trimaps")
    with pytest.raises(PolyheadError, match=r"trimaps: the folder does not exist\. Unpack"):
        OxfordPetsMasks(root)


def test_real_data(data_root: Path) -> None:
    pets = recognize(data_root / "oxford_pets")
    assert (pets.reader, pets.counts, len(pets.classes)) == ("oxford_pets", {"train": 103, "test": 33}, 32)
    masks = recognize(data_root / "oxford_pets", "oxford_pets_masks")
    assert masks.counts == pets.counts
    assert [*check(pets.splits["test"]), *check(masks.splits["test"])] == []
    cifar = recognize(data_root / "cifar10")
    assert (cifar.reader, cifar.counts) == ("cifar10", {"train": 4000, "test": 1000})
