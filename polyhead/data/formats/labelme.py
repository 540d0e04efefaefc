"""Find LabelMe's JSON files and their splits."""

from pathlib import PurePosixPath

from polyhead.data.formats.data_folder import DataFolder, Found, split_of, unlisted
from polyhead.data.readers.labelme import label_names
from polyhead.data.readers.labelme_files import LabelMeFile, labelme_files, read_labelme
from polyhead.errors import InvalidFileError, PolyheadError, few

ENDINGS = (".json",)


def find(folder: DataFolder) -> Found | None:
    """Return the folders of the JSON files of each split, and the labels if there are several splits."""
    if not folder.ending(".json"):
        return None
    paths = labelme_files(folder.path)
    if not paths:
        return None
    folders: dict[str, set[str]] = {}
    for name in paths:
        split, parent = _split_folder(name)
        folders.setdefault(split, set()).add(parent)
    unnamed = folders.pop("", set())
    if unnamed and folders and "train" not in folders:
        raise PolyheadError(
            f"{folder.path}: LabelMe's files are in {few(sorted(unnamed))} and in folders of {', '.join(folders)}. "
            "Move those of train into train/."
        )
    files: dict[str, LabelMeFile] = {}
    for name, path in paths.items():
        try:
            files[name] = read_labelme(path)
        except InvalidFileError:  # the reader reports it
            continue
    # an image has the name in its JSON file, or that of the file
    listed = {PurePosixPath(name).stem for name in paths}
    listed |= {file.image.replace("\\", "/") for file in files.values() if file.image}
    notes = unlisted(folder, listed, "without a JSON file")
    if not folders:
        return Found({"train": {}}, notes)
    if unnamed:
        notes = [*notes, f"JSON files are not read, because other folders are of a split: {few(sorted(unnamed))}"]
    read = {name: file for name, file in files.items() if _split_folder(name)[0]}
    classes = {"classes": label_names(folder.path, read, None)} if len(folders) > 1 else {}
    one = {split: sorted(found) for split, found in folders.items()}
    return Found(
        {split: {"annotations": found[0] if len(found) == 1 else found, **classes} for split, found in one.items()},
        notes,
    )


def _split_folder(name: str) -> tuple[str, str]:
    """Return the split of a file, and its folder up to the part that names the split; an empty split if none does."""
    parts = PurePosixPath(name).parent.parts
    for end in range(len(parts), 0, -1):
        if split := split_of(parts[end - 1]):
            return split, "/".join(parts[:end])
    return "", "/".join(parts) or "."
