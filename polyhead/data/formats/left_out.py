"""Count the files of a data folder that are not part of the data set."""

from collections import Counter
from pathlib import Path, PurePosixPath

from polyhead.data.formats.data_folder import DataFolder
from polyhead.data.formats.recognize import FORMATS, DatasetLayout
from polyhead.data.io.images import NOT_READ, is_image, not_read
from polyhead.errors import counted, few

DOCUMENTS = (".txt", ".md", ".pdf", ".yaml", ".yml", ".json", ".cache")
"""Endings of files that describe a data set; nobody misses them in it."""


def left_out(root: Path, layout: DatasetLayout) -> list[str]:
    """Return a sentence each for links, and for images and other files that the readers of a folder do not use.

    Args:
        root: the folder.
        layout: what was found in it.
    """
    used = {
        file for reader in layout.splits.values() for index in range(len(reader)) for file in reader.entry(index).files
    }
    known = (*DOCUMENTS, *FORMATS[layout.reader].endings)
    images: Counter[str] = Counter()
    others: Counter[str] = Counter()
    unread: list[str] = []
    data = DataFolder(root)
    for folder, names in data.files.items():
        for name in names:
            if str(root / folder / name) in used:
                continue
            if is_image(name):
                images[folder] += 1
            elif PurePosixPath(name).suffix.lower() in NOT_READ:
                unread.append(name)
            elif not name.lower().endswith(known) and PurePosixPath(name).stem.upper() not in ("README", "LICENSE"):
                others[PurePosixPath(name).suffix.lower() or "no ending"] += 1
    lines = [*data.listing.notes, *not_read(unread)]
    if images:
        where = few(
            [f"{count} in {'the folder itself' if folder == '.' else folder}" for folder, count in images.items()]
        )
        lines.append(f"{counted(images.total(), 'image')} in the folder not used: {where}")
    if others:
        kinds = few([f"{count} with {ending}" for ending, count in others.most_common()])
        lines.append(f"{counted(others.total(), 'other file')} in the folder not used: {kinds}")
    return lines
