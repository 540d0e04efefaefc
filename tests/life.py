"""One life of a training that a test may kill: ``life.py FOLDER KIND WORKERS``."""

import sys
from pathlib import Path

from killable import train

if __name__ == "__main__":
    train(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
