"""Trains the toys again and again, each time in a process that a test may kill.

Reads ``FOLDER KIND WORKERS`` (tabs between) from standard input; answers with the number of the process, and, when that
has ended, with its exit code. Everything is imported once, before the first fork.
"""

import os
import sys
from pathlib import Path

from builders.training_process import train

if __name__ == "__main__":
    for line in sys.stdin:
        folder, kind, workers = line.rstrip("\n").split("\t")
        life = os.fork()
        if life == 0:
            code = 1
            try:
                train(Path(folder), kind, int(workers))
                code = 0
            finally:
                os._exit(code)
        print(life, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(life, 0)[1]), flush=True)
