"""Numba functions: arrays in, arrays out; they know no class of ours.

The first call on a machine compiles a kernel and keeps it on the disk. That is a wait of seconds,
so somebody is told: the last of `listeners`, which to begin with says one line on a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from numba.core import event

COMPILING = "compiling kernels, once per machine"


def _say(under_way: bool) -> None:
    """One line on a terminal, the first time."""
    if under_way and not _Listener.said and sys.stderr is not None and sys.stderr.isatty():
        _Listener.said = True
        print(f"graphemb: {COMPILING}", file=sys.stderr, flush=True)


listeners: list[Callable[[bool], None]] = [_say]
"""The last is called with True when Numba begins to compile, and with False when it is done."""


class _Listener(event.Listener):
    """Tells of the outermost kernel alone, and of other people's to those only who put a listener.

    Numba calls it under its lock, one thread at a time.
    """

    said = False
    depth = 0
    told = False

    def on_start(self, event: event.Event) -> None:
        if self.depth == 0:
            ours = event.data["dispatcher"].py_func.__module__.startswith("graphemb.")
            self.told = ours or listeners[-1] is not _say
            if self.told:
                listeners[-1](True)
        self.depth += 1

    def on_end(self, event: event.Event) -> None:
        self.depth -= 1
        if self.depth == 0 and self.told:
            listeners[-1](False)


event.register("numba:compile", _Listener())  # type: ignore[no-untyped-call]
