"""Answers to command lines in the form of other tools, with the command of Polyhead that does the same."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from polyhead.data.io.json_files import load_json
from polyhead.errors import InvalidFileError
from polyhead.run import Run

TASK_WORDS = ("classify", "detect", "segment", "obb", "pose", "yolo")
"""First words of other tools' commands that name the kind of task."""

_DATA_FILES = (".yaml", ".yml", ".json")


def answer(words: Sequence[str]) -> str | None:
    """Return what to type instead of ``detect train data=x.yaml epochs=1``; None for other command lines."""
    if words[:1] and words[0] in TASK_WORDS:
        others = [word for word in words[1:] if word not in TASK_WORDS]
        command = others[0] if others and "=" not in others[0] and not others[0].startswith("-") else "train"
        rest = others[1:] if others[:1] == [command] else others
        start = f"polyhead has no command {words[0]!r}: the data decides what is trained. "
        if command != "train":
            return f"{start}Use 'polyhead {command} RUN'; 'polyhead {command} --help' shows its arguments."
        return start + f"Use {_train(_named_data(rest) or 'FOLDER', rest)}."
    return None


def data_setting(changes: Sequence[str]) -> str | None:
    """Return what to type instead of ``train data=x.yaml epochs=1``; None without a path in ``data=``."""
    data = _named_data(changes)
    return None if data is None else f"train takes the data folder, not data=. Use {_train(data, changes)}."


def not_a_recipe(path: Path) -> str | None:
    """Return what to type for a file that describes data: YOLO's data.yaml, or a COCO JSON; None for other files.

    Args:
        path: the file that was given as a recipe.
    """
    if path.suffix.lower() not in _DATA_FILES or not path.is_file():
        return None
    from polyhead.data.io.yaml_files import load_yaml  # not needed to answer a misspelled command

    try:
        content = load_json(path) if path.suffix.lower() == ".json" else load_yaml(path)
    except InvalidFileError:
        return None
    if not isinstance(content, dict) or "stages" in content or "model" in content:
        return None
    if {"images", "categories"} <= content.keys():
        what = "a COCO annotation file"
    elif {"names", "train"} <= content.keys():
        what = "a YOLO data file"
    else:
        return None
    return f"{path} is {what}, not a recipe. Use {_train(str(path), [])}, which writes the recipe and trains it."


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run folder."""
    return Run(folder).manifest.is_file()


def _named_data(words: Sequence[str]) -> str | None:
    """Return the value of ``data=``."""
    return next((word.partition("=")[2] for word in words if word.removeprefix("--").startswith("data=")), None)


def _train(data: str, words: Sequence[str]) -> str:
    """Return the command that trains the data set of a folder, or of a file in it, with the same settings."""
    path = Path(data)
    if path.suffix.lower() in _DATA_FILES:
        path = path.parent.parent if path.parent.name == "annotations" else path.parent
    settings = [word for word in words if "=" in word and not word.removeprefix("--").startswith(("data=", "model="))]
    return f"'polyhead train {shlex.join([str(path), *settings])}'"
