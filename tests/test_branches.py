"""Only kinds and modalities know what a prediction or an input is: no other module branches on it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import polyhead
from polyhead import types
from polyhead.kinds import KINDS, kind_of

PACKAGE = Path(polyhead.__file__).parent
FREE = ("kinds", "modalities")
"""Folders in which everything is allowed."""
PURE = ("metrics", "plotting")
"""Folders whose functions compute and draw scores, so they may name them."""
OUR_KINDS = [kind_of(name) for name in KINDS]
TYPES = {
    *(each.__name__ for kind in OUR_KINDS for each in (kind.target, kind.prediction, type(kind))),
    *(name for name in vars(types) if name.endswith("Batch") and name != "Batch"),
    "ImageMeta", "ImageFile", "Image", "TestedBoxes", "TestedStatistics",
}  # fmt: skip
"""Types that tell what a task predicts or reads."""
SCORES = {each.name for kind in OUR_KINDS for each in (*kind.scores, *kind.measures)}
KIND_NAMES = {*KINDS}
FIELDS = {field for kind in OUR_KINDS for each in (kind.target, kind.prediction) for field in each._fields}


def branches(source: str, folder: str = "") -> Iterator[str]:
    """Yield each place of a module that decides by the type, the fields or the score of a task."""
    if folder in FREE:
        return
    tree = ast.parse(source)
    foreign = TYPES - {each.name for each in tree.body if isinstance(each, ast.ClassDef)}  # a class may ask for itself
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            arguments = {each.id for part in node.args[1:] for each in ast.walk(part) if isinstance(each, ast.Name)}
            attributes = {
                each.attr for part in node.args[1:] for each in ast.walk(part) if isinstance(each, ast.Attribute)
            }
            if node.func.id in ("isinstance", "issubclass") and (arguments | attributes) & foreign:
                yield f"line {node.lineno}: {ast.unparse(node)}"
            if node.func.id in ("hasattr", "getattr") and _strings(node) & FIELDS and node.func.id == "hasattr":
                yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.MatchClass) and ast.unparse(node.cls).rpartition(".")[2] in foreign:
            yield f"line {node.lineno}: match {ast.unparse(node.cls)}"
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            names = {each.id for part in parts for each in ast.walk(part) if isinstance(each, ast.Name)}
            calls = {
                each.func.id
                for part in parts
                for each in ast.walk(part)
                if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)
            }
            if "type" in calls and names & foreign:
                yield f"line {node.lineno}: {ast.unparse(node)}"
            named = set() if folder in PURE else KIND_NAMES | SCORES
            if _strings(node) & named:
                yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.MatchValue) and _strings(node) & (KIND_NAMES | SCORES):
            yield f"line {node.lineno}: match {ast.unparse(node)}"
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict) and folder not in PURE:
            keys = [key for key in node.keys if key] if isinstance(node, ast.Dict) else node.elts
            constants = {each.value for each in keys if isinstance(each, ast.Constant)}
            if constants & SCORES:
                yield f"line {node.lineno}: a table of scores {ast.unparse(node)[:80]}"


def _strings(node: ast.AST) -> set[str]:
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_a_module_does_not_decide_by_the_kind(path: Path) -> None:
    folder = path.relative_to(PACKAGE).parts[0]
    assert not list(branches(path.read_text(encoding="utf-8"), folder))


@pytest.mark.parametrize(
    "line",
    [
        "isinstance(found, Detections)",
        "isinstance(found, types.Mask | Labels)",
        "issubclass(kind, Detection)",
        "type(target) is Boxes",
        "type(target) == ClassLabel",
        "hasattr(target, 'boxes')",
        "kind == 'segmentation'",
        "task.kind.name in ('detection', 'other')",
        "'miou' in numbers",
        "MAIN = ('ap50', 'accuracy')",
        "TITLES = {'miou': 'mIoU'}",
        "match found:\n    case Detections(boxes=boxes): pass",
        "match metric:\n    case 'ap50': pass",
    ],
)
def test_each_form_of_a_branch_is_found(line: str) -> None:
    assert len(list(branches(line))) == 1
    assert not list(branches(line, "kinds"))


@pytest.mark.parametrize(
    "line", ["kind = 'segmentation'", "isinstance(value, Tensor)", "task.kind.score(targets, found)"]
)
def test_what_decides_nothing_is_allowed(line: str) -> None:
    assert not list(branches(line))
