"""Names that differ between two checkouts: recipes go from the new names to the old ones, results from old to new.

A table (`golden_names.yaml` explains its form) says old -> new for each section. Keys and values of a recipe, of JSON
and of a weights file are found by their *place*: the keys from the root down to them, in the old names.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Place = tuple[str, ...]
TREES = ("recipe", "json", "checkpoint")
FLAT = {"csv": "/", "files": "/", "tensors": ".", "arrays": "/"}
"""Sections of plain names, and what separates the parts of such a name."""


class TableError(ValueError):
    """A table of names that cannot be used, or that does not fit a recipe or a result."""


def matches(pattern: Place, place: Place) -> bool:
    """Return whether a place ends with a pattern; ``*`` stands for any one part."""
    start = len(place) - len(pattern)
    return start >= 0 and all(part in ("*", own) for part, own in zip(pattern, place[start:], strict=True))


def rename(name: str, table: Mapping[str, str], separator: str) -> str:
    """Return the new form of a name.

    An entry replaces the whole name or its leading parts; the longest one that fits counts. After that, entries that
    begin with ``^`` are regular expressions, each applied in turn.
    """
    for old in sorted((each for each in table if not each.startswith("^")), key=len, reverse=True):
        if name == old or name.startswith(old + separator):
            name = table[old] + name[len(old) :]
            break
    for old in (each for each in table if each.startswith("^")):
        name = re.sub(old, table[old], name)
    return name


class TreeNames(NamedTuple):
    """Old and new names inside a tree of mappings and lists.

    Attributes:
        keys: new key by the pattern of its old place; the longest pattern counts.
        values: new value by old value, by the pattern of the old place.
        class_paths: new import path, or leading part of one, by the old one.
    """

    keys: dict[Place, str]
    values: dict[Place, dict[Any, Any]]
    class_paths: dict[str, str]

    def to_new(self, tree: Any, place: Place = ()) -> Any:
        """Return a tree in the new names; ``place`` is that of the tree in a larger one, in the old names."""
        return self._walk(tree, place, forward=True)

    def to_old(self, tree: Any, place: Place = ()) -> Any:
        """Return a tree in the old names.

        Raises:
            TableError: when the way back to the new names gives another tree, so that the table is ambiguous.
        """
        old = self._walk(tree, place, forward=False)
        if self.to_new(old, place) != tree:
            raise TableError(f"the table of names is ambiguous for {tree!r}: its old form {old!r} has another new form")
        return old

    def _walk(self, tree: Any, place: Place, *, forward: bool) -> Any:
        if isinstance(tree, Mapping):
            return self._walk_mapping(tree, place, forward=forward)
        if isinstance(tree, list | tuple):
            return [self._walk(each, (*place, str(index)), forward=forward) for index, each in enumerate(tree)]
        return self._value(tree, place, forward=forward)

    def _walk_mapping(self, tree: Mapping[Any, Any], place: Place, *, forward: bool) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in tree.items():
            old = key if forward else self._old_key(place, key)
            target = self._new_key((*place, str(key)), key) if forward else old
            if target in result:
                raise TableError(f"two keys become {target!r} in {'.'.join(place) or 'the root'}")
            result[target] = self._walk(value, (*place, str(old)), forward=forward)
        return result

    def _new_key(self, place: Place, key: Any) -> Any:
        fitting = [pattern for pattern in self.keys if matches(pattern, place)]
        return self.keys[max(fitting, key=len)] if fitting else key

    def _old_key(self, parent: Place, key: Any) -> Any:
        fitting = [pattern for pattern, new in self.keys.items() if new == key and matches(pattern[:-1], parent)]
        return max(fitting, key=len)[-1] if fitting else key

    def _value(self, value: Any, place: Place, *, forward: bool) -> Any:
        for pattern in sorted(self.values, key=len, reverse=True):
            known = self.values[pattern] if forward else {new: old for old, new in self.values[pattern].items()}
            if matches(pattern, place) and value in known:
                return known[value]
        return self._class_path(value, place, forward=forward) if isinstance(value, str) else value

    def _class_path(self, value: str, place: Place, *, forward: bool) -> str:
        """Return another import path; a rule without a dot, such as a short class name, counts for ``class_path``."""
        rules = self.class_paths if forward else {new: old for old, new in self.class_paths.items()}
        if place[-1:] != ("class_path",):
            rules = {source: target for source, target in rules.items() if "." in source}
        return rename(value, rules, ".")


class Names(NamedTuple):
    """A whole table of names.

    Attributes:
        recipe: of recipes and of a weights file's ``model``.
        words: subcommands and options of the command line, new by old.
        json: of JSON files.
        checkpoint: of the plain entries of a weights file.
        flat: new by old names of CSV columns, of files, of tensors and of the arrays of an npz file.
        ignore: further places, in the new names, that are not compared.
    """

    recipe: TreeNames
    words: dict[str, str]
    json: TreeNames
    checkpoint: TreeNames
    flat: dict[str, dict[str, str]]
    ignore: list[str]

    def old_word(self, word: str) -> str:
        """Return a word of the command line as the old checkout knows it."""
        return {new: old for old, new in self.words.items()}.get(word, word)


def place_of(text: str) -> Place:
    """Return the parts of a pattern such as ``stages.*.lr``; a part in double quotes may have dots."""
    return tuple(part.strip('"') for part in re.findall(r'"[^"]+"|[^.]+', text))


def read_names(path: Path | None) -> Names:
    """Read a table of names; without one, both checkouts use the same names."""
    return parse_names({} if path is None else yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def parse_names(table: Mapping[str, Any]) -> Names:
    """Check a table of names.

    Raises:
        TableError: for a section or an entry that is not known, or that has the wrong form.
    """
    _check_known(table, (*TREES, *FLAT, "ignore"), "the table")
    trees = {section: _tree_names(section, table.get(section) or {}) for section in TREES}
    words = (table.get("recipe") or {}).get("words") or {}
    flat = {section: _plain(section, table.get(section) or {}) for section in FLAT}
    ignore = [str(each) for each in table.get("ignore") or []]
    return Names(trees["recipe"], _plain("recipe.words", words), trees["json"], trees["checkpoint"], flat, ignore)


def _tree_names(section: str, entries: Mapping[str, Any]) -> TreeNames:
    known = ("keys", "values") + (("class_paths", "words") if section == "recipe" else ())
    _check_known(entries, known, section)
    keys = {place_of(old): new for old, new in _plain(f"{section}.keys", entries.get("keys") or {}).items()}
    values = {place_of(str(at)): dict(pairs) for at, pairs in (entries.get("values") or {}).items()}
    if wild := [".".join(pattern) for pattern in keys if pattern[-1] == "*"]:
        raise TableError(
            f"{section}.keys: {wild[0]!r} ends with '*', so the old name is not known. Write the key there"
        )
    return TreeNames(keys, values, _plain(f"{section}.class_paths", entries.get("class_paths") or {}))


def _check_known(entries: object, known: tuple[str, ...], where: str) -> None:
    if not isinstance(entries, Mapping):
        raise TableError(f"{where}: expected a mapping, got {entries!r}")
    for key in entries:
        if key not in known:
            raise TableError(f"{where}: unknown section {key!r} (expected {', '.join(known)})")


def _plain(where: str, entries: object) -> dict[str, str]:
    """Return a mapping of text to text, after a check of its form."""
    if not isinstance(entries, Mapping) or not all(isinstance(each, str) for pair in entries.items() for each in pair):
        raise TableError(f"{where}: expected old names and new names, got {entries!r}")
    if where.startswith("recipe.") and any(old.startswith("^") for old in entries):
        raise TableError(f"{where}: regular expressions are not possible here: the table is read in both directions")
    return dict(entries)
