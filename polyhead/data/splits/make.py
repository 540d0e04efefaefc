"""Split a task's data into train, val and test as its settings ask, and check the settings and the result."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations

from polyhead.contracts.kind import Kind
from polyhead.contracts.reader import Reader
from polyhead.data.checks.duplicates import content_keys, image_paths
from polyhead.data.readers.merge import merge_splits
from polyhead.data.splits.stratify import check_fractions, read_list, split, split_by_image, subset
from polyhead.errors import PolyheadError, SettingError, few, suggest

SPLITS = ("train", "val", "test")
KEYS = (*SPLITS, "by", "folds", "fold")
"""The valid keys of the split settings."""

DEFAULT_FRACTION = 0.15
"""Fraction of val and of test where the settings give none."""

SplitFunction = Callable[..., dict[str, list[str]]]
"""Splits a reader by ``fractions`` and a ``seed``, and returns the ids of each split."""


def make_splits(
    name: str,
    kind: Kind,
    given: dict[str, Reader],
    settings: dict[str, int | float | str] | None,
    seed: int,
    ids: dict[str, list[str]] | None,
) -> dict[str, Reader]:
    """Return the reader of each split: a reader of its own, a list of ids, or a fraction of the training reader.

    Args:
        name: name of the task.
        kind: the kind of its targets.
        given: the readers that the source has, at least that of train.
        settings: how to split the training reader (:attr:`polyhead.data.loading.source.Source.split`).
        seed: seed of the run.
        ids: the ids of each split, if they are known from an earlier run.

    Raises:
        PolyheadError: if a split is empty, two splits share a sample, or ``ids`` lacks a split.
    """
    missing = [split_name for split_name in SPLITS if split_name not in given]
    numbers = dict(settings or {})
    by = numbers.pop("by", None)
    listed: dict[str, list[str]] = {}
    twice = [split_name for split_name in SPLITS[1:] if split_name in given and split_name in numbers]
    if twice and ids is None:
        raise PolyheadError(
            f"data.{name}: split: {twice[0]} has a reader of its own, so it cannot be split off from train. Remove it "
            f"from split, or remove its reader (data.{name}.{twice[0]}=null)."
        )
    if ids is not None:
        needed = [split_name for split_name in SPLITS if split_name not in given or split_name == "train"]
        if lost := [split_name for split_name in needed if split_name not in ids]:
            raise PolyheadError(
                f"data.{name}: the run's manifest.json does not list the images of the {lost[0]} split. Restore the "
                "file, or train again."
            )
        listed = {split_name: ids[split_name] for split_name in needed}
    elif any(isinstance(value, str) for value in numbers.values()):
        listed = {split_name: read_list(value) for split_name, value in numbers.items() if isinstance(value, str)}
    elif missing or "folds" in numbers:
        fractions = {key: float(value) for key, value in numbers.items()}
        function = partial(split_by_image if by else split, kind=kind)
        listed = split_ids(name, given["train"], missing, fractions, seed, function, by_part=not by)
    readers = {**given, **{split_name: subset(given["train"], members) for split_name, members in listed.items()}}
    _check_disjoint(name, readers)
    if given["train"].parts:
        _check_copies(name, readers)
    return {split_name: readers[split_name] for split_name in SPLITS}


def check_split(settings: Mapping[str, int | float | str]) -> None:
    """Check split settings before any data is read.

    Raises:
        SettingError: if a key is unknown, a value is out of range, or settings contradict each other.
    """
    for key in settings:
        if key not in KEYS:
            raise SettingError(f"split: unknown key {key!r}{suggest(key, KEYS)}")
    if settings.get("by", "image") != "image":
        raise SettingError(f"split: by must be 'image', or be omitted for a stratified split; got {settings['by']!r}")
    files = [key for key in SPLITS if isinstance(settings.get(key), str)]
    numbers = [key for key in (*SPLITS, "folds", "fold") if key in settings and key not in files]
    if files and numbers:
        raise SettingError(
            f"split: {files[0]} is a file of ids, but {numbers[0]}={settings[numbers[0]]} is not. "
            "Give a file for every split, or for none."
        )
    if "train" in numbers:
        raise SettingError(
            f"split: train is what val and test leave, so it has no fraction of its own, got {settings['train']}. To "
            "train on fewer images, increase the fractions of val and test."
        )
    if "fold" in numbers and "folds" not in numbers:
        raise SettingError("split: fold selects the fold to test on, but folds is missing. Set folds to their number.")
    if "folds" in numbers:
        if "test" in numbers:
            raise SettingError(
                f"split: with folds, one fold is the test split, so test has no fraction, got {settings['test']}. "
                "Remove test from split."
            )
        folds, fold = settings["folds"], settings.get("fold", 0)
        if not isinstance(folds, int) or folds < 2:
            raise SettingError(f"split: folds must be an integer of 2 or more, got {folds}")
        if not isinstance(fold, int) or not 0 <= fold < folds:
            raise SettingError(f"split: fold must be an integer from 0 to {folds - 1}, got {fold}")


def check_names(where: str, split_name: str, expected: Sequence[str], found: Sequence[str]) -> None:
    """Check that the classes of a split are those of training, so that labels mean the same.

    Raises:
        PolyheadError: if they differ.
    """
    if difference := class_difference(split_name, expected, found):
        raise PolyheadError(
            f"{where}: {difference}. Give every reader the same 'classes', or remove the reader of {split_name} "
            f"({where}.{split_name}=null) to split it off from train."
        )


def class_difference(split_name: str, expected: Sequence[str], found: Sequence[str]) -> str:
    """Describe how the classes of a split differ from those of training; empty if names and order are the same."""
    if list(found) == list(expected):
        return ""
    odd = sorted({*expected} ^ {*found})
    what = f"{few(odd)} in one of them only" if odd else "another order"
    return f"{split_name} and train do not have the same {len(expected)} classes in the same order ({what})"


def split_ids(
    name: str,
    reader: Reader,
    missing: list[str],
    settings: Mapping[str, float],
    seed: int,
    function: SplitFunction,
    *,
    by_part: bool,
) -> dict[str, list[str]]:
    """Return the ids of train and of each split that has no reader of its own.

    With a stratified split, every component of a merged reader is split as it would be alone.

    Args:
        name: name of the task.
        reader: the training reader.
        missing: the splits without a reader of their own.
        settings: the fractions, or ``folds`` and ``fold``.
        seed: seed of the run.
        function: how to split.
        by_part: split each component of a merged reader by itself.
    """
    if reader.parts and by_part:
        return merge_splits(
            {
                key: split_ids(name, own, missing, settings, seed, function, by_part=True)
                for key, own in reader.parts.items()
            }
        )
    fractions = {split_name: settings.get(split_name, DEFAULT_FRACTION) for split_name in missing}
    if "folds" in settings:
        if "test" not in missing:
            raise PolyheadError(
                f"data.{name}: split: with folds, each fold is tested once, but test has a reader of its own. Remove "
                f"the reader (data.{name}.test=null), or remove folds."
            )
        folds, test_key = int(settings["folds"]), str(int(settings.get("fold", 0)))
        pieces = {str(fold): 1 / folds for fold in range(folds)}
        del fractions["test"]
    elif "test" in missing:
        check_fractions({"train": 1.0 - sum(fractions.values()), **fractions})
        test_key, test_fraction = "test", fractions.pop("test")
        pieces = {"train": 1 - test_fraction, "test": test_fraction}
        fractions = {key: value / (1 - test_fraction) for key, value in fractions.items()}  # of what test leaves
    else:
        return function(reader, fractions={"train": 1.0 - sum(fractions.values()), **fractions}, seed=seed)
    # The test split has seed 0 whatever the seed of the run, so that the scores of several seeds can be compared.
    members = function(reader, fractions=pieces, seed=0)
    test = members.pop(test_key)
    rest = subset(reader, [image_id for ids in members.values() for image_id in ids])
    return {**function(rest, fractions={"train": 1.0 - sum(fractions.values()), **fractions}, seed=seed), "test": test}


def _check_disjoint(name: str, readers: Mapping[str, Reader]) -> None:
    """Check that no split is missing or empty, and that no sample is in two splits."""
    seen: dict[str, str] = {}
    for split_name in SPLITS:
        if split_name not in readers or len(readers[split_name]) == 0:
            raise PolyheadError(
                f"data.{name}: the {split_name} split is empty. A run needs train, val and test samples."
            )
        for index in range(len(readers[split_name])):
            entry = readers[split_name].entry(index)
            other = seen.setdefault(entry.path or entry.id, split_name)
            if other != split_name:
                raise PolyheadError(
                    f"data.{name}: sample {entry.id!r} is in both {other} and {split_name}, and a score on "
                    "training data means nothing. Give each split its own samples, or remove the readers of val and "
                    "test to split them off from train (split: {by: image} if merged data sets share images)."
                )


def _check_copies(name: str, readers: Mapping[str, Reader]) -> None:
    """Check that no two splits of merged data sets have copies of an image under different file names."""
    paths = {
        split_name: image_paths(map(readers[split_name].entry, range(len(readers[split_name]))))
        for split_name in SPLITS
    }
    keys = content_keys(paths)
    for one, other in combinations(SPLITS, 2):
        if shared := keys[one] & keys[other]:
            raise PolyheadError(
                f"data.{name}: copies of {len(shared)} image(s) are in both {one} and {other}, and a score on "
                "training data means nothing. Split by file name (split: {by: image}), or remove the copies from one "
                "of the merged data sets."
            )
