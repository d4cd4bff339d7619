"""`python -m local` as a command of the shell: what it does when nobody reads what it says."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local import __main__ as commands
from local.addresses import REPOSITORY
from local.progress import warn

pytestmark = pytest.mark.slow

COMMANDS = [("status",), ("user", "--email", "a@example.com"), ("operator", "--email", "a@example.com"), ("proof",),
            ("rebuild-views",)]


def unread() -> int:
    """The writing end of a pipe that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    return writes


def local(*arguments: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "local", *arguments], cwd=REPOSITORY, stdout=stdout, stderr=stderr, text=True,
                          timeout=60)
    for handle in {stdout, stderr} - {subprocess.PIPE}:
        os.close(handle)
    return done


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_is_ended_as_others_are(tmp_path: Path, command: tuple[str, ...]) -> None:
    arguments = (*command, "--data", str(tmp_path))
    told = local(*arguments)
    assert told.returncode == 1 and (told.stdout or told.stderr)
    pipe = unread()
    both = local(*arguments, stdout=pipe, stderr=pipe)
    assert both.returncode == -signal.SIGPIPE
    if told.stdout:
        done = local(*arguments, stdout=unread())
        assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


def test_help_is_quiet_too() -> None:
    done = local("--help", stdout=unread())
    assert done.returncode in (0, -signal.SIGPIPE) and not done.stderr  # argparse itself passes over what cannot be written


def test_a_pipe_that_is_not_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that closes its connection is no reader that has left."""
    monkeypatch.setattr(commands, "_main", lambda: os.write(unread(), b"x"))
    with pytest.raises(BrokenPipeError):
        commands.main()


def test_an_exchange_that_runs_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with os.fdopen(unread(), "w", closefd=True) as nobody:
        monkeypatch.setattr(sys, "stderr", nobody)
        warn("the disk is full")
        monkeypatch.undo()
        with pytest.raises(BrokenPipeError):
            nobody.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), nobody.fileno())
