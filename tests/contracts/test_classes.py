"""Classes that are named in recipes, runs and weights files: found, allowed, or refused."""

import sys
from pathlib import Path

import pytest

from polyhead.contracts import classes
from polyhead.contracts.kind import Kind
from polyhead.errors import PolyheadError
from polyhead.kinds.detection import Detection

SHORT = {"detection": "polyhead.kinds.detection.Detection"}


@pytest.mark.parametrize("name", ["detection", "polyhead.kinds.detection.Detection"])
def test_a_class_has_a_short_name_or_a_path(name: str) -> None:
    assert classes.load(name, Kind, SHORT) is Detection


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("detecton", "there is no kind 'detecton'; did you mean 'detection'?"),
        ("polyhead.nothing.Detection", "kind 'polyhead.nothing.Detection' cannot be imported: No module named"),
        ("polyhead.kinds.detection.Detecton", "kind 'polyhead.kinds.detection.Detecton' cannot be imported: "),
        ("polyhead.types.Boxes", "kind 'polyhead.types.Boxes': expected a class derived from Kind, got <class"),
        ("polyhead.kinds.kind_of", "kind 'polyhead.kinds.kind_of': expected a class derived from Kind, got <function"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        classes.load(name, Kind, SHORT)
    assert str(caught.value).startswith(message)


def test_a_package_that_is_not_allowed_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A weights file of someone else could name any package, and importing it runs its code."""
    (tmp_path / "strange_kinds.py").write_text("from polyhead.kinds.detection import Detection\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(classes, "ALLOWED", ["polyhead"])
    with pytest.raises(PolyheadError) as caught:
        classes.load("strange_kinds.Detection", Kind, SHORT)
    assert str(caught.value) == (
        "kind 'strange_kinds.Detection': package 'strange_kinds' is not allowed to be imported. If you trust it, allow "
        "it with --allow strange_kinds, in Python with polyhead.contracts.classes.allow('strange_kinds')."
    )
    assert "strange_kinds" not in sys.modules
    classes.allow("strange_kinds")
    assert classes.ALLOWED == ["polyhead", "strange_kinds"]
    assert classes.load("strange_kinds.Detection", Kind, SHORT) is Detection


def test_a_class_of_a_script_cannot_be_found_by_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "ALLOWED", ["polyhead", "__main__"])
    with pytest.raises(PolyheadError, match=r"Define the class at the top level of a module with a name$"):
        classes.load("__main__.NoSuchKind", Kind, SHORT)
