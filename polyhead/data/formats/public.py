"""Find public data sets in the files that their authors publish: CIFAR-10 and Oxford-IIIT Pet."""

from polyhead.data.formats.data_folder import DataFolder, Found
from polyhead.data.readers.oxford_pets import TRIMAPS, is_oxford_pets

ENDINGS = (".txt", ".png")
CIFAR10 = ("_batch", *(f"_batch_{number}" for number in range(1, 6)), ".meta", ".html")
"""Ends of the names of CIFAR-10's files, which have no endings."""
XMLS = "annotations/xmls"


def find_cifar10(folder: DataFolder) -> Found | None:
    """Return the training batches and the test batch."""
    for place in (folder.path, folder.path / "cifar-10-batches-py"):
        if (place / "batches.meta").is_file() and (place / "data_batch_1").is_file():
            test = {"test": {"split": "test"}} if (place / "test_batch").is_file() else {}
            return Found({"train": {"split": "train"}, **test})
    return None


def find_oxford_pets(folder: DataFolder) -> Found | None:
    """Return the lists of the training and test images."""
    if not is_oxford_pets(folder.path):
        return None
    test = {"test": {"split": "test"}} if folder.has("annotations/test.txt") else {}
    boxes = any(file.lower().endswith(".xml") for file in folder.files.get(XMLS, ()))
    notes = [f"{XMLS} holds boxes, which are not read: --reader voc reads them"] if boxes else []
    return Found({"train": {"split": "trainval"}, **test}, notes)


def find_oxford_pets_masks(folder: DataFolder) -> Found | None:
    """Return the same lists where the trimaps are in the folder, too."""
    return find_oxford_pets(folder) if (folder.path / TRIMAPS).is_dir() else None
