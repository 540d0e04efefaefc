"""Compare the settings of a run with those of a recipe."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polyhead.config import files, recipe
from polyhead.run import Run


def changed_settings(folder: Path, config: Mapping[str, Any], searched: Sequence[Path] = ()) -> list[str]:
    """Return the keys of a resolved recipe whose settings are not those of the run in a folder.

    Args:
        folder: the run folder, which has a recipe.
        config: the resolved recipe.
        searched: the folders in which its relative paths were looked up before the current one.
    """
    begun = recipe.load(Run(folder).config)
    return [key for key in config if key != "runs" and not files.same(begun.get(key), config[key], searched)]
