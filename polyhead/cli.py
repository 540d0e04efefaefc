"""The command line: a static table of commands, standard library only; each command imports its own room.

What a user can cause ends in a message on stderr, one line where it is no list, and exit code 2; ``--debug`` anywhere
shows the traceback as well.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from polyhead import __version__
from polyhead.errors import NO_ROOM, PolyheadError, suggest

COMMANDS = {
    "demo": ("polyhead.commands.demo", "the main job on generated pictures: offline, minutes on a laptop"),
    "recipes": ("polyhead.commands.recipes", "list the recipes with one line each"),
    "init": ("polyhead.commands.init", "recognise the data in a folder, check it, write a recipe for it"),
    "data": ("polyhead.commands.data", "check the data in a folder; list, get and cut data sets"),
    "train": ("polyhead.commands.train", "train a recipe into a run folder, or go on with a run"),
    "evaluate": ("polyhead.commands.evaluate", "measure a run, with intervals ('val' is another name)"),
    "predict": ("polyhead.commands.predict", "use a run on pictures: drawn pictures, JSON, CSV"),
    "compare": ("polyhead.commands.compare", "runs side by side: scores, paired differences, intervals"),
    "extend": ("polyhead.commands.extend", "teach a run one more task, without the data of the older ones"),
    "study": ("polyhead.commands.study", "variations of a recipe, with every seed, in one table"),
}
ALIASES = {"val": "evaluate"}
RESUMED_BY = dict.fromkeys(("train", "extend"), "'polyhead train --resume RUN'") | {"study": "the same command"}
OK, WRONG, INTERRUPTED = 0, 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser for commands: options in full only, and every mistake is a :class:`PolyheadError`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def add_allow(self) -> None:
        """Take ``--allow``, for commands that build what a recipe names."""
        self.add_argument("--allow", action="append", default=[], metavar="PACKAGE", help="let recipes import from it")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, with the nearest option where one is unknown."""
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = unknown.split()[0].split("=")[0]
            message = f"{self.prog} does not know {word!r}{suggest(word, self._option_string_actions)}"
        raise PolyheadError(f"{message} ('{self.prog} --help' shows its use)")


def check_writable(*files: str | None) -> None:
    """Refuse files that cannot be written, before work is done for them; None is left alone."""
    for file in files:
        if file is not None and Path(file).is_dir():
            raise PolyheadError(f"{file!r} is a folder; give a file")
        if file is not None and not Path(file).absolute().parent.is_dir():
            raise PolyheadError(f"the folder of {file!r} does not exist; make it first, or name another file")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    # Threads that spin while they wait take the core from the loader's workers: on shared cores a step then
    # takes a multiple of its time (docs/LOG.md). It must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        how = RESUMED_BY.get("".join(words[:1]))
        print("polyhead: interrupted" + (f"; {how} goes on where it stopped" if how else ""), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough, as with `polyhead recipes | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (PolyheadError, OSError) as error:
        if isinstance(error, OSError) and error.filename is None and error.errno not in NO_ROOM:
            raise
        if debug:
            traceback.print_exc()
        where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        said = f"{where}{error.strerror}" if isinstance(error, OSError) else error
        print(f"polyhead: error: {said}", file=sys.stderr)
        return WRONG
    except SystemExit as stop:  # argparse after --help
        return stop.code if isinstance(stop.code, int) else OK
    return code


def _dispatch(words: list[str]) -> int:
    command = words[0] if words else "--help"
    if command in ("--help", "-h", "help"):
        print(usage())
        return OK
    if command in ("--version", "-V", "version"):
        print(f"polyhead {__version__}")
        return OK
    command = ALIASES.get(command, command)
    if command not in COMMANDS:
        raise PolyheadError(f"unknown command {command!r}{suggest(command, [*COMMANDS, *ALIASES])}")
    code: int = import_module(COMMANDS[command][0]).main(words[1:])
    return code


def usage() -> str:
    """The help text."""
    rows = "\n".join(f"  {name:<10} {line}" for name, (_, line) in COMMANDS.items())
    return (
        "usage: polyhead COMMAND ...\n\n"
        "One network, many heads: train, measure and use a model that you can defend.\n\n"
        f"commands:\n{rows}\n\n"
        "  polyhead COMMAND --help   what a command takes\n"
        "  polyhead --version        the version\n"
        "  --debug                   with any command: show the traceback of an error"
    )
