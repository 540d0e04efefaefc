"""The layers of ``docs/architecture.md`` hold, and an import that breaks one is found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the import contracts of the package in a folder, in a separate process."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_module_imports_only_from_lower_layers() -> None:
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("module", "line", "message"),
    [
        (
            "boxes/wrong.py",
            "import polyhead.nets.model",
            "polyhead.boxes is not allowed to import polyhead.nets",
        ),
        ("nets/wrong.py", "import polyhead.data.doctor", "polyhead.nets is not allowed to import polyhead.data"),
        ("data/wrong.py", "import polyhead.nets.model", "polyhead.data is not allowed to import polyhead.nets"),
        ("engine/wrong.py", "import polyhead.data.doctor", "polyhead.engine is not allowed to import polyhead.data"),
        ("metrics/wrong.py", "import lightning", "polyhead.metrics is not allowed to import lightning"),
        ("analysis/wrong.py", "def late():\n    import polyhead.cli", "analysis is not allowed to import polyhead.cli"),
        ("unlisted.py", "", "polyhead.unlisted"),
        ("boxes/coders.py", "import polyhead.boxes.raw", "No cycles between modules or packages of one folder BROKEN"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, module: str, line: str, message: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "polyhead", tmp_path / "polyhead", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "polyhead" / module).write_text(line + "\n", encoding="utf-8")
    found = lint(tmp_path)
    assert found.returncode != 0
    assert message in " ".join(found.stdout.split()), found.stdout + found.stderr


def test_the_top_level_stays_small() -> None:
    modules = {path.name for path in (ROOT / "polyhead").glob("*.py")} - {"__init__.py", "__main__.py"}
    assert len(modules) <= 8
    assert len([*(ROOT / "polyhead" / "data").glob("[!_]*")]) <= 14


def test_files_are_short() -> None:
    lengths = sorted(len(path.read_text("utf-8").splitlines()) for path in (ROOT / "polyhead").rglob("*.py"))
    lengths = [length for length in lengths if length]  # without empty __init__ files
    assert lengths[-1] <= 350
    assert lengths[len(lengths) // 2] <= 150
