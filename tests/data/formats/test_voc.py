"""PASCAL VOC's layouts as people keep them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from builders.folder_cases import Box, Case, Expected, Variant, check_case, variants
from data.formats.test_yolo import write_split as write_yolo

from polyhead.data.formats.recognize import recognize
from polyhead.data.readers.voc import CLASSES, Voc
from polyhead.errors import PolyheadError

Annotated = dict[str, list[Box]]
FOLDERS = [
    ("images", "annotations"), ("images", "annots"), ("Images", "Annotations"), ("images", "labels"), ("img", "xmls"),
    ("JPEGImages", "xml"), ("photos", "boxes"), ("images", "annotations/xmls"),
]  # fmt: skip


def page(boxes: Sequence[Box], filename: str, size: tuple[int, int] | None, **texts: str) -> str:
    """Return an annotation file."""
    fields = {"folder": "x", "filename": filename, "path": f"C:\\Users\\me\\{filename}", **texts}
    parts = [f"<{key}>{escape(value)}</{key}>" for key, value in fields.items() if value]
    if size:
        parts.append(f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>")
    for name, (x1, y1, x2, y2) in boxes:
        sides = {"xmin": x1 + 1, "ymin": y1 + 1, "xmax": x2, "ymax": y2}
        corners = "".join(f"<{side}>{number:g}</{side}>" for side, number in sides.items())
        parts.append(f"<object><name>{escape(name)}</name><difficult>0</difficult><bndbox>{corners}</bndbox></object>")
    return f"<annotation>{''.join(parts)}</annotation>"


def write_split(
    variant: Variant,
    classes: Sequence[str],
    images: str,
    annotations: str,
    *,
    sized: bool = True,
    filenames: Mapping[str, str] | None = None,
    end: str = "",
) -> Annotated:
    """Write images and annotation files to two folders; return the boxes."""
    annotated: Annotated = {}
    for stem in [each + end for each in variant.stems()]:
        suffix = variant.suffix()
        size = variant.image(f"{images}/{stem}{suffix}")
        annotated[stem] = variant.boxes(size, classes)
        named = (filenames or {}).get("all", "{}{}").format(stem, suffix)
        given = size if sized else variant.random.choice([None, (0, 0)])
        variant.write(f"{annotations}/{stem}.xml", page(annotated[stem], named, given))
    return annotated


def names_of(targets: Mapping[str, Annotated]) -> list[str]:
    return sorted({name for annotated in targets.values() for boxes in annotated.values() for name, _ in boxes})


def found(targets: Mapping[str, Annotated], *notes: str) -> Expected:
    return Expected("voc", names_of(targets), targets, notes)


def beside(variant: Variant) -> Expected:
    """Write images and annotation files to one folder for each split, or to one folder."""
    classes, valid = variant.classes(), variant.random.choice(["valid", "val", "test"])
    folders = variant.random.choice(
        [{"train": "train", "val": valid}, {"train": "."}, {"train": "images/train", "val": f"images/{valid}"}]
    )
    targets = {
        "test" if folder.endswith("test") else split: write_split(variant, classes, folder, folder)
        for split, folder in folders.items()
    }
    variant.write("README.roboflow.txt", "helmets - v1\n")
    return found(targets)


def two_folders(variant: Variant) -> Expected:
    """Write images and annotation files to folders of many names."""
    images, annotations = variant.random.choice(FOLDERS)
    if images == "photos":  # neither is a usual name
        annotated = write_split(variant, variant.classes(), images, annotations)
        names = names_of({"train": annotated})
        return Expected("voc", names, {"train": annotated}, ask="voc", settings={"annotations": annotations})
    return found({"train": write_split(variant, variant.classes(), images, annotations)})


def splits_on_one_side(variant: Variant) -> Expected:
    """Write folders for the splits of the images, the annotation files, or both."""
    classes, targets = variant.classes(), {}
    images, annotations = variant.random.choice(
        [
            ("images/{}", "annotations/{}"), ("{}/images", "{}/annotations"), ("images/{}", "annotations"),
            ("images", "Annotations/{}"), ("JPEGImages/{}", "Annotations/{}"), ("{}", "annotations/{}"),
        ]
    )  # fmt: skip
    for split, folder in (("train", "train"), ("val", "valid")):
        places = images.format(folder), annotations.format(folder)
        targets[split] = write_split(variant, classes, *places, end=f"-{split}")
    return found(targets)


def filename_without_ending(variant: Variant) -> Expected:
    return found(
        {"train": write_split(variant, variant.classes(), "JPEGImages", "Annotations", filenames={"all": "{}"})}
    )


def filename_of_before(variant: Variant) -> Expected:
    """Write the names of before a renaming into the files."""
    places = variant.random.choice([("JPEGImages", "Annotations"), ("images", "annotations"), ("train", "train")])
    annotated = write_split(variant, variant.classes(), *places, filenames={"all": "IMG_2024_{}.jpeg"})
    return found(
        {"train": annotated}, f"{len(annotated)} annotation files name another image .*: the image with the name of the"
    )


def filename_decides(variant: Variant) -> Expected:
    """Write annotation files with names of their own: the image is the one that they name."""
    classes, annotated = variant.classes(), {}
    places = variant.random.choice([("JPEGImages", "Annotations"), ("images", "annotations"), (".", ".")])
    for number, stem in enumerate(variant.stems()):
        size = variant.image(f"{places[0]}/{stem}.jpg")
        annotated[stem] = variant.boxes(size, classes)
        variant.write(f"{places[1]}/annotation_{number}.xml", page(annotated[stem], f"{stem}.jpg", size))
    return found({"train": annotated})


def size_0(variant: Variant) -> Expected:
    places = variant.random.choice([("JPEGImages", "Annotations"), ("images", "annotations"), (".", ".")])
    annotated = write_split(variant, variant.classes(), *places, sized=False)
    return found(
        {"train": annotated}, f"{len(annotated)} annotation files have no size of the image: the size of the image file"
    )


def two_classes_of_pascal(variant: Variant) -> Expected:
    """Use names of PASCAL's classes: only a folder named as PASCAL's has all of them."""
    classes = variant.random.sample(CLASSES, 2)
    base = variant.random.choice(["", "VOCdevkit/VOC2007/", "VOC2012/"])
    annotated = write_split(variant, classes, f"{base}JPEGImages", f"{base}Annotations")
    return Expected("voc", CLASSES if base else names_of({"train": annotated}), {"train": annotated})


def class_folders(variant: Variant) -> Expected:
    """Write a folder for each class with annotation files beside the images."""
    classes = variant.classes(2, 3)
    annotated: Annotated = {}
    top = variant.random.choice(["", "train/"])
    for number, name in enumerate(classes):
        annotated |= write_split(variant, [name], top + name, top + name, end=f"-{number}")
    return found({"train": annotated}, "beside the images in .*, whose names are not read as classes")


def some_unannotated(variant: Variant) -> Expected:
    """Delete some annotation files."""
    places = variant.random.choice([("JPEGImages", "Annotations"), ("images", "annotations"), ("train", "train")])
    annotated = write_split(variant, variant.classes(), *places)
    count = len(annotated)
    for stem in list(annotated)[:2]:
        del annotated[stem]
        (variant.folder / places[1] / f"{stem}.xml").unlink()
    return found({"train": annotated}, f"2 of {count} images in {places[0]} have no annotation file and are left out")


def lists(variant: Variant) -> Expected:
    """Write VOC's layout with lists; CVAT writes only default.txt."""
    annotated = write_split(variant, variant.classes(), "JPEGImages", "Annotations")
    stems = list(annotated)
    if variant.random.random() < 0.3:
        variant.write("ImageSets/Main/default.txt", "\n".join(stems))
        return found({"train": annotated})
    train = variant.random.choice(["train", "trainval"])
    variant.write(f"ImageSets/Main/{train}.txt", "\n".join(stems[1:]))
    variant.write("ImageSets/Main/test.txt", stems[0])
    targets = {"train": {stem: annotated[stem] for stem in stems[1:]}, "test": {stems[0]: annotated[stems[0]]}}
    return found(targets)


