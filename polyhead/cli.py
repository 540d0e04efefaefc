"""The command line: a table of commands. Each command is imported when it is called; this module imports no torch.

Errors that a user can cause are printed to stderr (one line, or a list of problems) and exit with code 2. The option
``--debug``, anywhere on the command line, also shows the traceback.
"""

import argparse
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Any, NoReturn

from polyhead import __version__, streams
from polyhead.errors import DISK_FULL, Interrupted, PolyheadError, PolyheadWarning, suggest

COMMANDS = {
    "demo": ("polyhead.commands.demo", "train and use a detector on generated images, offline, in minutes"),
    "recipes": ("polyhead.commands.recipes", "list the recipes and studies that come with Polyhead"),
    "init": ("polyhead.commands.init", "recognize and check the data in a folder, and write a recipe for it"),
    "data": ("polyhead.commands.data", "list, download and check data sets, or extract classes from one"),
    "train": ("polyhead.commands.train", "train the model of a recipe, or resume a run"),
    "evaluate": ("polyhead.commands.evaluate", "score a run on val or test, with intervals (alias: val)"),
    "predict": ("polyhead.commands.predict", "predict on images; write drawn images, JSON or CSV"),
    "explain": ("polyhead.commands.explain", "draw what predictions depend on, and whether to trust that"),
    "mistakes": ("polyhead.commands.mistakes", "draw the worst mistakes of each type with explanations"),
    "errors": ("polyhead.commands.errors", "show where a run is wrong, what that costs, and how robust it is"),
    "report": ("polyhead.commands.report", "write a notebook and a page about a run, or check them"),
    "notebook": ("polyhead.commands.notebook", "write one notebook that trains a recipe and is its report"),
    "app": ("polyhead.commands.app", "show a model on a page in the browser, or as a Hugging Face Space"),
    "compare": ("polyhead.commands.compare", "compare runs in one table: scores, paired differences, intervals"),
    "extend": ("polyhead.commands.extend", "add a task to a trained run without the data of its earlier tasks"),
    "study": ("polyhead.commands.study", "train variations of a recipe with several seeds and compare them"),
    "ablate": ("polyhead.commands.ablate", "vary settings of a recipe, or search for the best ones, as a study"),
}
ALIASES = {"val": "evaluate"}
RENAMED_OPTIONS = {"--beside": "--compare"}
"""Old option -> new option, for the error message about an unknown one."""
_default_format = warnings.formatwarning
OK, WRONG, INTERRUPTED = 0, 2, 130
STOPS = ("SIGTERM", "SIGHUP")
"""Signals that stop a command as Ctrl-C does; Windows does not have all of them."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises :class:`PolyheadError` and does not accept abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)
        self.color = False  # from Python 3.14 on, help would have escape sequences

    def add_allow(self) -> None:
        """Add ``--allow``, for commands that build what a recipe names."""
        self.add_argument(
            "--allow", action="append", default=[], metavar="PACKAGE", help="allow recipes to import from this package"
        )

    def add_download(self) -> None:
        """Add ``--download``, for commands that can use official weights."""
        self.add_argument(
            "--download", action="store_true", help="download the official weights that are named, if they are missing"
        )

    def error(self, message: str) -> NoReturn:
        """Raise a one-line error; for an unknown option, with the most similar known one."""
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = unknown.split()[0].split("=")[0]
            new = RENAMED_OPTIONS.get(word)
            renamed = new in self._option_string_actions
            hint = f"; it has been renamed to {new!r}" if renamed else suggest(word, self._option_string_actions)
            message = f"{self.prog}: unknown argument {word!r}{hint}"
        raise PolyheadError(f"{message} (see '{self.prog} --help')")


def check_writable(*files: str | None) -> None:
    """Check that files can be written before any work is done for them; None is ignored.

    Raises:
        PolyheadError: when a file is a folder, or its folder does not exist or is read-only.
    """
    for file in files:
        if file is not None and Path(file).is_dir():
            raise PolyheadError(f"{file!r} is a folder. Give the name of a file.")
        if file is not None and not Path(file).absolute().parent.is_dir():
            raise PolyheadError(f"the folder of {file!r} does not exist. Create it first, or give another file.")
        if file is not None and not os.access(Path(file).absolute().parent, os.W_OK):
            raise PolyheadError(f"the folder of {file!r} is read-only. Give a file in another folder.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    warnings.formatwarning = _format_warning
    with streams.safe():
        return _main(argv)


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return the text of a warning: without its place in the code where it is meant for users."""
    if issubclass(category, PolyheadWarning):
        return f"polyhead: warning: {message}\n"
    return _default_format(message, category, filename, lineno, line)


