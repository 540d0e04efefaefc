"""Commands and imports that must be fast load no slow package."""

import os
import subprocess
import sys

import pytest

SECONDS = 0.5


def loaded_after(code: str) -> set[str]:
    """Return the top-level modules of a new process after it has run some code."""
    code += "\nimport sys\nprint('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import polyhead; dir(polyhead); polyhead.Run; polyhead.PolyheadError",
        "from polyhead.cli import main; assert main(['--help']) == 0",
        "from polyhead.cli import main; assert main(['recipes']) == 0",
        "from polyhead.cli import main; assert main(['train', '--help']) == 0",
        "from polyhead.cli import main; assert main(['tarin']) == 2",
    ],
)
def test_no_torch_is_loaded(code: str) -> None:
    loaded = loaded_after(code)
    assert "polyhead" in loaded
    assert not loaded & {"torch", "torchvision", "lightning", "numpy", "pandas", "matplotlib", "cv2", "timm"}


@pytest.mark.parametrize("words", [["--help"], ["recipes"]])
def test_commands_start_fast(words: list[str]) -> None:
    """The best of three runs in processor seconds, which do not depend on other load of the machine."""
    seconds = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-m", "polyhead", *words], capture_output=True, check=True)
        after = os.times()
        seconds.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )  # 0 on Windows, which does not count the time of children
    assert min(seconds) < SECONDS


def test_using_a_model_does_not_load_lightning() -> None:
    loaded = loaded_after(
        "import polyhead.workflows.predict, polyhead.workflows.evaluate\n"
        "import polyhead.data.loading.source, polyhead.analysis.plots"
    )
    assert "torch" in loaded
    assert not loaded & {"lightning", "pytorch_lightning"}
