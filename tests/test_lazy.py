"""The door does not pay for the house: what must be quick imports nothing that is slow."""

import resource
import subprocess
import sys

import pytest

SECONDS = 0.5


def loaded_after(code: str) -> set[str]:
    """The top-level modules in a fresh process after it ran some code."""
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
def test_the_first_word_is_heard_at_once(words: list[str]) -> None:
    """Processor seconds of the best of three, so that a busy machine changes nothing."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "polyhead", *words], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < SECONDS


def test_using_a_model_loads_no_trainer() -> None:
    loaded = loaded_after(
        "import polyhead.workflows.predict, polyhead.workflows.evaluate, polyhead.data.loading.source, polyhead.analysis.plots"
    )
    assert "torch" in loaded
    assert not loaded & {"lightning", "pytorch_lightning"}
