"""Random numbers by counter: each is a hash of a key and a count, so nothing depends on threads.

A key is made from a seed and a stream number (a walk, a row); draw `n` of a key is the n-th output
of SplitMix64 (Steele, Lea, Flood 2014) started at that key. Integer arithmetic only, so the same
numbers come out on every platform. Called from Python, give keys and bits as `np.uint64`: what
comes back is a plain integer, which Numba would take for a signed one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_U27, _U30, _U31, _U32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_U11 = np.uint64(11)
_LOW_32 = np.uint64(0xFFFFFFFF)
_FEISTEL_ROUNDS = 8
_ORDER_STREAM = 0x5AFE


@njit(nogil=True, cache=True)
def mix(bits: np.uint64) -> np.uint64:
    """SplitMix64's finalizer: a bijection of uint64 in which every bit moves every other."""
    bits = (bits ^ (bits >> _U30)) * _MIX_1
    bits = (bits ^ (bits >> _U27)) * _MIX_2
    return bits ^ (bits >> _U31)


@njit(nogil=True, cache=True)
def draw(key: np.uint64, count: int | np.uint64) -> np.uint64:
    """uint64: draw number `count` of the key."""
    return mix(key + (np.uint64(count) + np.uint64(1)) * _GOLDEN)


@njit(nogil=True, cache=True)
def make_key(seed: int | np.uint64, stream: int | np.uint64) -> np.uint64:
    """uint64 key of one stream of a seed; no two streams of a seed have the same."""
    return draw(draw(np.uint64(seed), np.uint64(0)), np.uint64(stream))


@njit(nogil=True, cache=True)
def unit(bits: np.uint64) -> float:
    """float64 in [0, 1) from the upper 53 bits."""
    return float(np.float64(bits >> _U11) * 2.0**-53)


@njit(nogil=True, cache=True)
def below(bits: np.uint64, limit: int) -> int:
    """int64 in [0, limit) from the upper 32 bits by multiply and shift; limit < 2^32.

    The chance of a value is off by at most limit / 2^32 of itself.
    """
    return int(np.int64(((bits >> _U32) * np.uint64(limit)) >> _U32))


@njit(nogil=True, cache=True)
def low_word(bits: np.uint64) -> np.uint64:
    """uint64 in [0, 2^32): the lower 32 bits, independent of what `below` uses."""
    return bits & _LOW_32


@njit(nogil=True, cache=True)
def permuted(index: int, size: int, key: np.uint64) -> int:
    """int64: where `index` goes in a permutation of range(size) chosen by the key.

    A Feistel network over the next power of four, walked until it falls inside (Black, Rogaway
    2002): a shuffle that needs no memory and can start anywhere.
    """
    half = np.uint64(1)
    while (np.uint64(1) << (half + half)) < np.uint64(size):
        half += np.uint64(1)
    mask = (np.uint64(1) << half) - np.uint64(1)
    value = np.uint64(index)
    while True:
        left, right = value >> half, value & mask
        for number in range(_FEISTEL_ROUNDS):
            left, right = right, left ^ (draw(key + right, number) & mask)
        value = (left << half) | right
        if value < np.uint64(size):
            return int(np.int64(value))


@njit(nogil=True, cache=True)
def rounds_in_order(first: int, size: int, seed: int, out: npt.NDArray[np.int64]) -> None:
    """Fill `out` with the items number `first`, `first + 1`, ... of an endless sequence.

    Every `size` numbers go through all of range(size), each time in another order.
    """
    order_key = make_key(seed, _ORDER_STREAM)
    round_key = np.uint64(0)
    for place in range(out.size):
        index = (first + place) % size
        if place == 0 or index == 0:
            round_key = make_key(order_key, (first + place) // size)
        out[place] = permuted(index, size, round_key)
