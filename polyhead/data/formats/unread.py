"""Name data formats that are recognized but not read, and how to convert them."""

import csv
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from polyhead.data.formats.data_folder import DataFolder, stems
from polyhead.data.io.images import is_image
from polyhead.data.io.json_files import head
from polyhead.data.readers.coco_files import OTHER_TASKS
from polyhead.data.readers.csv_boxes import IMAGE, box_columns, csv_columns, plain_columns
from polyhead.errors import few

Files = Callable[[DataFolder], list[str]]
MOST = 50
"""How many files of one ending are opened."""
CONVERT = "Convert it to COCO, for example with FiftyOne or datumaro"
AS_BOXES = "Write one box per line with the columns filename, class, xmin, ymin, xmax, ymax in pixels"
EXPORT = "Export it again as COCO JSON"


class Unread(NamedTuple):
    """A format that is recognized and not read.

    Attributes:
        what: it is.
        how: to convert it, a sentence without its end.
        files: returns the files of a folder that have it, by relative path.
    """

    what: str
    how: str
    files: Files


def unread(folder: DataFolder) -> list[str]:
    """Return a sentence for each format in the folder that no reader reads: what it is, and how to convert it."""
    return [
        f"{few(files, 2)}: this is {each.what}, which is not read. {each.how}."
        for each in UNREAD
        if (files := each.files(folder))
    ]


def _named(pattern: str) -> Files:
    """Return the files whose relative path has a pattern, in any letter case."""

    def files(folder: DataFolder) -> list[str]:
        return [name for name in _all(folder) if re.search(pattern, name, re.IGNORECASE)]

    return files


def _starting(ending: str, *patterns: bytes) -> Files:
    """Return the files of an ending whose first bytes have every one of these patterns."""

    def files(folder: DataFolder) -> list[str]:
        return [
            name
            for name in _ending(folder, ending)[:MOST]
            if all(re.search(each, _head(folder, name)) for each in patterns)
        ]

    return files


def _lines(ending: str, pattern: str) -> Files:
    """Return the text files whose first lines are all of a pattern."""

    def files(folder: DataFolder) -> list[str]:
        return [
            name
            for name in _ending(folder, ending)[:MOST]
            if (lines := _first_lines(folder, name)) and all(re.fullmatch(pattern, line) for line in lines)
        ]

    return files


def _any(*each: Files) -> Files:
    """Return the files of the first search that finds some."""
    return lambda folder: next(filter(None, (files(folder) for files in each)), [])


def _supervisely(folder: DataFolder) -> list[str]:
    annotated = [path for path in folder.files if path.split("/")[-1] == "ann"]
    return [f"{path}/{folder.files[path][0]}" for path in annotated] if "meta.json" in _all(folder) else []


def _image_table(folder: DataFolder, *, binary: bool) -> list[str]:
    """Return the CSV files with an image and other values on each line; with columns of 0 and 1 only, or others."""
    found = []
    images = stems([name for names in folder.images.values() for name in names])
    for name in _ending(folder, ".csv")[:MOST]:
        rows = [[cell.strip() for cell in row] for row in csv.reader(_first_lines(folder, name))]
        if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
            continue
        first = [row[0].split("/")[-1] for row in rows[1:]]
        if not all(is_image(cell) or cell in images for cell in first):
            continue
        ones = len(rows[0]) > 2 and all(cell in ("0", "1") for row in rows[1:] for cell in row[1:])
        if ones == binary:
            found.append(name)
    return found


def _box_table(folder: DataFolder) -> list[str]:
    """Return the CSV files that have four columns of a box, and none known for the image or the class."""
    return [name for name, names in _headers(folder) if len(box_columns(names)[0]) == 4]


def _outline_table(folder: DataFolder) -> list[str]:
    """Return the CSV files that have a column of images, and one of outlines or of boxes as text."""
    return [name for name, names in _headers(folder) if set(IMAGE) & set(names) and set(AS_TEXT) & set(names)]


def _headers(folder: DataFolder) -> list[tuple[str, list[str]]]:
    """Return the CSV files that are not read as boxes, each with the plain names of its columns."""
    found = []
    for name in _ending(folder, ".csv")[:MOST]:
        lines = _first_lines(folder, name)
        if lines and not csv_columns(folder.path / name):
            found.append((name, plain_columns(next(csv.reader(lines[:1])))))
    return found


def _without_images(pattern: str) -> Files:
    """Return the files whose path has a pattern, in a folder without images."""
    return lambda folder: [] if folder.images else _named(pattern)(folder)


def _all(folder: DataFolder) -> list[str]:
    return [name if path == "." else f"{path}/{name}" for path, names in folder.files.items() for name in names]


def _ending(folder: DataFolder, ending: str) -> list[str]:
    return [name for name in _all(folder) if name.lower().endswith(ending)]


def _head(folder: DataFolder, name: str) -> bytes:
    return head(folder.path / name)


def _first_lines(folder: DataFolder, name: str) -> list[str]:
    """Return the complete lines among the first bytes of a file, without empty ones."""
    start = _head(folder, name)
    lines = start.decode("utf-8-sig", "replace").splitlines()
    return [line.strip() for line in (lines[:-1] if len(start) == 4096 else lines) if line.strip()]


AS_TEXT = ("geometry", "polygon", "segmentation", "points", "bbox", "bboxes", "boxes", "boundingbox", "boxesstring",
           "annotations", "predictionstring")  # fmt: skip
