"""Blocks of work on several threads, which Ctrl-C and errors stop soon."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

_SECONDS_PER_LOOK = 0.1


def in_threads(
    work: Callable[[int], None], blocks: int, threads: int, *, look: Callable[[], None]
) -> None:
    """Call `work(block)` for every block, begun in the order of their numbers.

    The calling thread waits, and calls `look()` every now and then. An exception in a block or in
    `look`, or Ctrl-C, ends each thread after the block that it is at.

    Raises:
        Whatever `work` or `look` raised first.
    """
    numbers, stop = itertools.count(), threading.Event()

    def loop() -> None:
        while not stop.is_set() and (block := next(numbers)) < blocks:
            work(block)

    with ThreadPoolExecutor(threads) as pool:
        waiting = {pool.submit(loop) for _ in range(threads)}
        try:
            while waiting:
                done, waiting = wait(waiting, _SECONDS_PER_LOOK, FIRST_EXCEPTION)
                for future in done:
                    future.result()
                look()
        finally:
            stop.set()
