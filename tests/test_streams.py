"""The standard streams of a command: nothing that a terminal would obey, no line lost, and there even where closed."""

import errno
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from polyhead import cli, streams
from polyhead.errors import PolyheadError, Problem


def test_what_is_printed_after_the_reader_has_gone_is_dropped() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream:
        output = streams.Output(stream)
        print("shown", file=output)
        assert os.read(read, 100) == b"shown\n"  # at once, so that a reader sees each line
        os.close(read)
        for line in ("lost", "x" * 100_000):
            print(line, file=output)
        output.flush()
        assert not output.isatty()


def test_other_errors_of_the_output_are_raised() -> None:
    def write(_: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        print("line", file=streams.Output(SimpleNamespace(write=write)))


def test_a_closed_pipe_is_not_an_error() -> None:
    command = f"{sys.executable} -c 'import sys; from polyhead.cli import main; sys.exit(main([\"--help\"]))' | true"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


class Printing(ModuleType):
    """A command that prints."""

    def __init__(self, *texts: str) -> None:
        super().__init__("printing")
        self.texts = texts

    def main(self, _: list[str]) -> int:
        for text in self.texts:
            print(text)
            print(text, file=sys.stderr)
        sys.stdout.writelines(self.texts[:1])
        return 0


def printing(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """Let the command ``demo`` print texts to both streams."""
    monkeypatch.setitem(sys.modules, "printing", Printing(*texts))
    monkeypatch.setitem(cli.COMMANDS, "demo", ("printing", "prints"))


HOSTILE = "\x1b]0;title\x07a\x9b2Jb\x00\x7f\u202ejpg" + os.fsdecode(b"\xe9") + "\ud800"
HARMLESS = r"\x1b]0;title\x07a\x9b2Jb\x00\x7f\u202ejpg\xe9\ud800"


def fail(_: list[str]) -> int:
    """Fail as a command does that got a file name which a terminal would obey."""
    raise PolyheadError(f"{HOSTILE}: no such file")


def test_what_a_terminal_would_obey_is_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printing(monkeypatch, HOSTILE, "a\tü 猫", "\rbar", "a\rb")
    assert cli.main(["demo"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{HARMLESS}\na\tü 猫\n\\rbar\na\\rb\n{HARMLESS}"
    assert shown.err == f"{HARMLESS}\na\tü 猫\n\rbar\na\\rb\n", "a progress bar may begin its line anew"
    monkeypatch.setattr(sys.modules["printing"], "main", fail)
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err == f"polyhead: error: {HARMLESS}: no such file\n"
    assert cli.main([HOSTILE]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_problem_is_one_line_whatever_the_names_in_it() -> None:
    problem = Problem(f"a\n\r{HOSTILE}.jpg", "b\tc", "d")
    assert str(problem) == f"a\\n\\r{HARMLESS}.jpg: b\\tc; d"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_a_terminal_cannot_show_is_escaped(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printing(monkeypatch, "ü 猫")
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    assert cli.main(["demo"]) == 0
    assert [sys.stdout, sys.stderr] == streams
    sys.stderr.flush()
    expected = {"ascii": b"\\xfc \\u732b", "latin-1": b"\xfc \\u732b"}[encoding]
    assert [stream.buffer.getvalue().split(b"\n")[0] for stream in streams] == [expected] * 2


def test_a_program_without_a_console_can_call_it(monkeypatch: pytest.MonkeyPatch) -> None:
    printing(monkeypatch, "text")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["demo"]) == 0
    assert cli.main(["demp"]) == 2
    for stream in (sys.stdout, sys.stderr):  # to nowhere
        stream.close()


CLOSED = """
import os, sys
from polyhead.cli import main

code = main(["recipes"])
with open(sys.argv[1], "w") as file:
    print(file.fileno(), file=file)
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error_and_no_file_gets_their_numbers(closed: str, tmp_path: Path) -> None:
    """What a library printed would end in that file."""
    words = shlex.join([sys.executable, "-c", CLOSED, str(tmp_path / "file")])
    done = subprocess.run(f"{words} {closed}", shell=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert int((tmp_path / "file").read_text()) > 2
