"""Pictures that a run keeps, with all that is known of them: what a later training has when the data itself is gone."""

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
from polyhead.errors import FileFault, Problem
from polyhead.paths import find
from polyhead.run import Run, write_json
from polyhead.types import Annotation

FILE = "kept.json"
FORMAT = 1
MIB = 2**20
_REMEDY = "it was written by 'polyhead train'; copy the whole folder again"


class Kept(ImageFileReader):
    """A folder that :func:`keep` wrote.

    Args:
        root: that folder.
    """

    def __init__(self, root: str | Path) -> None:
        folder = find(root)
        path = folder / FILE
        try:
            told = json.loads(read_text(path))
            if told["format"] != FORMAT:
                raise FileFault(path, f"format {told['format']!r} is not known", "use a newer Polyhead")
            self.names, self.categories = list(told["names"]), list(told["categories"])
            self.licence, self.masked = str(told["licence"]), bool(told["masked"])
            self.entries: list[dict[str, Any]] = list(told["pictures"])
            files = [{key: entry[key] for key in ("picture", "mask") if entry[key]} for entry in self.entries]
        except (ValueError, TypeError, KeyError) as fault:
            raise FileFault(path, f"is not what was written ({type(fault).__name__}: {fault})", _REMEDY) from fault
        listing = Listing(folder)
        self.problems, self.skipped = [], []
        self.files: list[dict[str, str]] = []
        for each in files:
            found = {key: listing.find(str(name)) for key, name in each.items()}
            faults = [place for place in found.values() if isinstance(place, Problem)]
            self.problems += [Problem(f"{path}: {fault.where}", fault.what, _REMEDY) for fault in faults]
            self.files.append({key: str(place) for key, place in found.items()})

    def __len__(self) -> int:
        return len(self.entries)

    def annotation(self, index: int) -> Annotation:
        """The truth of one picture, as it was when it was kept."""
        entry, files = self.entries[index], self.files[index]
        value = entry["value"]
        return Annotation(
            id=entry["id"],
            path=files["picture"],
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
        """The class of each pixel, where the truth is a mask."""
        path = self.files[index].get("mask")
        if path is None:
            return None
        classes = read_classes(path)
        require_size(path, (classes.shape[0], classes.shape[1]), self.annotation(index).size)
        return tv.Mask(torch.from_numpy(classes))


def keep(reader: Reader, places: Sequence[int], folder: Path, limit: float = 16.0, licence: str = "") -> int:
    """Copy pictures of a reader and their truth into a new folder, or leave one as it is that is complete.

    Files are copied as they are; pictures that have none, and masks, are written without loss.

    Args:
        reader: of sound data.
        places: which pictures, the most wanted first.
        folder: one in which this was broken off is begun again.
        limit: MiB of all files together; what does not fit any more is left out, but never the first picture.
        licence: noted beside them; the reader's where it is empty.

    Returns:
        How many pictures were kept.
    """
    if (folder / FILE).is_file():
        return len(Kept(folder))
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    entries: list[dict[str, Any]] = []
    used = 0
    for place in places:
        entry, files = _copy(reader, place, folder, f"{len(entries):05d}")
        more = sum(file.stat().st_size for file in files)
        if entries and used + more > limit * MIB:
            for file in files:
                file.unlink()
            continue
        used += more
        entries.append(entry)
    told = {"format": FORMAT, "licence": licence or reader.licence, "masked": reader.masked}
    write_json(folder / FILE, {**told, "names": reader.names, "categories": reader.categories, "pictures": entries})
    return len(entries)


def own(config: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """A run's settings in which what was read from an older run is read from the run's own copies of it.

    They lie where the run lies now, and need the older one no more. Copies that lack a picture of the run's splits
    (``memory`` was made smaller) are passed over.
    """
    splits = run.read_manifest().get("splits", {})
    data = deepcopy(dict(config["data"]))
    for task, settings in data.items():
        members = dict(splits.get(task, {}))
        for part in [part for part in members if part != "train" and not settings[part]]:
            members["train"] = members["train"] + members.pop(part)  # it is cut from the pictures for training
        for part, ids in members.items():
            spec, copies = settings["reader" if part == "train" else part], run.kept(part, task)
            if spec["class_path"] == f"{__name__}.{Kept.__name__}" and _holds(copies, ids):
                spec["init_args"]["root"] = str(copies.resolve())
    return {**config, "data": data}


def _holds(folder: Path, ids: Collection[str]) -> bool:
    return (folder / FILE).is_file() and {entry["id"] for entry in Kept(folder).entries} >= set(ids)


def _copy(reader: Reader, place: int, folder: Path, name: str) -> tuple[dict[str, Any], list[Path]]:
    """One picture's files, and what is known of it."""
    truth = reader.annotation(place)
    picture = folder / f"{name}{Path(truth.path).suffix.lower() or '.png'}"
    if truth.path:
        shutil.copyfile(truth.path, picture)
    else:
        Image.fromarray(reader[place].input.permute(1, 2, 0).numpy()).save(picture)
    mask = reader.mask(place) if reader.masked else None
    files = [picture]
    if mask is not None:
        files.append(folder / f"{name}.mask.png")
        Image.fromarray(np.asarray(mask)).save(files[-1])
    entry = {key: getattr(truth, key).tolist() for key in ("boxes", "labels", "ignore", "areas", "annotated")}
    entry |= {"id": truth.id, "size": list(truth.size), "value": None if truth.value is None else truth.value.tolist()}
    return {**entry, "picture": picture.name, "mask": files[-1].name if mask is not None else ""}, files
