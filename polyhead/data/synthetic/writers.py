"""Scenes as files, in the formats that the readers read: COCO, PASCAL VOC, YOLO and a folder per class.

Each function writes one split of a data set; call it again with another reader for the next split of the same folder.
Files are named by the scenes' ids and lie below the given folder, whatever happens; existing ones are never replaced.
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
    """``annotations/instances_SPLIT.json`` and ``SPLIT/*.png``; ignored objects become crowds.

    Ids are whole numbers with holes, as COCO's own are. Outlines are polygons, those of crowds run lengths.
    """
    _require_boxes(scenes)
    root = new_split(folder, split, Path("annotations") / f"instances_{split}.json")
    categories = [2 * label + 3 for label in range(len(scenes.names))]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(len(scenes)):
        scene, image = scenes.scene(index), 3 * index + 7
        height, width = scene.picture.shape[:2]
        name = f"{scenes.id(index)}.png"
        _write_picture(root / split / name, scene)
        images.append({"id": image, "file_name": name, "width": width, "height": height, "license": 1})
        for number, thing in enumerate(scene.things, 1):
            x1, y1, x2, y2 = thing.box
            shown = scene.owner == number
            entry = {
                "id": 2 * len(annotations) + 11,
                "image_id": image,
                "category_id": categories[thing.label],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": thing.area,
                "iscrowd": int(thing.ignore),
                "segmentation": _run_lengths(shown) if thing.ignore else _polygons(shown),
            }
            annotations.append(entry)
    named = zip(categories, scenes.names, strict=True)
    document = {
        "info": {"description": f"Polyhead scenes, domain {scenes.domain}, seed {scenes.seed}"},
        "licenses": [{"id": 1, "name": scenes.licence}],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name, "supercategory": scenes.domain} for number, name in named],
    }
    _write(root / "annotations" / f"instances_{split}.json", json.dumps(document))


def write_voc(scenes: Scenes, folder: str | Path, split: Split = "train") -> None:
    """``Annotations``, ``JPEGImages`` and ``ImageSets/Main/SPLIT.txt``; ignored objects become difficult ones.

    Pixels are counted from 1, both borders included.
    """
    _require_boxes(scenes)
    root = new_split(folder, split, Path("ImageSets") / "Main" / f"{split}.txt")
    for index in range(len(scenes)):
        scene, name = scenes.scene(index), scenes.id(index)
        height, width = scene.picture.shape[:2]
        _write_picture(root / "JPEGImages" / f"{name}.jpg", scene)
        page = ET.Element("annotation")
        _texts(page, folder=root.name, filename=f"{name}.jpg")
        _texts(ET.SubElement(page, "size"), width=width, height=height, depth=3)
        _texts(page, segmented=0)
        for thing in scene.things:
            x1, y1, x2, y2 = map(int, thing.box)
            entry = ET.SubElement(page, "object")
            cut = int(x1 == 0 or y1 == 0 or x2 == width or y2 == height)
            _texts(entry, name=scenes.names[thing.label], pose="Unspecified")
            _texts(entry, truncated=cut, difficult=int(thing.ignore))
            _texts(ET.SubElement(entry, "bndbox"), xmin=x1 + 1, ymin=y1 + 1, xmax=x2, ymax=y2)
        ET.indent(page)
        _write(root / "Annotations" / f"{name}.xml", ET.tostring(page, encoding="unicode"))
    names = (scenes.id(index) for index in range(len(scenes)))
    _write(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{name}\n" for name in names))


def write_yolo(scenes: Scenes, folder: str | Path, split: Split = "train") -> None:
    """``data.yaml``, ``images/SPLIT/*.png`` and ``labels/SPLIT/*.txt``.

    The format cannot tell that an object is to be ignored: such objects are left out.
    """
    _require_boxes(scenes)
    root = new_split(folder, split, Path("images") / split)
    for index in range(len(scenes)):
        scene, name = scenes.scene(index), scenes.id(index)
        height, width = scene.picture.shape[:2]
        _write_picture(root / "images" / split / f"{name}.png", scene)
        lines = []
        for thing in scene.things:
            if not thing.ignore:
                x1, y1, x2, y2 = thing.box
                shares = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
                lines.append(" ".join([str(thing.label), *(f"{share:.6f}" for share in shares)]) + "\n")
        _write(root / "labels" / split / f"{name}.txt", "".join(lines))
    splits = {known: f"images/{known}" for known in SPLITS if (root / "images" / known).is_dir()}
    (root / "data.yaml").write_text(yaml.safe_dump(splits | {"names": dict(enumerate(scenes.names))}, sort_keys=False))


def write_folder(scenes: Scenes, folder: str | Path, split: Split = "train") -> None:
    """``SPLIT/TIME OF DAY/*.png``: the scene labels."""
    root = new_split(folder, split, Path(split))
    for index in range(len(scenes)):
        scene = scenes.scene(index)
        _write_picture(root / split / scenes.times[scene.time] / f"{scenes.id(index)}.png", scene)


def _require_boxes(scenes: Scenes) -> None:
    """Refuse scenes whose names are not those of their objects."""
    if scenes.truth != "boxes":
        raise PolyheadError(f"expected scenes with truth='boxes' to write, got {scenes.truth!r}")


def new_split(folder: str | Path, split: str, mark: Path) -> Path:
    """The folder to write into, once it is clear that the split is a known one and not there yet.

    Args:
        folder: the data set's.
        split: ``train``, ``val`` or ``test``.
        mark: a path inside the folder that exists when the split does.
    """
    if split not in SPLITS:
        raise PolyheadError(f"unknown split {split!r}{suggest(split, SPLITS)}")
    root = Path(folder)
    if (root / mark).exists():
        raise PolyheadError(f"{root / mark} exists; choose another folder, or delete it first")
    return root


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _write_picture(path: Path, scene: Scene) -> None:
    settings = JPEG if path.suffix == ".jpg" else []
    _, code = cv2.imencode(path.suffix, cv2.cvtColor(scene.picture, cv2.COLOR_RGB2BGR), settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(code.tobytes())


def _texts(parent: ET.Element, **texts: str | int) -> None:
    for tag, text in texts.items():
        ET.SubElement(parent, tag).text = str(text)


def _polygons(shown: NDArray[np.bool_]) -> list[list[float]]:
    """Outlines a quarter of a pixel inside the outer borders; holes are not cut out."""
    twice = cv2.resize(shown.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(twice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [((contour.reshape(-1, 2) + 0.5) / 2).ravel().tolist() for contour in found]


def _run_lengths(shown: NDArray[np.bool_]) -> dict[str, list[int]]:
    """COCO's plain run lengths, column by column, beginning with pixels that are not shown."""
    flat = np.concatenate([[False], shown.ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return {"size": list(shown.shape), "counts": np.diff(edges, prepend=0, append=shown.size).tolist()}
