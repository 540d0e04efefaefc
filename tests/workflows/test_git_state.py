"""Recording the git state of a folder starts nothing that its repository names, and it ends."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from polyhead.workflows import git_state as module
from polyhead.workflows.git_state import git_state

CONFIG = """
[core]
    fsmonitor = {program}
    hooksPath = {hooks}
    pager = {program}
[filter "evil"]
    clean = {program}
    smudge = {program}
    process = {program}
    required = true
[diff]
    external = {program}
[diff "evil"]
    command = {program}
    textconv = {program}
[alias]
    rev-parse = !{program}
    status = !{program}
"""
HOOKS = ("post-index-change", "fsmonitor-watchman", "post-checkout", "pre-commit")


def git(folder: Path, *words: str) -> str:
    settings = {f"GIT_{who}_{what}": "someone" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **settings}
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    """Make a repository with one commit."""
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "inner").mkdir()
    (folder / "inner" / "a.txt").write_text("one")
    (folder / ".gitattributes").write_text("*.txt filter=evil diff=evil\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def arm(git_folder: Path, started: Path) -> None:
    """Let every setting of a repository start a program that leaves a file."""
    program = git_folder.absolute() / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {started}\ncat\n")
    for hook in HOOKS:
        (git_folder / "hooks" / hook).write_text(program.read_text())
        (git_folder / "hooks" / hook).chmod(0o755)
    program.chmod(0o755)
    (git_folder / "more").write_text(CONFIG.format(program=program, hooks=git_folder.absolute() / "hooks"))
    with (git_folder / "config").open("a") as file:
        file.write("[include]\n    path = more\n")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository, one of its submodules, and a bare one, whose settings start a program."""
    top = tmp_path_factory.mktemp("git")
    repo, started = repository(top / "repo"), top / "started"
    git(top, "clone", "-q", "--bare", "repo", "bare")
    git(repo, "clone", "-q", ".", "module")
    git(repo, "add", "module")  # as a submodule
    git(repo, "commit", "-qm", "second")
    for folder in (repo / ".git", repo / "module" / ".git", top / "bare"):
        arm(folder, started)
    for file in (repo / "inner" / "a.txt", repo / "module" / "inner" / "a.txt"):
        os.utime(file, (1, 1))  # git compares its content
    return top


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["repo", "repo/inner", "repo/module", "bare"])
def test_no_program_of_a_repository_is_started(folder: str, hostile: Path) -> None:
    """Of its own settings, those of a parent, a submodule or a bare repository, and those in an included file."""
    commit = git(hostile / folder, "rev-parse", "HEAD")
    expected = None if folder == "bare" else {"commit": commit, "changed": False}
    assert git_state(hostile / folder) == expected
    assert not (hostile / "started").exists()


@pytest.mark.slow
def test_git_status_would_start_one(hostile: Path) -> None:
    subprocess.run(["git", "status"], cwd=hostile / "repo", capture_output=True, check=False)
    assert (hostile / "started").exists(), "or the test above shows nothing"
    (hostile / "started").unlink()


@pytest.mark.slow
def test_a_changed_and_a_staged_file_are_noticed(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    index = (repo / ".git" / "index").read_bytes()
    commit = git(repo, "rev-parse", "HEAD")
    (repo / "untracked.txt").write_text("one")
    assert git_state(repo) == {"commit": commit, "changed": False}
    (repo / "inner" / "a.txt").write_text("two!")
    assert git_state(repo / "inner") == {"commit": commit, "changed": True}
    assert (repo / ".git" / "index").read_bytes() == index, "nothing is written"
    git(repo, "add", "inner/a.txt")
    assert git_state(repo) == {"commit": commit, "changed": True}


def test_a_folder_without_a_commit_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_state(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) is None


def test_a_program_of_the_current_folder_is_not_taken_for_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\ntouch started\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".:bin")
    assert git_state(tmp_path) is None
    assert not (tmp_path / "started").exists()


def test_a_repository_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    os.mkfifo(tmp_path / ".git" / "more")  # reading it waits for a writer
    (tmp_path / ".git" / "config").write_text("[include]\n    path = more\n")
    monkeypatch.setattr(module, "SECONDS", 0.05)
    begun = time.monotonic()
    assert git_state(tmp_path) is None
    assert time.monotonic() - begun < 5