def other_xml(variant: Variant) -> Expected:
    """Write XML of other tools: an exported task of CVAT, or the file of a project."""
    variant.image("images/a.jpg")
    root = variant.random.choice(["<annotations><version>1.1</version></annotations>", "<project/>", "<dataset/>"])
    variant.write(variant.random.choice(["annotations.xml", "images/a.xml", "annotations/a.xml"]), root)
    return Expected(message="the format was not recognized")


def beside_other_xml(variant: Variant) -> Expected:
    annotated = write_split(variant, variant.classes(), ".", ".")
    variant.write("pom.xml", '<?xml version="1.0"?>\n<!-- <annotation> -->\n<project></project>')
    return found({"train": annotated}, r"1 XML files are not PASCAL VOC's and are not read: pom\.xml")


def several_sets(variant: Variant) -> Expected:
    """Write a parent folder of a VOC, a COCO and a YOLO data set."""
    place = variant.random.choice([("JPEGImages", "Annotations"), ("images", "annotations"), ("train", "train")])
    write_split(variant, ["a"], *(f"voc_set/{folder}" for folder in place))
    write_yolo(variant, ["a"], "yolo_set/images/train", "yolo_set/labels/train", least=1)
    variant.write("yolo_set/data.yaml", "train: images/train\nnames: [a]\n")
    size = variant.image("coco_set/images/1.jpg")
    image = {"id": 1, "file_name": "1.jpg", "width": size[0], "height": size[1]}
    entry = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}
    document = {"images": [image], "annotations": [entry], "categories": [{"id": 1, "name": "a"}]}
    variant.write("coco_set/annotations/instances_train.json", json.dumps(document))
    return Expected(message="these subfolders are each a data set: coco_set, voc_set, yolo_set. Give one of them")


