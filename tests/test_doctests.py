"""The examples in docstrings run."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
import torch

import polyhead

ROOT = Path(polyhead.__file__).parent
TRAINING = [
    "train", "evaluate", "load", "predict", "save_pretrained", "from_pretrained", "compare", "analyze_errors", "extend",
    "fit", "ablate",
]  # fmt: skip
"""Public functions, in this order: the examples of later ones use the run of the first."""


def modules() -> list[str]:
    """Return the modules whose docstrings have examples."""
    found = sorted(path for path in ROOT.rglob("*.py") if ">>> " in path.read_text("utf-8"))
    return [".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in found]


def run_examples(name: str, value: object) -> int:
    """Run the examples of one object; return how many there were."""
    runner, count = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), 0
    for test in doctest.DocTestFinder(recurse=False).find(value, name, globs={"polyhead": polyhead, "torch": torch}):
        test.globs |= vars(import_module(value.__module__)) | test.globs
        failed, attempted = runner.run(test)
        assert failed == 0, f"an example of {name} fails; its output is above"
        count += attempted
    return count


@pytest.mark.parametrize("name", modules())
def test_examples_of_a_module(name: str) -> None:
    module = import_module(name)
    public = {id(getattr(polyhead, each)) for each in TRAINING}
    count = 0
    for each in doctest.DocTestFinder().find(module, name):
        owner = getattr(module, each.name.removeprefix(f"{name}.").split(".")[0], module)
        if id(owner) not in public:
            failed, attempted = doctest.DocTestRunner().run(each)
            assert failed == 0, f"an example of {each.name} fails; its output is above"
            count += attempted
    assert count or any(id(value) in public for value in vars(module).values()), "no example was found"


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_examples_of_the_public_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in TRAINING:
        assert run_examples(name, getattr(polyhead, name)) > 0
