"""Read LabelMe's JSON files as boxes: rectangles, and the bounding boxes of polygons, circles and masks."""

from collections import Counter
from pathlib import Path, PurePosixPath
from posixpath import normpath

from polyhead.data.io.images import image_size, is_image
from polyhead.data.io.named_images import NamedImages, plain_name
from polyhead.data.io.split_names import split_of_path
from polyhead.data.readers.in_memory import Box, InMemoryReader, Issues, Record, check_box
from polyhead.data.readers.labelme_files import LabelMeFile, Shape, labelme_files, read_labelme
from polyhead.data.readers.mask_files import is_background
from polyhead.errors import InvalidFileError, PolyheadError, Problem, few, suggest
from polyhead.paths import find
from polyhead.types import Size

IGNORE = "__ignore__"


class LabelMe(InMemoryReader):
    """A folder of images and LabelMe's JSON files, beside them or in a folder of their own.

    Points and lines have no area and are left out. Shapes of one label and one ``group_id`` are one object. Images
    without a JSON file are left out; images without shapes are included, as negatives.

    Args:
        root: the folder of the data set.
        annotations: the folders of the JSON files, relative to ``root``; None for every JSON file in it.
        classes: the labels to read, in this order; objects of other labels are left out. If None: all, sorted.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if there is no JSON file, or a class is not found.
    """

    def __init__(
        self,
        root: str | Path,
        annotations: str | list[str] | None = None,
        *,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        self.folder = find(root)
        issues = Issues()
        files: dict[str, LabelMeFile] = {}
        paths = labelme_files(self.folder, [annotations] if isinstance(annotations, str) else annotations)
        if not paths:
            raise PolyheadError(f"{self.folder}: has no JSON files of LabelMe. Correct root or annotations.")
        for name, path in paths.items():
            try:
                files[name] = read_labelme(path)
            except InvalidFileError as error:
                issues.add(_id(name), error.problem)
        names = label_names(self.folder, files, classes)
        flags = sorted({flag for file in files.values() for flag in file.flags})
        if flags and not names:
            raise PolyheadError(
                f"{self.folder}: LabelMe's files have no shapes, but flags, which are classes of whole images: "
                f"{few(flags)}. Put each image into a folder with the name of its class."
            )
        images = _Images(self.folder)
        left_out = sum((file.left_out for file in files.values()), Counter[str]())
        records: dict[str, Record] = {}
        for name, file in files.items():
            record = _record(paths[name], name, file, images, issues)
            if record is None:
                continue
            if (other := records.setdefault(record.path, record)) is not record:
                what = f"{record.path} is also the image of {other.id}.json"
                issues.add(record.id, Problem(str(paths[name]), what, "delete one of the two files"))
            for problem in file.problems:
                issues.add(record.id, problem)
            self._add_shapes(record, file, names, left_out, issues)
        self.notes = [*images.notes, *self._left_out(left_out)]
        all_names = self._names(names)
        super().__init__(self.folder, all_names, [*all_names], list(records.values()), issues, on_bad, cap)

    def _names(self, labels: list[str]) -> list[str]:
        """Return the class names for the labels."""
        if not labels:
            raise PolyheadError(f"{self.folder}: LabelMe's files have no shape with an area. Draw boxes or polygons.")
        return labels

    def _left_out(self, counts: Counter[str]) -> list[str]:
        """Return a note with how many shapes of which type or label are left out."""
        listed = few([f"{count} {what}" for what, count in sorted(counts.items())])
        return [f"shapes that are not objects were left out: {listed}"] if listed else []

    def _add_shapes(
        self, record: Record, file: LabelMeFile, labels: list[str], left_out: Counter[str], issues: Issues
    ) -> None:
        """Add the valid objects of a file to the record of its image."""
        objects: dict[object, tuple[Box, str, bool]] = {}
        for shape in file.shapes:
            if shape.label == IGNORE or is_background(shape.label):
                left_out[shape.label] += 1
                continue
            if (box := checked_box(shape, record, issues)) is None:
                continue
            key = (shape.label, shape.group) if shape.group is not None else shape.where
            first, _, difficult = objects.get(key, (box, "", shape.difficult))
            box = (min(first[0], box[0]), min(first[1], box[1]), max(first[2], box[2]), max(first[3], box[3]))
            objects[key] = (box, shape.label, difficult and shape.difficult)
        for box, label, difficult in objects.values():
            if label in labels:
                record.add(box, labels.index(label), difficult)


def checked_box(shape: Shape, record: Record, issues: Issues) -> Box | None:
    """Return the bounding box of a shape, of a circle its part inside the image; None if the box is not valid."""
    box, (height, width) = shape.box, record.size
    if shape.type == "circle":
        box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], width), min(box[3], height))
    error = check_box(box, record.size)
    if error:
        issues.add(record.id, Problem(f"{record.id}.json: shape {shape.where}", *error))
        return None
    return box


