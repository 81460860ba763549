"""Progress: bars and lines for people, one line per step for a pipe, nothing for the library."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from numba import njit
from rich.console import Console

from graphemb import kernels
from graphemb.progress import Step, Steps, TerminalSteps, duration
from graphemb.trainers.base import EpochEvent


class Told(Step):
    """Remembers what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[float, float | None, str]] = []

    def update(self, done: float, total: float | None, note: str = "") -> None:
        self.heard.append((done, total, note))


def test_into_a_pipe_each_step_is_one_plain_line() -> None:
    out = StringIO()
    steps = TerminalSteps(Console(file=out, width=10))
    with steps.step("fit [bold]walks[/bold]") as step:
        step.update(1, 2, "half")
        step.result = "10 user, a very long line that must not be broken anywhere"
    lines = out.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("fit [bold]walks[/bold]")
    assert lines[0].endswith("must not be broken anywhere")
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_the_bar_shows_how_far_a_step_is_and_leaves_one_line() -> None:
    out = StringIO()
    console = Console(file=out, width=120, force_terminal=True, color_system="truecolor")
    with TerminalSteps(console).step("load") as step:
        step.update(5, 10, "5 rows [red]")
        step.result = "10 nodes"
    assert "5 rows [red]" in out.getvalue()
    assert "✓" in out.getvalue() and "10 nodes" in out.getvalue()


def test_on_a_terminal_a_step_that_compiles_says_what_is_waited_for() -> None:
    out = StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    add = njit(lambda left, right: left + right)
    with TerminalSteps(console).step("fit"):
        add(1, 2)
    with TerminalSteps(console).step("fit again") as step:
        add(1, 2)
        step.update(1, 2, "epoch 1")
    first, _, again = out.getvalue().partition("fit again")
    assert "compiling kernels, once per machine" in first
    assert "compiling" not in again
    assert len(kernels.listeners) == 1


def test_into_a_log_compiling_is_said_once() -> None:
    out = StringIO()
    steps = TerminalSteps(Console(file=out, width=160))
    for name in ("fit", "again"):
        with steps.step(name):
            njit(lambda left, right: left + right)(1, 2)
    said, fit, again = out.getvalue().splitlines()
    assert said == kernels.COMPILING
    assert fit.startswith("fit") and again.startswith("again")


FIRST = """
import os, sys
os.environ["NUMBA_CACHE_DIR"] = sys.argv[1]
import numpy as np
from numba import njit
from graphemb.kernels import order

njit(lambda left, right: left + right)(1, 2)  # of the user's own
print("before ours", file=sys.stderr)
for kind in (np.int32, np.int64):
    order.ascending(np.zeros(3, kind), np.zeros(3, np.int64), np.zeros(3, np.int64))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals as on Linux")
def test_a_script_says_on_a_terminal_and_there_alone_what_it_waits_for(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIRST]
    piped = subprocess.run([*command, str(tmp_path / "a")], stderr=subprocess.PIPE, check=True)
    assert piped.stderr == b"before ours\n"
    ours, theirs = pty.openpty()
    subprocess.run([*command, str(tmp_path / "b")], stderr=theirs, check=True)
    os.write(theirs, b"end")
    shown = b""
    while not shown.endswith(b"end"):
        shown += os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)
    said = f"graphemb: {kernels.COMPILING}"
    assert shown.decode().split("\r\n") == ["before ours", said, "end"]


def test_a_step_that_fails_leaves_no_line() -> None:
    out = StringIO()
    steps = TerminalSteps(Console(file=out))
    with pytest.raises(ZeroDivisionError), steps.step("load"):
        raise ZeroDivisionError
    assert out.getvalue() == ""


def test_the_library_says_nothing_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps()
    with steps.step("load") as step:
        step.update(1, None)
        step.on_epoch(EpochEvent(1, 2))
    steps.note("something")
    assert capsys.readouterr() == ("", "")


def test_epochs_become_shares_with_rate_and_loss() -> None:
    step = Told()
    step.on_epoch(EpochEvent(0.5, 2, 123_456.0, 1.23456))
    step.on_epoch(EpochEvent(2, 2))
    assert step.heard == [
        (0.5, 2, "epoch 1 of 2, 123,456 tokens/s, loss 1.235"),
        (2, 2, "epoch 2 of 2"),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (185, "3 min 05 s"), (59.9, "1 min 00 s")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text
