"""Nested settings of a recipe, before jsonargparse parses them."""

from collections.abc import Collection, Mapping
from typing import Any

from polyhead.config.errors import parameters
from polyhead.errors import PolyheadError


def ordered(given: Any, first: str) -> Any:
    """Copy nested settings, with one key of each class, ``class_path`` or ``init_args``, before the other."""
    if isinstance(given, list):
        return [ordered(value, first) for value in given]
    if not isinstance(given, Mapping):
        return given
    copied = {key: ordered(value, first) for key, value in given.items()}
    if "class_path" in copied:
        copied.setdefault("init_args", {})
        copied = {first: copied[first], **copied}
    return copied


def refuse_nulls(owner: str, given: Mapping[str, Any], where: str, importable: Collection[str]) -> None:
    """Refuse ``key: null`` where None is not allowed; jsonargparse would treat the key as not given.

    Args:
        owner: import path of the class or function that the settings are for.
        given: the settings.
        where: their key path in the recipe.
        importable: the packages that may be imported.

    Raises:
        PolyheadError: for the first such key.
    """
    if "class_path" in given:
        owner, given = given["class_path"], given.get("init_args") or {}
    known = parameters(owner) if owner.split(".")[0] in importable else {}
    for key, value in given.items():
        path = f"{where}.{key}" if where else key
        if isinstance(value, dict):
            refuse_nulls("", value, path, importable)
        elif isinstance(value, list):
            for number, each in enumerate(value):
                if isinstance(each, dict):
                    refuse_nulls("", each, f"{path}.{number}", importable)
        elif value is None and key in known and not _allows_none(known[key].annotation):
            raise PolyheadError(f"{path}: expected a value, got null. Remove the key to use the default.")


def _allows_none(annotation: object) -> bool:
    """Return whether a type allows None, however it is written."""
    text = str(annotation)  # an annotation may be a text
    return "None" in text or "Optional" in text