def _main(argv: Sequence[str] | None) -> int:
    """Run one command; see :func:`main`."""
    # Waiting OpenMP threads must sleep, not spin: spinning threads take cores from the loader processes, and a step on
    # shared cores then takes several times as long (docs/LOG.md). It must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # oneDNN prepares each layer for each size of its input, and by default forgets most of it when a stage trains at
    # many sizes. Torch reads this on import, too.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
    # A notebook sets a backend of its own, which matplotlib refuses where the notebook's packages are not installed.
    os.environ["MPLBACKEND"] = "agg"
    words = list(sys.argv[1:] if argv is None else argv)
    with _stoppable():
        return _run([word for word in words if word != "--debug"], "--debug" in words)


def _run(words: list[str], debug: bool) -> int:
    """Run one command, print what stops it, and return its exit code."""
    try:
        return _dispatch(words)
    except KeyboardInterrupt as stop:
        print(f"polyhead: interrupted{_how_to_resume(words, stop)}", file=sys.stderr)
        return INTERRUPTED
    except (PolyheadError, OSError) as error:
        if isinstance(error, OSError) and error.filename is None and error.errno not in DISK_FULL:
            raise
        if debug:
            traceback.print_exc()
        where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        message = f"{where}{error.strerror}" if isinstance(error, OSError) else error
        print(f"polyhead: error: {message}", file=sys.stderr)
        return WRONG
    except SystemExit as stop:  # argparse after --help
        return stop.code if isinstance(stop.code, int) else OK


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let the signals that stop a program (:data:`STOPS`) raise :class:`KeyboardInterrupt`, as Ctrl-C does.

    Signals that are ignored (``nohup``) or handled already are left alone.
    """

    def stop(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    known = [getattr(signal, name) for name in STOPS if hasattr(signal, name)]
    in_main = threading.current_thread() is threading.main_thread()  # other threads cannot set handlers
    changed = [number for number in known if in_main and signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _how_to_resume(words: list[str], stop: KeyboardInterrupt) -> str:
    """Return how an interrupted command is resumed; nothing where there is no run yet."""
    if words[:1] in (["study"], ["ablate"]):
        return "; resume with the same command"
    return f"; resume with 'polyhead train --resume {quote(stop.folder)}'" if isinstance(stop, Interrupted) else ""


def _dispatch(words: list[str]) -> int:
    """Import and run the command that the first word names."""
    command = words[0] if words else "--help"
    if command in ("--help", "-h", "help"):
        print(usage())
        return OK
    if command in ("--version", "-V", "version"):
        print(f"polyhead {__version__}")
        return OK
    command = ALIASES.get(command, command)
    if command not in COMMANDS:
        if advice := import_module("polyhead.commands.habits").answer(words):
            raise PolyheadError(advice)
        raise PolyheadError(f"unknown command {command!r}{suggest(command, [*COMMANDS, *ALIASES])}")
    code: int = import_module(COMMANDS[command][0]).main(words[1:])
    return code


def usage() -> str:
    """Return the help text."""
    rows = "\n".join(f"  {name:<10} {line}" for name, (_, line) in COMMANDS.items())
    return (
        "usage: polyhead COMMAND ...\n\n"
        "Train, evaluate and use models with one backbone and many heads.\n\n"
        f"commands:\n{rows}\n\n"
        "options:\n"
        "  polyhead COMMAND --help   show the arguments of a command\n"
        "  polyhead --version        show the version\n"
        "  --debug                   with any command: show the traceback of an error"
    )
