"""Read ``resume.ckpt``, the state that an interrupted run resumes from."""

from typing import Any
from uuid import uuid4

from polyhead import checkpoint
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.stored import tensor_files
from polyhead.stored.shape import fault
from polyhead.stored.tensor_files import CHECKSUM, DamagedError

_ROWS = {"rows": [{str: float}]}
_BETWEEN_STAGES = {
    "state_dict": {str: Any},
    "polyhead": {"stage": int, "progress": _ROWS},
    "run?": str,
    CHECKSUM + "?": str,
}
_PROGRESS = {
    **_ROWS,
    "sums?": {str: float},
    "count?": int,
    "stats?": dict,
    "time?": float,
    "best?": (float, None),
    "to_beat?": float,
    "stale?": int,
    "plateau?": float,
    "since_drop?": int,
}
_WITHIN_STAGE = {
    **_BETWEEN_STAGES,
    "polyhead": {"stage": int, "progress": _PROGRESS, "continual": [dict]},
    "epoch": int,
    "global_step": int,
    "loops": {str: Any},
    "optimizer_states": [dict],
    "lr_schedulers": list,
    "callbacks": dict,
}
"""Shapes of the file (:mod:`polyhead.stored.shape`): Lightning writes it within a stage, and we at the end of one."""


def load_state(run: Run) -> dict[str, Any] | None:
    """Load ``resume.ckpt``; None when there is none.

    Args:
        run: the run.

    Raises:
        PolyheadError: when the file is damaged, or of another run.
    """
    if not run.resume.is_file():
        return None
    try:
        content = tensor_files.read(run.resume)
        _check(content)
    except DamagedError as error:
        raise checkpoint.damaged(run.resume, str(error)) from error
    owner = run.read_manifest().get("id")
    if owner is not None and content.get("run", owner) != owner:
        raise PolyheadError(
            f"{run.resume} is the state of another run. Restore the file of this run, or delete it to start the run "
            "from the beginning."
        )
    state: dict[str, Any] = content
    return state


def identity(run: Run, state: dict[str, Any] | None) -> str:
    """Return the id of a run, which is in its manifest and in its ``resume.ckpt``; a new one where it has none yet."""
    return str(run.read_manifest().get("id") or (state or {}).get("run") or uuid4().hex)


def _check(content: Any) -> None:
    """Check the content of a file.

    Raises:
        DamagedError: for the first thing that is wrong.
    """
    within = isinstance(content, dict) and "pytorch-lightning_version" in content
    if what := fault(content, _WITHIN_STAGE if within else _BETWEEN_STAGES):
        raise DamagedError(what)
    number = content["polyhead"]["stage"]
    if number < 0:
        raise DamagedError(f"polyhead.stage: expected a stage of the run, from 0, got {number}")
    tensor_files.check_tensors(content["state_dict"])
    tensor_files.check_checksum(content, {key: value for key, value in content.items() if key != CHECKSUM})
