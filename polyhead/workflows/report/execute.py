"""Run a notebook from top to bottom with this Python, in a kernel that only this machine's files reach."""

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.errors import PolyheadError, one_line

if TYPE_CHECKING:
    from nbformat import NotebookNode

MISSING = "The report needs packages that are not installed. Install them with: pip install 'polyhead[report]'"
SECONDS = 600.0
"""Time limit of a cell by default."""


def check_packages() -> None:
    """Check that what writes and runs notebooks is installed.

    Raises:
        PolyheadError: if it is not.
    """
    from importlib.util import find_spec

    if missing := [name for name in ("nbformat", "nbclient", "nbconvert", "ipykernel") if find_spec(name) is None]:
        raise PolyheadError(f"{', '.join(missing)}: not installed. {MISSING}")


def execute(notebook: "NotebookNode", folder: Path, seconds: float = SECONDS) -> None:
    """Run all cells of a notebook, and store their outputs in it.

    Args:
        notebook: the notebook, which is changed.
        folder: the folder in which it runs.
        seconds: time limit of a cell.

    Raises:
        PolyheadError: if a cell raises an error or takes too long, or the kernel ends.
    """
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    class ThisPython(KernelSpecManager):  # another Python of the user may be installed under the same name
        """The kernel of this Python."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            """Return the command that starts it."""
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python 3", language="python", name=kernel_name)

    with tempfile.TemporaryDirectory() as sockets:
        manager = AsyncKernelManager(
            kernel_spec_manager=ThisPython(),
            transport="ipc" if os.name == "posix" else "tcp",
            **({"ip": str(Path(sockets) / "kernel")} if os.name == "posix" else {}),
        )
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=seconds,
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            shutdown_kernel="immediate",
        )
        try:
            client.execute(env=_environment(), cleanup_kc=True)
        except CellExecutionError as error:
            raise PolyheadError(
                f"{_failed(notebook)}: {one_line(f'{error.ename}: {error.evalue}')}. Correct or remove this cell, and "
                "run the command again."
            ) from error
        except CellTimeoutError as error:
            raise PolyheadError(
                f"{_failed(notebook)}: it took more than {seconds:g} s. Allow more time with --seconds, or make it "
                "faster."
            ) from error
        except DeadKernelError as error:
            raise PolyheadError(
                f"{_failed(notebook)}: the Python process that ran it has ended, perhaps because the memory was full. "
                "Free some memory, or remove this cell."
            ) from error


def _environment() -> dict[str, str]:
    """Return the environment of the kernel, in which plots of people's own cells are shown."""
    own = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}  # the command line has set it
    return {**own, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # no warning of the debugger, which is not used


def _failed(notebook: "NotebookNode") -> str:
    """Return the place of the cell that was run last, and its first line."""
    code = [each for each in enumerate(notebook.cells, 1) if each[1].cell_type == "code" and each[1].source.strip()]
    ran = [(number, cell) for number, cell in code if cell.execution_count is not None or cell.outputs]
    number, cell = ran[-1] if ran else code[0]
    return f"cell {number} ({one_line(cell.source.strip().splitlines()[0])[:60]!r})"
