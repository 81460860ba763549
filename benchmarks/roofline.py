"""What this machine can do at most: `python -m benchmarks roofline`.

Five limits, each measured on every core at once: random reads of a cache line over 1 GiB (a walk
step is two of them), reads and updates of random 512-byte rows (a row of 128 floats), copying, and
float32 multiply-adds (BLAS's matrix product). A benchmark that names its share of one of these
says how far it is from the end. And how much faster all threads are than one where nothing is
shared, each at rows of its own in its first cache: "cores" that are two hyper-threads of one give
far less than 2 there, and nothing else can give more.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

ROW = 128  # float32 in a row of 512 bytes


@njit(nogil=True, cache=True)
def _read_lines(memory: npt.NDArray[np.uint64], count: int, seed: int) -> int:
    """Sum `count` random lines; the addresses are known ahead, so that reads overlap."""
    lines = np.uint64(memory.size // 8)
    state = np.uint64(seed * 2 + 1)
    total = np.uint64(0)
    for _ in range(count):
        state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        place = ((state >> np.uint64(32)) * lines) >> np.uint64(32)
        total += memory[place * np.uint64(8)]
    return int(total)


@njit(nogil=True, cache=True, fastmath=True)
def _update_rows(memory: npt.NDArray[np.float32], count: int, seed: int) -> int:
    """Add to `count` random rows of 128 floats."""
    rows = np.uint64(memory.shape[0])
    state = np.uint64(seed * 2 + 1)
    for _ in range(count):
        state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        row = memory[((state >> np.uint64(32)) * rows) >> np.uint64(32)]
        for column in range(128):
            row[column] += np.float32(1e-6)
    return count


@njit(nogil=True, cache=True, fastmath=True)
def _read_rows(memory: npt.NDArray[np.float32], count: int, seed: int) -> float:
    """Add `count` random rows of 128 floats to one."""
    rows = np.uint64(memory.shape[0])
    state = np.uint64(seed * 2 + 1)
    total = np.zeros(128, np.float32)
    for _ in range(count):
        state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        row = memory[((state >> np.uint64(32)) * rows) >> np.uint64(32)]
        for column in range(128):
            total[column] += row[column]
    return float(total[0])


@njit(nogil=True, cache=True, fastmath=True)
def _dot_and_add(rows: npt.NDArray[np.float32], count: int) -> int:
    """What skip-gram does to a row, `count` times: a dot product, then another row added."""
    for number in range(count):
        row = rows[number % rows.shape[0]]
        product = np.float32(0.0)
        for column in range(128):
            product += row[column] * rows[0, column]
        for column in range(128):
            row[column] += product * rows[1, column]
    return count


@njit(nogil=True, cache=True)
def _copy(source: npt.NDArray[np.float32], target: npt.NDArray[np.float32]) -> int:
    for place in range(source.size):
        target[place] = source[place]
    return source.size


def _multiply(size: int = 2048) -> float:
    """Floating-point operations a second of BLAS's matrix product, all cores; best of five."""
    left = np.full((size, size), 0.5, np.float32)
    rates = []
    for _ in range(5):
        begin = time.perf_counter()
        np.dot(left, left)
        rates.append(2 * size**3 / (time.perf_counter() - begin))
    return max(rates)


def _per_second(work: Callable[[int], int], threads: int) -> float:
    """Units of work a second over all threads; best of three."""
    rates = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(3):
            begin = time.perf_counter()
            done = sum(pool.map(work, range(threads)))
            rates.append(done / (time.perf_counter() - begin))
    return max(rates)


def private_speedup(threads: int) -> float:
    """How many times faster `threads` threads are than one, each at 16 KiB of its own."""
    rows = [np.zeros((32 + 32, ROW), np.float32)[:32] for _ in range(threads)]
    _dot_and_add(rows[0], 1)

    def work(thread: int) -> int:
        return _dot_and_add(rows[thread], 10_000_000)

    return _per_second(work, threads) / _per_second(work, 1)


def random_reads(lines: npt.NDArray[np.uint64], threads: int) -> float:
    """Random reads of a cache line a second; `lines` is the memory that they go over."""
    _read_lines(lines, 1, 0)
    count = 20_000_000

    def read(thread: int) -> int:
        _read_lines(lines, count, thread)
        return count

    return _per_second(read, threads)


def measure(threads: int) -> dict[str, float]:
    """Reads, row reads and updates, bytes copied, floating-point operations, all a second.

    And `private_speedup`, a ratio.
    """
    private = private_speedup(threads)
    lines = np.ones((1 << 30) // 8, np.uint64)
    reads = random_reads(lines, threads)
    rows = lines.view(np.float32).reshape(-1, ROW)
    rows[:] = 0
    _update_rows(rows, 1, 0)
    _read_rows(rows, 1, 0)

    def read_rows(thread: int) -> int:
        _read_rows(rows, 2_000_000, thread)
        return 2_000_000

    row_reads = _per_second(read_rows, threads)
    updates = _per_second(lambda thread: _update_rows(rows, 2_000_000, thread), threads)
    half = lines.view(np.float32)
    parts = np.split(half, 2 * threads)
    _copy(parts[0][:1], parts[1][:1])
    copied = _per_second(lambda thread: _copy(parts[2 * thread], parts[2 * thread + 1]), threads)
    return {
        "random_reads_per_s": reads,
        "row_reads_per_s": row_reads,
        "row_updates_per_s": updates,
        "copy_bytes_per_s": copied * 8,  # read and written
        "float32_flops_per_s": _multiply(),
        "private_speedup": private,
    }


def main(argv: list[str]) -> int:
    """Print the limits, as JSON when asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks roofline", description=__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    limits: dict[str, Any] = {"threads": options.threads, **measure(options.threads)}
    if options.json:
        print(json.dumps(limits))
        return 0
    print(f"{options.threads} threads")
    print(f"random reads of 64 bytes over 1 GiB   {limits['random_reads_per_s'] / 1e6:8.1f} M/s")
    print(f"reads of random 512-byte rows         {limits['row_reads_per_s'] / 1e6:8.1f} M/s")
    print(f"updates of random 512-byte rows       {limits['row_updates_per_s'] / 1e6:8.1f} M/s")
    print(f"copy (read and written)               {limits['copy_bytes_per_s'] / 1e9:8.1f} GB/s")
    print(
        f"float32 multiply-adds                 {limits['float32_flops_per_s'] / 1e9:8.0f} GFLOP/s"
    )
    print(f"all threads over one, nothing shared  {limits['private_speedup']:8.2f}")
    return 0
