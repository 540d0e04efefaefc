"""Train one run of a study in a process of its own, which ends when the process of the study does.

The first line of standard input is the job: ``{folder, config, allowed, command}``, as JSON.
"""

import json
import os
import sys
import threading

from polyhead.contracts import classes
from polyhead.errors import PolyheadError
from polyhead.run import Run


def main() -> int:
    """Train or resume the run of the job, and return the exit code."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_study, daemon=True).start()
    classes.ALLOWED[:] = job["allowed"]
    sys.argv = job["command"]  # of the study, for the manifest of the run
    from polyhead.workflows import train

    try:
        if Run(job["folder"]).config.is_file():
            train.resume(job["folder"])
        else:
            train.train(job["config"])
    except PolyheadError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _end_with_study() -> None:
    """End this process at once when standard input ends: the process of the study has been killed."""
    os.read(sys.stdin.fileno(), 1)  # not sys.stdin.read: it holds a lock, which Python waits for at its end
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
