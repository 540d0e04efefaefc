"""Read and write exemplars: images of an earlier training that a run stores, with their annotations.

A later training reads them if the data itself is no longer available.
"""

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors as tv

from polyhead.contracts.reader import Reader
from polyhead.data.io.files import Listing, read_text
from polyhead.data.io.images import read_classes
from polyhead.data.readers.image_file import ImageFileReader
from polyhead.data.readers.mask_files import require_size
from polyhead.errors import InvalidFileError, Problem
from polyhead.paths import find
from polyhead.run import Run, write_json
from polyhead.types import Annotation

FILE = "exemplars.json"
FORMAT = 1
MIB = 2**20
_REMEDY = "copy the whole folder again ('polyhead train' wrote it)"


class ExemplarReader(ImageFileReader):
    """A reader for a folder that :func:`save_exemplars` wrote.

    Args:
        root: that folder.

    Raises:
        InvalidFileError: if its JSON file is missing, invalid, or of an unknown format.
    """

    def __init__(self, root: str | Path) -> None:
        folder = find(root)
        path = folder / FILE
        try:
            content = json.loads(read_text(path))
            if content["format"] != FORMAT:
                what = f"expected format {FORMAT}, got the unknown format {content['format']!r}"
                raise InvalidFileError(path, what, "use a newer Polyhead")
            self.names, self.categories = list(content["names"]), list(content["categories"])
            self.license, self.has_masks = str(content["license"]), bool(content["masked"])
            self.entries: list[dict[str, Any]] = list(content["images"])
            files = [{key: entry[key] for key in ("image", "mask") if entry[key]} for entry in self.entries]
        except (ValueError, TypeError, KeyError) as error:
            what = f"the file is damaged ({type(error).__name__}: {error})"
            raise InvalidFileError(path, what, _REMEDY) from error
        listing = Listing(folder)
        self.problems, self.skipped = [], []
        self.files: list[dict[str, str]] = []
        for names in files:
            found = {key: listing.find(str(name)) for key, name in names.items()}
            problems = [result for result in found.values() if isinstance(result, Problem)]
            self.problems += [Problem(f"{path}: {problem.where}", problem.what, _REMEDY) for problem in problems]
            self.files.append({key: str(result) for key, result in found.items()})

    def __len__(self) -> int:
        return len(self.entries)

    def annotation(self, index: int) -> Annotation:
        """Return the annotation of one image as it was when the image was stored."""
        entry, files = self.entries[index], self.files[index]
        value = entry["value"]
        return Annotation(
            id=entry["id"],
            path=files["image"],
            size=(entry["size"][0], entry["size"][1]),
            boxes=torch.tensor(entry["boxes"], dtype=torch.float32).reshape(-1, 4),
            labels=torch.tensor(entry["labels"], dtype=torch.int64),
            ignore=torch.tensor(entry["ignore"], dtype=torch.bool),
            areas=torch.tensor(entry["areas"], dtype=torch.float32),
            annotated=torch.tensor(entry["annotated"], dtype=torch.bool),
            value=None if value is None else torch.tensor(value),
            mask=files.get("mask", ""),
        )

    def mask(self, index: int) -> tv.Mask | None:
        """Return the class of each pixel, uint8 ``[h, w]``; None if the image has no mask."""
        path = self.files[index].get("mask")
        if path is None:
            return None
        classes = read_classes(path)
        require_size(path, (classes.shape[0], classes.shape[1]), self.annotation(index).size)
        return tv.Mask(torch.from_numpy(classes))


def save_exemplars(reader: Reader, indices: Sequence[int], folder: Path, limit: float = 16.0, terms: str = "") -> int:
    """Copy images of a reader and their annotations into a new folder; do nothing if the folder is complete.

    Image files are copied unchanged. Masks, and images without a file, are written as PNG, without loss.

    Args:
        reader: a reader without problems.
        indices: which images, the most important first.
        folder: where to write; if an earlier attempt was interrupted there, it is started again.
        limit: MiB of all files together; images that would exceed it are left out, except the first one.
        terms: license to store with the images; that of the reader if empty.

    Returns:
        How many images are stored.
    """
    if (folder / FILE).is_file():
        return len(ExemplarReader(folder))
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    entries: list[dict[str, Any]] = []
    used = 0
    for index in indices:
        entry, files = _copy(reader, index, folder, f"{len(entries):05d}")
        size = sum(file.stat().st_size for file in files)
        if entries and used + size > limit * MIB:
            for file in files:
                file.unlink()
            continue
        used += size
        entries.append(entry)
    content = {"format": FORMAT, "license": terms or reader.license, "masked": reader.has_masks}
    # written last: a folder with this file is complete
    write_json(folder / FILE, {**content, "names": reader.names, "categories": reader.categories, "images": entries})
    return len(entries)


def with_exemplars(config: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """Return a run's settings in which exemplars of an earlier run are read from the run's own copies.

    The copies are in the folder of this run, so the earlier run is no longer needed. Copies that lack an image of the
    run's splits (because ``memory`` was reduced) are not used.

    Args:
        config: the settings of the run.
        run: the run.
    """
    splits = run.read_manifest().get("splits", {})
    data = deepcopy(dict(config["data"]))
    for task, settings in data.items():
        members = dict(splits.get(task, {}))
        for split in [split for split in members if split != "train" and not settings[split]]:
            members["train"] = members["train"] + members.pop(split)  # a split without a reader is taken from train's
        for split, ids in members.items():
            spec, copies = settings["reader" if split == "train" else split], run.exemplar_folder(split, task)
            if spec["class_path"] == f"{__name__}.{ExemplarReader.__name__}" and _contains(copies, ids):
                spec["init_args"]["root"] = str(copies.resolve())
    return {**config, "data": data}


def _contains(folder: Path, ids: Collection[str]) -> bool:
    """Return whether a folder is complete and has all images of these ids."""
    return (folder / FILE).is_file() and {entry["id"] for entry in ExemplarReader(folder).entries} >= set(ids)


def _copy(reader: Reader, index: int, folder: Path, name: str) -> tuple[dict[str, Any], list[Path]]:
    """Write one image and its mask; return its annotation as an entry of the JSON file, and the files."""
    target = reader.annotation(index)
    image = folder / f"{name}{Path(target.path).suffix.lower() or '.png'}"
    if target.path:
        shutil.copyfile(target.path, image)
    else:
        Image.fromarray(reader[index].input.permute(1, 2, 0).numpy()).save(image)  # [3, h, w] -> [h, w, 3]
    mask = reader.mask(index) if reader.has_masks else None
    files = [image]
    if mask is not None:
        files.append(folder / f"{name}.mask.png")
        Image.fromarray(np.asarray(mask)).save(files[-1])
    entry = {key: getattr(target, key).tolist() for key in ("boxes", "labels", "ignore", "areas", "annotated")}
    entry |= {
        "id": target.id,
        "size": list(target.size),
        "value": None if target.value is None else target.value.tolist(),
    }
    return {**entry, "image": image.name, "mask": files[-1].name if mask is not None else ""}, files