def label_names(folder: Path, files: dict[str, LabelMeFile], selected: list[str] | None) -> list[str]:
    """Return the labels to read: the selected ones, or all that have an area, sorted.

    Raises:
        PolyheadError: if a selected one is not in the folder, or selected twice.
    """
    found = {shape.label for file in files.values() for shape in file.shapes}
    found = {label for label in found if label != IGNORE and not is_background(label)}
    if selected is None:
        return sorted(found)
    if len(set(selected)) < len(selected):
        raise PolyheadError(f"classes: expected different names, got a name twice in {', '.join(selected)}")
    if not set(selected) <= found:  # another split may have them
        for path in labelme_files(folder).values():
            try:
                found |= {shape.label for shape in read_labelme(path).shapes}
            except InvalidFileError:  # in this split: reported already; in another split: not needed here
                continue
    for name in selected:
        if name not in found and not is_background(name):
            raise PolyheadError(f"classes: no shape in {folder} has the label {name!r}{suggest(name, found)}")
    return list(selected)


class _Images:
    """The images that the files of a folder name."""

    def __init__(self, folder: Path) -> None:
        self._images: dict[str | None, NamedImages] = {}
        self._folder = folder
        self._renamed = 0
        self._by_stem: dict[str, str] | None = None

    @property
    def notes(self) -> list[str]:
        """Where images were found."""
        notes = [note for images in self._images.values() for note in images.notes]
        if self._renamed:
            notes.append(f"{self._renamed} images have the name of their JSON file, not the imagePath in it")
        return notes

    def find(self, name: str, image: str | None) -> Path | Problem:
        """Return the image of a JSON file, which is named relative to the file's folder, or like the file."""
        parent, split = PurePosixPath(name).parent, split_of_path(str(PurePosixPath(name).parent))
        if split not in self._images:
            self._images[split] = NamedImages(self._folder, self._folder, split)
        images = self._images[split]
        named = normpath((parent / plain_name(image)).as_posix()) if image else ""
        if named in images.listing.files and is_image(named):
            return images.listing.files[named]
        if self._by_stem is None:
            files = filter(is_image, images.listing.files)
            self._by_stem = {str(PurePosixPath(file).with_suffix("")): file for file in files}
        if (beside := self._by_stem.get(_id(name))) is not None:
            self._renamed += image is not None
            return images.listing.files[beside]
        found = images.find(named) if named else images.find(PurePosixPath(name).stem)
        return found if isinstance(found, Path) or not named else self._by_file_name(images, name, found)

    def _by_file_name(self, images: NamedImages, name: str, problem: Problem) -> Path | Problem:
        found = images.find(PurePosixPath(name).stem)
        self._renamed += isinstance(found, Path)
        return problem if isinstance(found, Problem) else found


def _record(path: Path, name: str, file: LabelMeFile, images: _Images, issues: Issues) -> Record | None:
    """Return the record of the image of a file without its objects; None if the image is missing."""
    found = images.find(name, file.image)
    if isinstance(found, Problem):
        remedy = "write the image, which is in the JSON file as imageData, to a file" if file.embedded else found.remedy
        issues.add(_id(name), Problem(f"{path}: {found.where}", found.what, remedy))
        return None
    size: Size | None = file.size
    if size is None:
        try:
            size = image_size(found)
        except InvalidFileError as error:
            issues.add(_id(name), error.problem)
            return None
    return Record(_id(name), found, size)


def _id(name: str) -> str:
    return name[: -len(".json")]
