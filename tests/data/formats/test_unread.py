"""Formats that are recognized but not read: the message says what they are and how to convert them."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders.folder_cases import Case, Expected, Variant, check_case, variants

NOT_READ = ".*, which is not read. "


def message(what: str, how: str) -> Expected:
    return Expected(message=f"(?s)the format was not recognized: .*this is {what}{NOT_READ}{how}")


def images(variant: Variant, folder: str = "images") -> list[str]:
    """Write some images; return their names."""
    names = [stem + variant.suffix() for stem in variant.stems()]
    for name in names:
        variant.image(f"{folder}/{name}")
    return names


def case_63_cvat(variant: Variant) -> Expected:
    entries = "".join(
        f'<image id="{number}" name="{name}"><box label="cat" xtl="1" ytl="2" xbr="9" ybr="9"/></image>'
        for number, name in enumerate(images(variant, variant.random.choice(["images", "."])))
    )
    start = variant.random.choice(["", '<?xml version="1.0" encoding="utf-8"?>\n'])
    variant.write("annotations.xml", f"{start}<annotations><version>1.1</version><meta/>{entries}</annotations>")
    return message("CVAT's XML", "In CVAT, export the task again as COCO 1.0")


def case_51_roboflow_multi_label(variant: Variant) -> Expected:
    classes = variant.classes(2, 5)
    for split in ("train", "valid")[: variant.random.randint(1, 2)]:
        lines = [
            ", ".join([name, *(str(variant.random.randrange(2)) for _ in classes)]) for name in images(variant, split)
        ]
        variant.write(f"{split}/_classes.csv", "\n".join([", ".join(["filename", *classes]), *lines]))
    return message("a table of several classes per image", "Only one class per image can be read")


def case_42_kaggle(variant: Variant) -> Expected:
    names = images(variant, "train_images")
    images(variant, "test_images")
    ending = variant.random.random() < 0.5
    lines = [f"{name if ending else Path(name).stem},{variant.random.randrange(4)}" for name in names]
    variant.write("train.csv", "\n".join(["image_id,label", *lines]))
    return message("a table of images and their values", "For classification, put each image into a folder")


def via(variant: Variant) -> Expected:
    shape = {"name": "rect", "x": 1, "y": 2, "width": 9, "height": 9}
    regions = [{"shape_attributes": shape, "region_attributes": {"class": "cat"}}]
    entries = {
        f"{n}99": {"filename": n, "size": 99, "regions": regions, "file_attributes": {}} for n in images(variant)
    }
    project = {"_via_settings": {"ui": {}}, "_via_img_metadata": entries}
    kind = variant.random.choice(["project", "data", "csv"])
    if kind == "csv":
        header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
        variant.write("via_region_data.csv", f'{header}\na.jpg,9,"{{}}",1,0,"{{""name"":""rect""}}","{{}}"\n')
    else:
        variant.write("via_region_data.json", json.dumps(project if kind == "project" else entries))
    return message("a project of the VGG Image Annotator", "In VIA, choose Annotation > Export Annotations")


def label_studio(variant: Variant) -> Expected:
    names = images(variant)
    kind = variant.random.choice(["json", "min", "csv"])
    if kind == "csv":
        variant.write(
            "export.csv", "annotation_id,annotator,created_at,id,image,label,lead_time\n1,1,now,1,a.jpg,x,2\n"
        )
    else:
        value = {"x": 1.0, "y": 2.0, "width": 10, "height": 10, "rectanglelabels": ["cat"]}
        result = [{"id": "x", "type": "rectanglelabels", "value": value, "from_name": "label", "to_name": "image"}]
        full = [
            {"id": n, "annotations": [{"id": 1, "completed_by": 1, "result": result}], "data": {"image": name}}
            for n, name in enumerate(names)
        ]
        small = [
            {"image": name, "id": n, "label": [value], "annotator": 1, "annotation_id": n}
            for n, name in enumerate(names)
        ]
        variant.write("project-1-at-2026.json", json.dumps(full if kind == "json" else small))
    return message("an export of Label Studio", "In Label Studio, export the project again as COCO")


def create_ml(variant: Variant) -> Expected:
    for split in ("train", "valid"):
        box = {"label": "cat", "coordinates": {"x": 9, "y": 9, "width": 5, "height": 5}}
        document = [{"image": name, "annotations": [box]} for name in images(variant, split)]
        variant.write(f"{split}/_annotations.createml.json", json.dumps(document))
    return message("CreateML's JSON", "Export it again as COCO JSON")


def supervisely(variant: Variant) -> Expected:
    data = variant.random.choice(["ds0", "train", "dataset 1"])
    for name in images(variant, f"{data}/img"):
        points = {"exterior": [[1, 2], [9, 9]], "interior": []}
        entry = {"classTitle": "cat", "geometryType": "rectangle", "points": points}
        document = {"description": "", "tags": [], "size": {"height": 9, "width": 9}, "objects": [entry]}
        variant.write(f"{data}/ann/{name}.json", json.dumps(document))
    variant.write("meta.json", json.dumps({"classes": [{"title": "cat", "shape": "rectangle"}], "tags": []}))
    return message("an annotation of Supervisely", "Export it again as COCO JSON")


def vott(variant: Variant) -> Expected:
    images(variant)
    name = variant.random.choice(["a1b2-asset.json", "vott-json-export/my-export.json", "project.vott"])
    variant.write(name, json.dumps({"asset": {"format": "jpg", "name": "a.jpg"}, "version": "2.1.0"}))
    return message("a project of VoTT", "In VoTT, export it as CSV")


def open_images(variant: Variant) -> Expected:
    names = images(variant)
    header = (
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
    )
    lines = [f"{Path(name).stem},xclick,/m/01,1,0.1,0.5,0.2,0.6,0,0,0,0,0" for name in names]
    variant.write("train-annotations-bbox.csv", "\n".join([header, *lines]))
    return message("a table of Open Images", "Convert it to COCO")


def coco_of_other_tasks(variant: Variant) -> Expected:
    names = images(variant, "val2017")
    entries = [{"id": number, "file_name": name, "width": 9, "height": 9} for number, name in enumerate(names)]
    kind = variant.random.choice(["captions", "panoptic", "person_keypoints", "own panoptic"])
    document: dict[str, Any] = {"images": entries, "annotations": [{"id": 1, "image_id": 0, "caption": "a cat"}]}
    if kind != "captions":
        segments = {"segments_info": [{"id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}], "file_name": "a.png"}
        document |= {"annotations": [segments | {"image_id": 0}], "categories": [{"id": 1, "name": "cat"}]}
        document = {"annotations": document.pop("annotations"), **document}
    name = "masks" if kind == "own panoptic" else f"{kind}_val2017"
    variant.write(f"annotations/{name}.json", json.dumps(document))
    return message("COCO's JSON of another task", "Use the file of instances")


def wider_face(variant: Variant) -> Expected:
    images(variant, "WIDER_train/images/0--Parade")
    variant.write("wider_face_split/wider_face_train_bbx_gt.txt", "0--Parade/a.jpg\n1\n449 330 122 149 0 0 0 0 0 0\n")
    return message("a list of faces of WIDER Face", "Convert it to COCO")


def kitti(variant: Variant) -> Expected:
    folder = variant.random.choice(["training/", ""])
    line = "Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
    for name in images(variant, f"{folder}image_2"):
        variant.write(f"{folder}label_2/{Path(name).stem}.txt", line * variant.random.randint(1, 3))
    return message("KITTI's labels", "Convert it to COCO")


def dota(variant: Variant) -> Expected:
    start = variant.random.choice(["", "imagesource:GoogleEarth\ngsd:0.146343590398\n"])
    for name in images(variant):
        lines = "2753 2408 2861 2385 2888 2468 2805 2502 plane 0\n" * variant.random.randint(1, 3)
        variant.write(f"labelTxt/{Path(name).stem}.txt", start + lines)
    return message("labels of rotated boxes as in DOTA", "Convert it to COCO")


def hugging_face(variant: Variant) -> Expected:
    lines = [json.dumps({"file_name": name, "text": "a cat"}) for name in images(variant, "train")]
    variant.write("train/metadata.jsonl", "\n".join(lines))
    return message("a list of texts for images", "Put each image into a folder of its class")


def only(names: Sequence[str], what: str, how: str, variant: Variant) -> Expected:
    """Write a file of one of these names and nothing else."""
    variant.write(variant.random.choice(names), "x" * 100)
    return message(what, how)


FILES: dict[str, Callable[[Variant], Expected]] = {
    "tfrecord": partial(
        only,
        ["train/cells.tfrecord", "train.record", "a.tfrecords", "t.tfrecord-00000-of-00002"],
        "a TFRecord",
        "Convert",
    ),
    "parquet": partial(only, ["data/train-00000-of-00001.parquet", "a.arrow"], "Parquet or Arrow", "Write its images"),
    "archive": partial(
        only, ["data.zip", "shards/000000.tar", "a.tar.gz"], "an archive that is not unpacked", "Unpack it"
    ),
    "video": partial(only, ["a.mp4", "videos/b.AVI"], "a video", "Write its frames to image files"),
}


CASES = [
    case_63_cvat, case_51_roboflow_multi_label, case_42_kaggle, via, label_studio, create_ml, supervisely, vott,
    open_images, coco_of_other_tasks, wider_face, kitti, dota, hugging_face, *FILES.values(),
]  # fmt: skip


@variants
@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: getattr(case, "__name__", str(getattr(case, "args", case))[:20])
)
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)


def test_roboflow_names_of_masks_are_no_table_of_labels(tmp_path: Path) -> None:
    """The file that lists the pixel values of masks has the same name as that of several classes per image."""
    variant = Variant(0, tmp_path)
    images(variant, "train")
    variant.write("train/_classes.csv", "Pixel Value, Class\n0, background\n1, crack\n")
    with pytest.raises(AssertionError):
        check_case(lambda _: message("a table", "."), 0, tmp_path)
