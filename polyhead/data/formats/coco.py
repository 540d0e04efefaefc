"""Find COCO JSON files and their splits."""

from polyhead.data.formats.data_folder import DataFolder, Found, split_of
from polyhead.data.readers.coco import coco_files, load_coco
from polyhead.errors import PolyheadError

ENDINGS = (".json",)


def find(folder: DataFolder) -> Found | None:
    """Return the annotation file of each split."""
    root = folder.path
    splits: dict[str, dict[str, str]] = {}
    for path in coco_files(root):
        try:
            load_coco(path)
        except PolyheadError:
            continue
        name = path.relative_to(root).as_posix()
        in_root = path.parent in (root, root / "annotations")
        split = split_of(path.stem if in_root else path.parent.name) or "train"
        if split in splits:
            raise PolyheadError(
                f"{root}: expected one COCO file for {split}, got {splits[split]['annotations']} and {name}. Move one "
                "away."
            )
        splits[split] = {"annotations": name}
    return Found(splits) if splits else None
