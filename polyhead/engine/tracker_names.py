"""Names of the experiment trackers that a training can log to, and the packages that they need (without Lightning)."""

from collections.abc import Iterable
from importlib.util import find_spec

from polyhead.errors import PolyheadError, SettingError, suggest

TRACKERS = {"tensorboard": "track", "wandb": "wandb", "mlflow": "mlflow", "trackio": "trackio"}
"""The extra that installs each; it is imported under its name."""


def tracker_names(logger: str | list[str] | None) -> list[str]:
    """Return the trackers of the setting ``logger``.

    Raises:
        SettingError: if one does not exist.
    """
    names = [] if logger is None else [logger] if isinstance(logger, str) else list(dict.fromkeys(logger))
    for name in names:
        if name not in TRACKERS:
            raise SettingError(f"logger: there is no tracker {name!r}{suggest(name, TRACKERS)}")
    return names


def check_trackers(names: Iterable[str]) -> None:
    """Check that the packages of trackers are installed.

    Raises:
        PolyheadError: for the first that is not.
    """
    for name in names:
        if find_spec(name) is None:
            raise PolyheadError(
                f"logger: {name} is not installed. Install it with: pip install 'polyhead[{TRACKERS[name]}]'"
            )
