"""Report images of val and test that are also trained on."""

from collections.abc import Mapping
from itertools import product

from polyhead.data.checks.duplicates import content_keys, image_paths
from polyhead.data.loading.source import TaskData
from polyhead.data.splits.make import SPLITS


def overlapping_splits(tasks: Mapping[str, TaskData]) -> list[str]:
    """Return a warning for each split whose images are also trained on.

    Reported are test images that the same or another task trains on, and val images that the same task trains on.
    Copies in other files count. One file in two splits of a task is an error instead
    (:func:`polyhead.data.splits.make.make_splits`).
    """
    stored = {name for name, task in tasks.items() if task.stored}
    keys = content_keys(
        {
            (name, split): image_paths(map(task.readers[split].entry, range(len(task.readers[split]))))
            for name, task in tasks.items()
            for split in SPLITS
        }
    )
    warnings = []
    for name, task in tasks.items():
        for other, split in product(tasks, ("test", "val")):
            shared = keys[name, split] & keys[other, "train"]
            if not shared or (split == "val" and other != name):
                continue
            if other == name:
                overlap = (
                    "copies of its own training images, so scores on them mean little. Remove them from one split."
                )
            elif {name, other} & stored:  # exemplars are never split, so the other data set must change
                owner = name if other in stored else other
                overlap = f"training images of {other}. Remove them from the data of {owner}."
            else:
                overlap = (
                    f"training images of {other}. Use data.*.split.by=image to put an image in the same split of every "
                    "data set that is split automatically."
                )
            warnings.append(f"{name}: {len(shared)} of {len(task.readers[split])} {split} images are {overlap}")
    return warnings