"""Columns, in plain form, whose texts are outlines or boxes."""
NUMBER = r"-?\d+(\.\d+)?(e-?\d+)?"
OTHERS = "|".join(map(re.escape, OTHER_TASKS))

UNREAD: Sequence[Unread] = (
    Unread(
        "CVAT's XML",
        "In CVAT, export the task again as COCO 1.0",
        _starting(".xml", rb"<annotations>", rb"<(version|meta|image|track)\b"),
    ),
    Unread(
        "a project of the VGG Image Annotator",
        "In VIA, choose Annotation > Export Annotations (COCO format)",
        _any(
            _starting(".json", rb'"(_via_\w+|file_attributes|region_attributes|shape_attributes)"'),
            _starting(".csv", rb"region_shape_attributes"),
        ),
    ),
    Unread(
        "an export of Label Studio",
        "In Label Studio, export the project again as COCO (with images)",
        _any(
            _starting(".json", rb'"(from_name|annotation_id|lead_time|completed_by|rectanglelabels|polygonlabels)"'),
            _starting(".csv", rb"annotation_id", rb"annotator"),
        ),
    ),
    Unread(
        "the output of labelme_json_to_dataset",
        "Give the folder with LabelMe's JSON files instead",
        _named(r"(^|/)label_names\.txt$"),
    ),
    Unread("CreateML's JSON", EXPORT, _starting(".json", rb'"annotations?"', rb'"coordinates"', rb'"label"')),
    Unread("an annotation of Supervisely", f"{EXPORT} (the app 'Export to COCO')", _supervisely),
    Unread(
        "a project of VoTT",
        "In VoTT, export it as CSV, or convert it to COCO",
        _any(_named(r"\.vott$"), _named(r"-asset\.json$"), _named(r"vott-json-export")),
    ),
    Unread(
        "a table of Open Images",
        "Convert it to COCO, for example with FiftyOne",
        _starting(".csv", rb"^\W*ImageID,Source,LabelName"),
    ),
    Unread(
        "COCO's JSON of another task (keypoints, captions, panoptic masks or file names)",
        "Use the file of instances; boxes of keypoints are read with --reader coco annotations=FILE",
        _any(_named(rf"(^|/)({OTHERS})[^/]*\.json$"), _starting(".json", rb'"segments_info"')),
    ),
    Unread("a list of faces of WIDER Face", CONVERT, _named(r"wider_?face[^/]*_gt\.(txt|mat)$")),
    Unread(
        "KITTI's labels",
        CONVERT,
        _any(_lines(".txt", rf"[A-Za-z_]+( {NUMBER}){{14,15}}"), _named(r"(^|/)label_2/[^/]*\.txt$")),
    ),
    Unread(
        "a text file with a class name and four numbers in each line, as OIDv4 ToolKit writes them",
        "Write all lines into one CSV file with the columns filename, class, xmin, ymin, xmax, ymax",
        _lines(".txt", rf"[^\W\d][^\d]*( {NUMBER}){{4}}"),
    ),
    Unread(
        "labels of rotated boxes as in DOTA",
        "Convert it to COCO, or to YOLO's labels of rotated boxes",
        _lines(".txt", rf"({NUMBER} ){{8}}[\w-]+( \d)?|(imagesource|gsd):.*"),
    ),
    Unread(
        "YOLO's description of keypoints (kpt_shape)",
        "Keypoints cannot be trained. Delete kpt_shape and the columns after the fifth to read the boxes",
        _any(_starting(".yaml", rb"(?m)^kpt_shape"), _starting(".yml", rb"(?m)^kpt_shape")),
    ),
    Unread(
        "a table of Google's AutoML with relative boxes",
        AS_BOXES,
        _lines(".csv", r"(TRAIN\w*|VALIDAT\w+|TEST|UNASSIGNED),[^,]+,[^,]*(,[\d.]*){8}"),
    ),
    Unread(
        "a table of boxes whose column of the image or of the class has no known name",
        "In its first line, rename these two columns to filename and class",
        _box_table,
    ),
    Unread("a table of outlines or boxes as text", AS_BOXES, _outline_table),
    Unread(
        "a table of several classes per image",
        "Only one class per image can be read: put each image into a folder of its class",
        lambda folder: _image_table(folder, binary=True),
    ),
    Unread(
        "a table of images and their values",
        "For classification, put each image into a folder with the name of its class, such as train/CLASS/IMAGE",
        lambda folder: _image_table(folder, binary=False),
    ),
    Unread(
        "a list of texts for images, as Hugging Face's datasets use it",
        "Put each image into a folder of its class, or convert the file to COCO",
        _named(r"(^|/)metadata\.jsonl$"),
    ),
    Unread("a TFRecord", CONVERT, _named(r"\.tfrecords?(-\d+-of-\d+)?(\.gz)?$|\.record(-\d+-of-\d+)?$")),
    Unread(
        "Parquet or Arrow, as Hugging Face's datasets use it",
        "Write its images to files, one folder per class, or convert it to COCO",
        _named(r"\.(parquet|arrow)$"),
    ),
    Unread("an archive that is not unpacked", "Unpack it", _without_images(r"\.(zip|rar|7z|tar|tgz|tar\.\w+)$")),
    Unread("a video", "Write its frames to image files", _without_images(r"\.(mp4|avi|mov|mkv|webm|m4v|wmv)$")),
)
"""The formats, special ones before general ones."""
