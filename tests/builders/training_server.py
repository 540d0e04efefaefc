"""A server that trains the toy tasks, each time in a new process that a test can kill.

It reads lines ``FOLDER KIND WORKERS`` (separated by tabs) from standard input. For each it prints the id of the process
and, when that has ended, its exit code. Everything is imported once, before the first fork.
"""

import os
import sys
from pathlib import Path

from builders.training_process import train

if __name__ == "__main__":
    for line in sys.stdin:
        folder, kind, workers = line.rstrip("\n").split("\t")
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                train(Path(folder), kind, int(workers))
                code = 0
            finally:
                os._exit(code)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