def one_box_without_area(variant: Variant) -> Expected:
    """Write one faulty box; the image is left out if the user wants that."""
    places = variant.random.choice([("JPEGImages", "Annotations"), ("images", "annotations"), ("train", "train")])
    annotated = write_split(variant, variant.classes(), *places)
    stem = variant.random.choice(list(annotated))
    path = variant.folder / places[1] / f"{stem}.xml"
    flat = "<object><name>x</name><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>8</xmax><ymax>9</ymax></bndbox></object>"
    path.write_text(path.read_text("utf-8").replace("</annotation>", f"{flat}</annotation>"), "utf-8")
    (problem,) = recognize(variant.folder).splits["train"].problems
    assert f"{stem}.xml: object {len(annotated.pop(stem)) + 1}" in problem.where
    names = sorted({*names_of({"train": annotated}), *names_of({"train": {}}), "x"})
    found = recognize(variant.folder).splits["train"].names
    assert set(names) <= set(found)
    return Expected("voc", found, {"train": annotated}, ask="voc", settings={"on_bad": "skip", "cap": 0.5})


CASES = [
    beside, two_folders, splits_on_one_side, filename_without_ending, filename_of_before, filename_decides, size_0,
    two_classes_of_pascal, class_folders, some_unannotated, lists, other_xml, beside_other_xml, several_sets,
    one_box_without_area,
]  # fmt: skip


@variants
@pytest.mark.parametrize("case", CASES)
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)


def test_folders_are_settings_of_the_reader(tmp_path: Path) -> None:
    variant = Variant(0, tmp_path)
    one = write_split(variant, ["a"], "photos/1", "boxes/1", end="-1")
    two = write_split(variant, ["a"], "photos/2", "boxes/2", end="-2")
    assert len(Voc(tmp_path, annotations="boxes")) == len(one) + len(two)
    assert len(Voc(tmp_path, annotations=["boxes/1"])) == len(one)
    assert len(Voc(tmp_path, annotations="boxes", images="photos/2")) == len(two)
    for key in ("annotations", "images"):
        for folder in ("nowhere", "../x"):
            with pytest.raises(PolyheadError, match=rf"expected a folder inside .*\. Correct {key}="):
                Voc(tmp_path, **{key: folder})  # type: ignore[arg-type]
    with pytest.raises(PolyheadError, match=r"found no XML files in photos\. Correct annotations="):
        Voc(tmp_path, annotations="photos")


def test_an_image_with_two_annotation_files_is_a_problem(tmp_path: Path) -> None:
    annotated = write_split(Variant(0, tmp_path), ["a"], "images", "annotations")
    stem = next(iter(annotated))
    (tmp_path / "xmls").mkdir()
    (tmp_path / "xmls" / f"{stem}.xml").write_bytes((tmp_path / "annotations" / f"{stem}.xml").read_bytes())
    (problem,) = recognize(tmp_path).splits["train"].problems
    assert "is of the same image" in str(problem)
