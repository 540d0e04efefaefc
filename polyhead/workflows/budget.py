"""A budget in minutes: no run is started after it, and those that are missing are named."""

import time
from collections.abc import Sequence

from polyhead.errors import PolyheadError, counted, few


class Budget:
    """The time in which runs may be started.

    Args:
        minutes: from now on; None for no limit.

    Raises:
        PolyheadError: if the minutes are not positive.
    """

    def __init__(self, minutes: float | None) -> None:
        if minutes is not None and not minutes > 0:
            raise PolyheadError(f"--minutes: expected a number above 0, got {minutes:g}")
        self.minutes = minutes
        self.end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def is_used_up(self) -> bool:
        """Whether no further run may be started."""
        return self.end is not None and time.monotonic() >= self.end

    def error(self, missing: Sequence[str]) -> PolyheadError:
        """Return the error that names the runs that were not started."""
        return PolyheadError(
            f"the {self.minutes:g} minutes are used up, and {counted(len(missing), 'run')} of the study "
            f"{'is' if len(missing) == 1 else 'are'} missing: {few(missing)}. Give the same command again to go on."
        )


UNLIMITED = Budget(None)
"""No limit."""
