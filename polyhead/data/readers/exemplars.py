"""Read and write exemplars: samples of an earlier training that a run stores, with their targets.

A later training reads them if the data itself is no longer available. The kind of the task stores and loads the
targets, and its modality the inputs.
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from polyhead.contracts.kind import Kind
from polyhead.contracts.modality import Modality
from polyhead.contracts.reader import Reader
from polyhead.data.io.files import Listing, read_text
from polyhead.errors import InvalidFileError, Problem, SampleError
from polyhead.paths import find
from polyhead.run import Run, write_json
from polyhead.stored.shape import fault
from polyhead.types import Entry, Meta, Sample, ShownClass, TaskInfo

FILE = "exemplars.json"
FORMAT = 2
MIB = 2**20
_STORED = {"files?": [str]}
SHAPE = {
    "format": int,
    "kind": str,
    "modality": str,
    "background": bool,
    "license": str,
    "names": [str],
    "categories": [(int, str)],
    "state?": (dict, None),
    "info?": {"counts": {str: float}, "target": {str: Any}},
    "samples": [{"id": str, "bytes": int, "also_shows": [[(str, int)]], "input": _STORED, "target": _STORED}],
}
"""The shape of the file (:mod:`polyhead.stored.shape`); the kind and the modality know the rest of a sample."""
_REMEDY = "copy the whole folder again, or delete it and write it again with 'polyhead train --resume RUN'"


class ExemplarReader(Reader):
    """A reader for a folder that :func:`save_exemplars` wrote; :meth:`bind` must be called before samples are read.

    Args:
        root: that folder.

    Raises:
        InvalidFileError: if its JSON file is missing, invalid, or of an unknown format.
    """

    stored = True

    def __init__(self, root: str | Path) -> None:
        self.folder = find(root)
        path = self.folder / FILE
        self._kind: Kind | None = None
        self._modality: Modality | None = None
        content = _read(path)
        self.kind, self.modality, self.license = content["kind"], content["modality"], content["license"]
        self.names, self.categories, self.background = content["names"], content["categories"], content["background"]
        self.stored_state = content.get("state")
        if "info" in content:
            info = content["info"]
            self.stored_info = TaskInfo(self.names, self.categories, info["counts"], info["target"])
        self.entries: list[dict[str, Any]] = content["samples"]
        files = [[*entry["input"].get("files", []), *entry["target"].get("files", [])] for entry in self.entries]
        listing = Listing(self.folder)
        self.problems, self.skipped = [], []
        self.files: list[tuple[str, ...]] = []
        for names in files:
            found = [listing.find(str(name)) for name in names]
            problems = [result for result in found if isinstance(result, Problem)]
            self.problems += [Problem(f"{path}: {problem.where}", problem.what, _REMEDY) for problem in problems]
            self.files.append(tuple(str(result) for result in found))

    def bind(self, kind: Kind, modality: Modality) -> None:
        """Receive the kind and the modality that read the samples."""
        self._kind, self._modality = kind, modality

    def __len__(self) -> int:
        return len(self.entries)

    def entry(self, index: int) -> Entry:
        """Return the id and the stored files of one sample."""
        entry = self.entries[index]
        return Entry(str(entry["id"]), self.files[index], int(entry["bytes"]))

    def raw(self, index: int) -> Any:
        """Return the stored input of one sample."""
        assert self._modality is not None, "call bind() first"
        with self._checked(index):
            return self._modality.load(self.entries[index]["input"], self.folder)

    def target(self, index: int) -> Any:
        """Return the target of one sample as it was when the sample was stored."""
        assert self._kind is not None, "call bind() first"
        with self._checked(index):
            return self._kind.load_target(self.entries[index]["target"], self.folder)

    def content(self, index: int) -> str:
        """Return the stored target without what is in files."""
        return repr(self.entries[index]["target"])

    def also_shows(self, index: int) -> set[ShownClass]:
        """Return what else the sample showed when it was stored."""
        return {(str(where), int(label)) for where, label in self.entries[index]["also_shows"]}

    def verify(self, index: int, inspect: Callable[[Any], object] | None = None) -> Problem | None:
        """Return why a stored sample cannot be read."""
        assert self._modality is not None, "call bind() first"
        try:
            (inspect or self._modality.decode)(self.raw(index))
            target = self.target(index)
            assert self._kind is not None, "call bind() first"
            self._kind.as_target(target, None, self.names)
        except InvalidFileError as error:
            return error.problem
        except SampleError as error:
            return Problem(f"{self.folder / FILE}: sample {self.entries[index]['id']!r}", error.what, _REMEDY)
        return None

    @contextmanager
    def _checked(self, index: int) -> Iterator[None]:
        """Report a stored input or target that cannot be restored within the block as a fault of the file."""
        try:
            yield
        except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
            what = f"sample {self.entries[index]['id']!r} is damaged ({type(error).__name__}: {error})"
            raise InvalidFileError(self.folder / FILE, what, _REMEDY) from error

    def __getitem__(self, index: int) -> Sample:
        """Return the stored sample."""
        return Sample(self.raw(index), self.target(index), Meta(str(self.entries[index]["id"])))


def _read(path: Path) -> dict[str, Any]:
    """Read the file of a folder of exemplars, in the form of today.

    Raises:
        InvalidFileError: if it is missing, damaged or of an unknown format.
    """
    try:
        content = json.loads(read_text(path))
        if isinstance(content, dict) and content.get("format") == 1:
            content = _upgrade(content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"the file is damaged ({type(error).__name__}: {error})"
        raise InvalidFileError(path, what, _REMEDY) from error
    form = content.get("format") if isinstance(content, dict) else None
    if isinstance(form, int) and form > FORMAT:
        what = f"expected format {FORMAT}, got the unknown format {form}"
        raise InvalidFileError(path, what, "use a newer Polyhead")
    if damage := fault(content, SHAPE):
        raise InvalidFileError(path, f"the file is damaged ({damage})", _REMEDY)
    found: dict[str, Any] = content
    return found


def save_exemplars(
    reader: Reader,
    indices: Sequence[int],
    folder: Path,
    kind: Kind,
    modality: Modality,
    limit: float = 16.0,
    terms: str = "",
    info: TaskInfo | None = None,
) -> int:
    """Copy samples of a reader into a new folder; do nothing if the folder is complete.

    Args:
        reader: a reader without problems.
        indices: which samples, the most important first.
        folder: where to write; if an earlier attempt was interrupted there, it is started again.
        kind: stores the targets.
        modality: stores the inputs.
        limit: MiB of all samples together; those that would exceed it are left out, except the first one.
        terms: license to store with the samples; that of the reader if empty.
        info: what the head was built from, for a later training.

    Returns:
        How many samples are stored.
    """
    if (folder / FILE).is_file():
        return len(ExemplarReader(folder))
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    entries: list[dict[str, Any]] = []
    used = 0
    for index in indices:
        name = f"{len(entries):05d}"
        known = reader.entry(index)
        entry = {
            "input": modality.save(reader.raw(index), folder, name),
            "target": kind.save_target(reader.target(index), folder, name),
        }
        files = [folder / file for part in entry.values() for file in part.get("files", [])]
        size = sum(file.stat().st_size for file in files) if files else len(json.dumps(entry))
        if entries and used + size > limit * MIB:
            for file in files:
                file.unlink()
            continue
        used += size
        also = sorted(reader.also_shows(index))
        entries.append({"id": known.id, "bytes": known.bytes, "also_shows": also, **entry})
    content = {
        "format": FORMAT,
        "kind": reader.kind,
        "modality": reader.modality,
        "background": reader.background,
        "license": terms or reader.license,
        "names": reader.names,
        "categories": reader.categories,
        "state": modality.state(),
        **({} if info is None else {"info": {"counts": dict(info.counts), "target": dict(info.target)}}),
        "samples": entries,
    }
    write_json(folder / FILE, content)  # written last: a folder with this file is complete
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
    """Return whether a folder is complete and has all samples of these ids."""
    return (folder / FILE).is_file() and {entry["id"] for entry in ExemplarReader(folder).entries} >= set(ids)


def _upgrade(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file of format 1, which held images of our kinds only, in the form of today."""
    images = list(content["images"])
    labeled = all(image["value"] is not None and not image["boxes"] for image in images)
    kind = "segmentation" if content["masked"] else "classification" if labeled else "detection"

    def target(image: Mapping[str, Any]) -> dict[str, Any]:
        if content["masked"]:
            return {"files": [image["mask"]]}
        if labeled:
            return {"label": image["value"]}
        return {key: image[key] for key in ("boxes", "labels", "ignore", "areas", "annotated", "size")}

    samples = [
        {
            "id": image["id"],
            "bytes": 3 * image["size"][0] * image["size"][1],
            "also_shows": [["value", image["value"]]]
            if not (labeled or content["masked"] or image["value"] is None)
            else [],
            "input": {"size": image["size"], "files": [image["image"]]},
            "target": target(image),
        }
        for image in images
    ]
    known = {key: content[key] for key in ("license", "names", "categories")}
    return {
        **known,
        "format": FORMAT,
        "kind": kind,
        "modality": "image",
        "background": content["masked"],
        "samples": samples,
    }
