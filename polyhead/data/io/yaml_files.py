"""Read YAML in which no key is lost and no alias grows without limit: recipes, studies, data.yaml, overrides.

PyYAML keeps the last of two equal keys without a word, and lets a few lines of aliases stand for billions of entries.
"""

from pathlib import Path
from reprlib import repr as short
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from polyhead.data.io.files import read_text
from polyhead.errors import InvalidFileError, PolyheadError

MAX_SIZE = 4 << 20
"""Characters of a file, and of its content when all aliases are written out. Each entry counts as 16 more."""
MAX_DEPTH = 50
"""Levels of nested lists and mappings."""
MAX_NUMBER = 400
"""Characters of a number: long ones take minutes to convert."""

_ENTRY = 16
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_MERGE, _VALUE = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"


class _FaultError(Exception):
    """What is wrong with a YAML text, with what to do about it; the first line is 1."""

    def __init__(self, what: str, remedy: str, line: int | None = None) -> None:
        self.what, self.remedy, self.line = what, remedy, line
        super().__init__(what)


def load_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        InvalidFileError: if the file cannot be read, is not valid YAML, gives a key twice (names both lines), or is too
            large or too deeply nested.
    """
    if path.is_file() and path.stat().st_size > MAX_SIZE:
        what = f"expected at most {MAX_SIZE >> 20} MiB of YAML, got {path.stat().st_size / 2**20:.0f} MiB"
        raise InvalidFileError(path, what, "give a smaller file")
    text = read_text(path)
    try:
        return _parse(text)
    except _FaultError as fault:
        where = path if fault.line is None else f"{path}: line {fault.line}"
        raise InvalidFileError(where, fault.what, fault.remedy) from fault


def yaml_value(text: str, word: str) -> Any:
    """Return the value of a word of the command line, in YAML.

    Args:
        text: the value.
        word: the word that contains it, for the message.

    Raises:
        PolyheadError: if it is not valid YAML, gives a key twice, or is too large or too deeply nested.
    """
    try:
        return _parse(text)
    except _FaultError as fault:
        if fault.__cause__ is not None:
            raise PolyheadError(f"{word!r}: the value is not valid YAML. Put it in quotes.") from fault
        raise PolyheadError(f"{word!r:.100}: {fault.what}; {fault.remedy}.") from fault


def require_bounded(value: Any, where: str) -> None:
    """Check the texts in a nested setting, which jsonargparse may read as YAML again and write out in a message.

    Raises:
        PolyheadError: if one of them stands for far more than its length, or has half a character: YAML can spell one
            as two halves, which jsonargparse then cannot read.
    """
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise PolyheadError(
            f"{where or 'the recipe'}: {value!r:.60} is not UTF-8 text. Write the characters themselves."
        )
    if isinstance(value, str) and "&" in value and "*" in value:
        try:
            _parse(value)
        except _FaultError as fault:
            if fault.__cause__ is None:  # else it is no YAML, but a text
                raise PolyheadError(f"{where}: {value!r:.40} {fault.what}; {fault.remedy}.") from fault
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            require_bounded(each, where)


def _parse(text: str) -> Any:
    """Return the content of a YAML text."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _Check(loader).measure(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise _FaultError(f"is not valid YAML ({_one_line(error)})", "repair the file", line) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date or number out of range
        raise _FaultError(f"is not valid YAML ({_one_line(error)})", "repair the file") from error


def _one_line(error: Exception) -> str:
    what = getattr(error, "problem", None) or error
    return " ".join(str(what).split())


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with a limited depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Node | None:
        """Return the next node."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _too_deep(self.line + 1)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _text(loader: _Loader, node: Any) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor(_VALUE, _text)  # a key '=', which has a tag of its own


class _Check:
    """Measure nodes with all aliases written out, and compare the keys of each mapping."""

    def __init__(self, loader: _Loader) -> None:
        self.loader = loader
        self.measured: dict[int, tuple[int, int] | None] = {}
        """Size and depth of each node; None while its children are measured."""

    def measure(self, node: Node) -> tuple[int, int]:
        """Return the size and the depth of a node; an alias has those of the node that it stands for."""
        line = node.start_mark.line + 1
        if id(node) in self.measured:
            known = self.measured[id(node)]
            if known is None:
                raise _FaultError("a list or mapping contains itself", "remove the alias", line)
            return known
        self.measured[id(node)] = None
        if isinstance(node, MappingNode):
            self._compare_keys(node)
        children = [self.measure(child) for child in _children(node)]
        size = _ENTRY + sum(each for each, _ in children) + (len(node.value) if isinstance(node, ScalarNode) else 0)
        depth = 1 + max((each for _, each in children), default=0)
        if size > MAX_SIZE:
            what = f"stands for more than {MAX_SIZE:,} characters when its aliases are written out"
            raise _FaultError(what, "use fewer aliases", line)
        if depth > MAX_DEPTH:
            raise _too_deep(line)
        if isinstance(node, ScalarNode) and node.tag in _NUMBERS and len(node.value) > MAX_NUMBER:
            raise _FaultError(
                f"got a number of {len(node.value):,} characters", "put it in quotes if it is a text", line
            )
        self.measured[id(node)] = size, depth
        return size, depth

    def _compare_keys(self, node: MappingNode) -> None:
        """Refuse a key that a mapping has twice; keys that a merge (``<<``) brings may be replaced."""
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            if not isinstance(key, ScalarNode) or key.tag == _MERGE:  # PyYAML refuses lists and mappings as keys
                continue
            self.measure(key)
            name, line = self.loader.construct_object(key), key.start_mark.line + 1
            if name in lines:
                here = "the same line" if lines[name] == line else f"line {lines[name]}"
                what = f"the key {short(name)} is given twice, first on {here}"
                raise _FaultError(what, "rename or delete one of the two", line)
            lines[name] = line


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _too_deep(line: int) -> _FaultError:
    return _FaultError(f"is nested more than {MAX_DEPTH} levels deep", "nest it less", line)
