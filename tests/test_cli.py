"""The command line itself: help, errors, exit codes; it must not need torch for any of them."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from types import ModuleType

import pytest

import polyhead
from polyhead import cli
from polyhead.commands.recipes import headline
from polyhead.errors import DataError, Interrupted, PolyheadError, PolyheadWarning, Problem
from polyhead.paths import shipped


def command_that(
    monkeypatch: pytest.MonkeyPatch, does: BaseException | Callable[[], object], name: str = "demo"
) -> None:
    """Replace a command by one that raises an error or calls a function."""

    def main(_: list[str]) -> int:
        if isinstance(does, BaseException):
            raise does
        does()
        return 0

    module = ModuleType("stand_in")
    module.main = main  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "stand_in", module)
    monkeypatch.setitem(cli.COMMANDS, name, ("stand_in", "stands in"))


@pytest.mark.parametrize("words", [["--help"], [], ["help"], ["-h"]])
def test_help_lists_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


def test_help_fits_a_terminal() -> None:
    assert max(map(len, cli.usage().splitlines())) <= 80


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"polyhead {polyhead.__version__}\n"


@pytest.mark.parametrize("words", ["--help", "recipes", "--version", "trian"])
def test_light_commands_import_nothing_heavy(words: str) -> None:
    heavy = {"torch", "yaml", "jsonargparse", "numpy"}
    code = f"import sys; from polyhead.cli import main; main([{words!r}]); print([*sys.modules.keys() & {heavy}])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"


def test_every_command_has_its_module() -> None:
    assert {module for module, _ in cli.COMMANDS.values() if find_spec(module) is None} == set()
    assert set(cli.ALIASES.values()) <= set(cli.COMMANDS)


def test_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trian"]) == 2
    assert capsys.readouterr().err == "polyhead: error: unknown command 'trian'; did you mean 'train'?\n"


def test_an_error_of_the_user_is_one_line_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that(monkeypatch, PolyheadError("no such file. Give another."))
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err == "polyhead: error: no such file. Give another.\n"


def test_an_error_of_the_system_about_a_file_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that(monkeypatch, NotADirectoryError(20, "Not a directory", "runs/x"))
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err == "polyhead: error: runs/x: Not a directory\n"
    command_that(monkeypatch, OSError("internal"))
    with pytest.raises(OSError, match="internal"):
        cli.main(["demo"])


@pytest.mark.parametrize("words", [["demo", "--debug"], ["--debug", "demo"]])
def test_debug_anywhere_shows_the_traceback(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that(monkeypatch, PolyheadError("no such file"))
    assert cli.main(words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.endswith("polyhead: error: no such file\n")


def test_all_lines_of_a_data_error_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = [Problem(f"a.json: annotation {number}", "no area", "delete it") for number in range(3)]
    command_that(monkeypatch, DataError("a.json", problems))
    assert cli.main(["demo"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_problems_of_one_kind_are_listed_three_times_and_counted() -> None:
    alike = [Problem(f"{number}.png", "no mask", "save it") for number in range(90)]
    others = [Problem(f"{number}.json", f"fault {chr(65 + number)}", "fix it") for number in range(60)]
    error = DataError("data", [*alike, *others])
    assert error.problems == [*alike, *others]
    head, *lines = str(error).splitlines()
    assert head.startswith("data: 150 problems found")
    assert lines[2] == "  3. 2.png: no mask; save it (and 87 more of this kind)"
    assert lines[3] == "  91. 0.json: fault A; fix it"
    assert len(lines) == 51
    assert lines[-1] == "  ... and 13 more"
    *lines, last = str(DataError("data", [*others[:48], *alike])).splitlines()
    assert lines[-1] == "  50. 1.png: no mask; save it"
    assert last == "  ... and 88 more"


def test_problems_that_differ_only_in_numbers_are_of_one_kind() -> None:
    alike = [Problem(f"{each}.png", f"{each} pixels have the number 7.{each}", "add the class") for each in range(8)]
    *lines, last = str(DataError("data", alike)).splitlines()
    assert len(lines) == 3
    assert last == "  3. 2.png: 2 pixels have the number 7.2; add the class (and 5 more of this kind)"


def test_problems_that_differ_only_in_quoted_names_are_of_one_kind() -> None:
    alike = [Problem("a.json", f"image 'photo {each}.png' does not exist", "add it") for each in "abcde"]
    assert (
        str(DataError("data", alike))
        .splitlines()[-1]
        .endswith("'photo c.png' does not exist; add it (and 2 more of this kind)")
    )


def test_internal_errors_have_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    command_that(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        cli.main(["demo"])


RESUME = "'polyhead train --resume runs/stop'"


@pytest.mark.parametrize(
    ("command", "remedy"), [("train", RESUME), ("extend", RESUME), ("demo", RESUME), ("study", "the same command")]
)
def test_an_interrupted_training_shows_how_to_resume(
    command: str, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that(monkeypatch, Interrupted("runs/stop"), command)
    assert cli.main([command, "x"]) == 130
    assert capsys.readouterr().err == f"polyhead: interrupted; resume with {remedy}\n"


@pytest.mark.parametrize("command", ["demo", "train", "extend"])
def test_an_interrupt_before_there_is_a_run_shows_no_way_to_resume(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that(monkeypatch, KeyboardInterrupt(), command)
    assert cli.main([command]) == 130
    assert capsys.readouterr().err == "polyhead: interrupted\n"


def test_the_backend_of_a_notebook_does_not_break_the_command_line() -> None:
    """Jupyter sets it for all commands that it starts, also for those of other environments."""
    code = "from polyhead.cli import main; main(['--version']); import matplotlib; print(matplotlib.get_backend())"
    environment = {**os.environ, "MPLBACKEND": "module://not_installed.backend_inline"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.splitlines()[-1:] == ["agg"], done.stderr


@pytest.mark.parametrize("given", [None, "7"])
def test_settings_of_libraries_are_made_before_torch_is_imported_unless_the_user_has(
    given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = {"OMP_WAIT_POLICY": "PASSIVE", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16384"}
    for name in defaults:
        monkeypatch.setenv(name, "")  # so that it is restored after the test
        monkeypatch.delenv(name)
        if given is not None:
            monkeypatch.setenv(name, given)
    assert cli.main(["--version"]) == 0
    assert {name: os.environ[name] for name in defaults} == (dict.fromkeys(defaults, given) if given else defaults)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_stops_a_program_is_like_ctrl_c(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = getattr(signal, name)
    command_that(monkeypatch, lambda: signal.raise_signal(number))
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "polyhead: interrupted\n"
    assert signal.getsignal(number) is signal.SIG_DFL


def test_an_ignored_signal_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for commands that are started with nohup."""
    command_that(monkeypatch, lambda: signal.raise_signal(signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert cli.main(["demo"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_signals_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    command_that(monkeypatch, lambda: None)
    with ThreadPoolExecutor() as pool:
        assert pool.submit(cli.main, ["demo"]).result() == 0


def test_options_are_never_abbreviated() -> None:
    parser = cli.Parser(prog="polyhead x")
    parser.add_argument("--resume")
    with pytest.raises(PolyheadError, match=r"^polyhead x: unknown argument '--resum'; did you mean '--resume'\?"):
        parser.parse_args(["--resum", "y"])


def test_help_of_a_command_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipes", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: polyhead recipes")


def test_recipes_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipes"]) == 0
    shown = capsys.readouterr().out
    assert "ssd_penn_fudan" in shipped()
    for name, path in shipped().items():
        assert path.read_text(encoding="utf-8").startswith(f"# {headline(path)}\n")
        assert any(line.startswith(name) and line.endswith(headline(path)) for line in shown.splitlines())


def test_the_package_loads_its_names_lazily() -> None:
    code = "import sys, polyhead; polyhead.Run, polyhead.Stage; print('torch' in sys.modules, dir(polyhead))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("False")
    assert all(repr(name) in shown for name in polyhead.__all__)
    with pytest.raises(AttributeError, match="module 'polyhead' has no attribute 'laod'"):
        polyhead.laod  # type: ignore[attr-defined]  # noqa: B018  # pylint: disable=pointless-statement  # the access is the test


def test_a_warning_for_users_is_one_line() -> None:
    assert cli.main(["--version"]) == 0
    place = ("module.py", 3)
    assert warnings.formatwarning("ours", PolyheadWarning, *place) == "polyhead: warning: ours\n"
    assert warnings.formatwarning("theirs", UserWarning, *place).startswith("module.py:3: UserWarning: theirs\n")
