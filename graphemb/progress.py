"""What a run tells about its steps while it works, and a trainer about its epochs.

`Steps` says nothing; it is what the library uses unless told otherwise. `TerminalSteps` draws
a bar with the time left on a terminal and, into a pipe or a log, writes one line per step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_NAME_WIDTH = 24


@dataclass(frozen=True)
class EpochEvent:
    """Where training stands.

    Attributes:
        epoch: epochs done; a fraction while one is under way.
        epochs: epochs in all.
        tokens_per_second: context pairs' centers trained a second, when that is counted.
        loss: mean loss since the last event, when there is one.
    """

    epoch: float
    epochs: int
    tokens_per_second: float | None = None
    loss: float | None = None


OnEpoch: TypeAlias = Callable[[EpochEvent], None]


class Step:
    """One step under way.

    Attributes:
        result: a few words on what came out, shown when the step ends.
    """

    def __init__(self) -> None:
        self.result = ""

    def update(self, done: float, total: float | None, note: str = "") -> None:
        """Say how far the step is: `done` of `total` (None when nobody knows)."""

    def on_epoch(self, event: EpochEvent) -> None:
        """Take a trainer's progress; give this to `fit(..., on_epoch=)`."""
        parts = [f"epoch {min(int(event.epoch) + 1, event.epochs)} of {event.epochs}"]
        if event.tokens_per_second is not None:
            parts.append(f"{event.tokens_per_second:,.0f} tokens/s")
        if event.loss is not None:
            parts.append(f"loss {event.loss:.3f}")
        self.update(event.epoch, event.epochs, ", ".join(parts))


class Steps:
    """Opens steps and shows nothing."""

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step called `name`, under way until the block ends."""
        yield Step()

    def note(self, text: str) -> None:
        """Say something between two steps."""


class TerminalSteps(Steps):
    """Shows steps on a console: bars on a terminal, a line per step elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = False

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step called `name`; its line, with the time it took, stays on the console."""
        start = time.perf_counter()
        step = Step()
        if self._console.is_terminal:
            with _bar(self._console) as bar:
                step = drawn = _BarStep(bar, name)
                with _compiling(drawn.compiling):
                    yield drawn
        else:
            with _compiling(self._compiling):
                yield step
        took = time.perf_counter() - start
        self._line(name, step.result, took)

    def _compiling(self, under_way: bool) -> None:
        """Into a log: one line, the first time."""
        from graphemb.kernels import COMPILING

        if under_way and not self._told:
            self._told = True
            self._console.print(COMPILING, markup=False, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Write a line."""
        self._console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)

    def _line(self, name: str, result: str, took: float) -> None:
        from rich.text import Text

        line = Text.assemble(
            ("✓ " if self._console.is_terminal else "", "green"),
            (f"{name:<{_NAME_WIDTH}}", "bold"),
            (f"{duration(took):>8}  ", "dim"),
            result,
        )
        self._console.print(line, highlight=False, soft_wrap=True)


class _BarStep(Step):
    """A step drawn as a bar."""

    def __init__(self, bar: Progress, name: str) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task(f"{name:<{_NAME_WIDTH}}", total=None, note="")

    def update(self, done: float, total: float | None, note: str = "") -> None:
        self._bar.update(self._task, completed=done, total=total, note=note)

    def compiling(self, under_way: bool) -> None:
        """Say that a kernel is being compiled, or is done."""
        from graphemb.kernels import COMPILING

        self._bar.update(self._task, note=COMPILING if under_way else "", refresh=under_way)


@contextmanager
def _compiling(tell: Callable[[bool], None]) -> Iterator[None]:
    """Call `tell(True)` when a kernel begins to be compiled and `tell(False)` when it is done."""
    from graphemb import kernels

    kernels.listeners.append(tell)
    try:
        yield
    finally:
        kernels.listeners.remove(tell)


def _bar(console: Console) -> Progress:
    """One line; in a narrow terminal the note alone is cut."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    rest = Column(ratio=1, no_wrap=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=10),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", style="dim", markup=False, table_column=rest),
        console=console,
        transient=True,
        expand=True,
    )


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
