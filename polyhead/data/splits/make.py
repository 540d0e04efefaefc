"""A task's data into train, val and test, by whatever its settings say, with the reasons why a cut is refused."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from polyhead.contracts.reader import Reader
from polyhead.data.duplicates import by_content, paths
from polyhead.data.readers.merge import Merge, by_part
from polyhead.data.splits.stratify import check_shares, read_list, split, split_by_picture, subset
from polyhead.errors import PolyheadError, SettingError, few, suggest

SPLITS = ("train", "val", "test")
KEYS = (*SPLITS, "by", "folds", "fold")
"""What the settings of a cut may say."""
Cut = Callable[[Reader, dict[str, float], int], dict[str, list[str]]]


def cut(
    name: str,
    given: dict[str, Reader],
    wanted: dict[str, int | float | str] | None,
    seed: int,
    ids: dict[str, list[str]] | None,
) -> dict[str, Reader]:
    """The reader of each split: as given, as listed, or cut by share from the training reader.

    Args:
        name: of the task.
        given: readers that the settings name; train at least.
        wanted: how to cut train's (:attr:`polyhead.data.loading.source.Source.split`).
        seed: of the run.
        ids: of each split, when they are known from an earlier run.

    Raises:
        PolyheadError: when a split is empty, or two share a sample.
    """
    missing = [part for part in SPLITS if part not in given]
    shares = dict(wanted or {})
    by = shares.pop("by", None)
    listed: dict[str, list[str]] = {}
    twice = [part for part in SPLITS[1:] if part in given and part in shares]
    if twice and ids is None:
        raise PolyheadError(
            f"data.{name}: split: {twice[0]} has a reader of its own, so nothing is cut off for it; leave it out of "
            f"split, or take the reader away (data.{name}.{twice[0]}=null)"
        )
    if ids is not None:
        listed = {part: ids[part] for part in SPLITS if part not in given or part == "train"}
    elif any(isinstance(value, str) for value in shares.values()):
        listed = {part: read_list(value) for part, value in shares.items() if isinstance(value, str)}
    elif missing or "folds" in shares:
        numbers = {key: float(value) for key, value in shares.items()}
        listed = _listed(name, given["train"], missing, numbers, seed, split_by_picture if by else split)
    readers = {**given, **{part: subset(given["train"], members) for part, members in listed.items()}}
    seen: dict[str, str] = {}
    for part in SPLITS:
        if part not in readers or len(readers[part]) == 0:
            raise PolyheadError(f"data.{name}: the {part} split is empty; every run needs train, val and test samples")
        for index in range(len(readers[part])):
            truth = readers[part].annotation(index)
            if seen.setdefault(truth.path or truth.id, part) != part:
                other = seen[truth.path or truth.id]
                raise PolyheadError(
                    f"data.{name}: sample {truth.id!r} is in both {other} and {part}; a score on what was trained on "
                    "says nothing: give each split its own samples, or leave val and test out to have them cut "
                    "(split: {by: picture} if parts of the data share pictures)"
                )
    if isinstance(given["train"], Merge):
        _check_copies(name, readers)
    return {part: readers[part] for part in SPLITS}


def check_split(wanted: Mapping[str, int | float | str]) -> None:
    """Refuse settings of a cut that would cut nothing, or something else than they say.

    Raises:
        SettingError: when a key is unknown, or values do not go together.
    """
    for key in wanted:
        if key not in KEYS:
            raise SettingError(f"split: unknown key {key!r}{suggest(key, KEYS)}")
    if wanted.get("by", "picture") != "picture":
        raise SettingError(f"split: by must be 'picture', or be left out to spread classes; got {wanted['by']!r}")
    files = [part for part in SPLITS if isinstance(wanted.get(part), str)]
    shares = [key for key in (*SPLITS, "folds", "fold") if key in wanted and key not in files]
    if files and shares:
        raise SettingError(
            f"split: {files[0]} is a file of ids, and {shares[0]}={wanted[shares[0]]} is none; "
            "list every split that is to be cut, or none"
        )
    if "train" in shares:
        raise SettingError(
            f"split: train is what val and test leave, so it has no share of its own, got {wanted['train']}; give "
            "larger shares of val and test to learn from fewer pictures"
        )
    if "fold" in shares and "folds" not in shares:
        raise SettingError("split: fold says which of the folds is tested; say how many 'folds' there are, too")
    if "folds" in shares:
        if "test" in shares:
            raise SettingError(f"split: each fold is the test once, so test has no share, got {wanted['test']}")
        folds, fold = wanted["folds"], wanted.get("fold", 0)
        if not isinstance(folds, int) or folds < 2:
            raise SettingError(f"split: folds must be a whole number of 2 or more, got {folds}")
        if not isinstance(fold, int) or not 0 <= fold < folds:
            raise SettingError(f"split: fold must be a whole number, 0 to {folds - 1}, got {fold}")


def check_names(where: str, part: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    """Refuse a split whose labels would mean other classes than those of training."""
    if told := differing(part, wanted, found):
        raise PolyheadError(
            f"{where}: {told}; give every reader the same 'classes', or leave {part} out ({where}.{part}=null) to have "
            "it cut from train"
        )


def differing(part: str, wanted: Sequence[str], found: Sequence[str]) -> str:
    """How the classes of a split differ from those of training; empty where they are the same in the same order."""
    if list(found) == list(wanted):
        return ""
    odd = sorted({*wanted} ^ {*found})
    what = f"{few(odd)} in one of them only" if odd else "another order"
    return f"{part} and train do not have the same {len(wanted)} classes in the same order ({what})"


def _listed(
    name: str, reader: Reader, missing: list[str], wanted: Mapping[str, float], seed: int, by: Cut
) -> dict[str, list[str]]:
    """The ids of each split that has no reader of its own, and of train; a merged one is cut as its parts alone are."""
    if isinstance(reader, Merge) and by is split:
        return by_part({part: _listed(name, own, missing, wanted, seed, by) for part, own in reader.parts.items()})
    shares = {part: wanted.get(part, 0.15) for part in missing}
    if "folds" in wanted:
        if "test" not in missing:
            raise PolyheadError(
                f"data.{name}: split: each fold is tested once, so test may have no reader of its own; take it away "
                f"(data.{name}.test=null), or leave folds out"
            )
        folds, tested = int(wanted["folds"]), str(int(wanted.get("fold", 0)))
        cuts = {str(part): 1 / folds for part in range(folds)}
        del shares["test"]
    elif "test" in missing:
        check_shares({"train": 1 - sum(shares.values()), **shares})
        tested, share = "test", shares.pop("test")
        cuts = {"train": 1 - share, "test": share}
        shares = {part: each / (1 - share) for part, each in shares.items()}  # of what the test leaves
    else:
        return by(reader, {"train": 1 - sum(shares.values()), **shares}, seed)
    parts = by(reader, cuts, 0)  # whatever the seed: scores of several seeds are to be compared
    test = parts.pop(tested)
    rest = subset(reader, [ident for members in parts.values() for ident in members])
    return {**by(rest, {"train": 1 - sum(shares.values()), **shares}, seed), "test": test}


def _check_copies(name: str, readers: Mapping[str, Reader]) -> None:
    """Refuse merged data sets that hold copies of one picture, in files of their own, in several splits."""
    groups = {part: paths(map(readers[part].annotation, range(len(readers[part])))) for part in SPLITS}
    found = by_content(groups)
    for one, other in combinations(SPLITS, 2):
        if both := found[one] & found[other]:
            raise PolyheadError(
                f"data.{name}: copies of {len(both)} picture(s) are in both {one} and {other}; a score on what was "
                "trained on says nothing: cut by the files' names (split: {by: picture}), or take them out of one part"
            )
