"""Write scenes in the formats that the readers read: COCO, PASCAL VOC, YOLO and one folder per class.

Each function writes one split of a data set; call it again with another reader for the next split of the same folder.
Files are named by the scenes' ids and are always inside the given folder; existing files are never replaced.
"""

import json
from pathlib import Path
from typing import Any, Literal, get_args
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from polyhead.data.synthetic.scenes import Scene, Scenes
from polyhead.errors import PolyheadError, suggest

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 92]


def write_coco(scenes: Scenes, folder: str | Path, split: Split = "train") -> None:
    """Write ``annotations/instances_SPLIT.json`` and ``SPLIT/*.png``; ignored objects become crowds.

    Ids are integers with gaps, as in COCO itself. Segmentations are polygons; those of crowds are run lengths.
    """
    _require_boxes(scenes)
    root = new_split(folder, split, Path("annotations") / f"instances_{split}.json")
    categories = [2 * label + 3 for label in range(len(scenes.names))]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(len(scenes)):
        scene, image = scenes.scene(index), 3 * index + 7
        height, width = scene.image.shape[:2]
        name = f"{scenes.id(index)}.png"
        _write_image(root / split / name, scene)
        images.append({"id": image, "file_name": name, "width": width, "height": height, "license": 1})
        for number, item in enumerate(scene.objects, 1):
            x1, y1, x2, y2 = item.box
            visible = scene.owner == number
            entry = {
                "id": 2 * len(annotations) + 11,
                "image_id": image,
                "category_id": categories[item.label],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": item.area,
                "iscrowd": int(item.ignore),
                "segmentation": _run_lengths(visible) if item.ignore else _polygons(visible),
            }
            annotations.append(entry)
    named = zip(categories, scenes.names, strict=True)
    document = {
        "info": {"description": f"Polyhead scenes, domain {scenes.domain}, seed {scenes.seed}"},
        "licenses": [{"id": 1, "name": scenes.license}],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name, "supercategory": scenes.domain} for number, name in named],
    }
    _write(root / "annotations" / f"instances_{split}.json", json.dumps(document))


def write_voc(scenes: Scenes, folder: str | Path, split: Split = "train") -> None:
    """Write ``Annotations``, ``JPEGImages`` and ``ImageSets/Main/SPLIT.txt``; ignored objects become difficult ones.

    Pixels are counted from 1, and both borders are inside the box.
    """
    _require_boxes(scenes)
    root = new_split(folder, split, Path("ImageSets") / "Main" / f"{split}.txt")
    for index in range(len(scenes)):
        scene, name = scenes.scene(index), scenes.id(index)
        height, width = scene.image.shape[:2]
        _write_image(root / "JPEGImages" / f"{name}.jpg", scene)
        page = ET.Element("annotation")
        _texts(page, folder=root.name, filename=f"{name}.jpg")
        _texts(ET.SubElement(page, "size"), width=width, height=height, depth=3)
        _texts(page, segmented=0)
        for item in scene.objects:
            x1, y1, x2, y2 = map(int, item.box)
            entry = ET.SubElement(page, "object")
            truncated = int(x1 == 0 or y1 == 0 or x2 == width or y2 == height)
            _texts(entry, name=scenes.names[item.label], pose="Unspecified")
            _texts(entry, truncated=truncated, difficult=int(item.ignore))
            _texts(ET.SubElement(entry, "bndbox"), xmin=x1 + 1, ymin=y1 + 1, xmax=x2, ymax=y2)
        ET.indent(page)
        _write(root / "Annotations" / f"{name}.xml", ET.tostring(page, encoding="unicode"))
    names = (scenes.id(index) for index in range(len(scenes)))
    _write(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{name}\n" for name in names))


def write_yolo(scenes: Scenes, folder: str | Path, split: Split = "train") -> None:
    """Write ``data.yaml``, ``images/SPLIT/*.png`` and ``labels/SPLIT/*.txt``.

    Ignored objects are left out: the format cannot express them.
    """
    _require_boxes(scenes)
    root = new_split(folder, split, Path("images") / split)
    for index in range(len(scenes)):
        scene, name = scenes.scene(index), scenes.id(index)
        height, width = scene.image.shape[:2]
        _write_image(root / "images" / split / f"{name}.png", scene)
        lines = []
        for item in scene.objects:
            if not item.ignore:
                x1, y1, x2, y2 = item.box
                # Center, width and height as fractions of the image.
                numbers = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
                lines.append(" ".join([str(item.label), *(f"{number:.6f}" for number in numbers)]) + "\n")
        _write(root / "labels" / split / f"{name}.txt", "".join(lines))
    splits = {known: f"images/{known}" for known in SPLITS if (root / "images" / known).is_dir()}
    (root / "data.yaml").write_text(yaml.safe_dump(splits | {"names": dict(enumerate(scenes.names))}, sort_keys=False))


def write_folder(scenes: Scenes, folder: str | Path, split: Split = "train") -> None:
    """Write ``SPLIT/TIME OF DAY/*.png``; the time of day is the class of the image."""
    root = new_split(folder, split, Path(split))
    for index in range(len(scenes)):
        scene = scenes.scene(index)
        _write_image(root / split / scenes.times[scene.time] / f"{scenes.id(index)}.png", scene)


def _require_boxes(scenes: Scenes) -> None:
    """Check that the class names of the scenes are those of their objects.

    Raises:
        PolyheadError: if they are not.
    """
    if scenes.annotated != "boxes":
        raise PolyheadError(f"expected scenes with target='boxes' to write, got {scenes.annotated!r}")


def new_split(folder: str | Path, split: str, marker: Path) -> Path:
    """Return the folder to write into, after checking that the split name is valid and the split does not exist yet.

    Args:
        folder: the folder of the data set.
        split: ``train``, ``val`` or ``test``.
        marker: a path inside the folder that exists if the split does.

    Raises:
        PolyheadError: if the split name is unknown, or the split exists.
    """
    if split not in SPLITS:
        raise PolyheadError(f"unknown split {split!r}{suggest(split, SPLITS)}")
    root = Path(folder)
    if (root / marker).exists():
        raise PolyheadError(f"{root / marker} already exists. Choose another folder, or delete it first.")
    return root


def _write(path: Path, text: str) -> None:
    """Write a new text file; fails if it exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _write_image(path: Path, scene: Scene) -> None:
    """Write a scene's image to a new file, in the format of its suffix; fails if the file exists."""
    settings = JPEG if path.suffix == ".jpg" else []
    _, code = cv2.imencode(path.suffix, cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR), settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(code.tobytes())


def _texts(parent: ET.Element, **texts: str | int) -> None:
    """Add one XML element per keyword, with its value as text."""
    for tag, text in texts.items():
        ET.SubElement(parent, tag).text = str(text)


def _polygons(visible: NDArray[np.bool_]) -> list[list[float]]:
    """Return the outlines of a mask ``[h, w]``, a quarter of a pixel inside its outer borders; holes are filled."""
    doubled = cv2.resize(visible.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)  # [2 h, 2 w]
    contours, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [((contour.reshape(-1, 2) + 0.5) / 2).ravel().tolist() for contour in contours]


def _run_lengths(visible: NDArray[np.bool_]) -> dict[str, list[int]]:
    """Return a mask ``[h, w]`` in COCO's uncompressed run-length format: column by column, background first."""
    flat = np.concatenate([[False], visible.ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])  # where a run begins or ends
    return {"size": list(visible.shape), "counts": np.diff(edges, prepend=0, append=visible.size).tolist()}
