"""One center against its contexts and targets: the arithmetic of skip-gram, in sixteen lanes.

All slopes are measured at the values before the step; then contexts and targets move by them.
At once: each along the others as they were. Or in turn: each context along the targets as those
before it left them, so that the contexts of a center also draw nearer to each other. That learns
more from few steps, and may run away at rates that are well all at once.

Slopes are learning rate x (label - sigmoid(context . target)): what a context moves by along a
target, and a target along a context. That of context c and target t stands at lane
3 (c % 4) + t % 3 of vector number (t // 3) * tiles + c // 4, tiles being the contexts / 4 rounded
up: as the products of four contexts with three targets leave the registers.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from graphemb.kernels.csr import Floats, Ints
from graphemb.kernels.native import (
    LANES,
    Lanes,
    add,
    div,
    fold,
    least,
    load,
    most,
    mul,
    mul_add,
    spread,
    spread_at,
    store,
)

TILE = 4  # contexts whose products with
GROUP = 3  # so many targets are summed at once: 12 of the 16 lanes of one result
PACK = 2 * GROUP  # targets that move at once
_TINY = 1e-30


@njit(nogil=True, cache=True)
def measure(
    inputs: Floats,
    outputs: Floats,
    dim: int,
    contexts: Ints,
    count: int,
    targets: Ints,
    width: int,
    rate: np.float32,
    slopes: Floats,
) -> None:
    """Fill the slopes of the first `width` targets as if every label were 0.

    `width` is a multiple of 6; `contexts` repeat one up to a multiple of 4.
    """
    zero = spread(np.float32(0.0))
    minus_rate = spread(-rate)
    at = 0
    for target in range(0, width, GROUP):
        t0, t1, t2 = targets[target], targets[target + 1], targets[target + 2]
        for context in range(0, count, TILE):
            c0, c1 = contexts[context], contexts[context + 1]
            c2, c3 = contexts[context + 2], contexts[context + 3]
            s00, s01, s02 = zero, zero, zero
            s10, s11, s12 = zero, zero, zero
            s20, s21, s22 = zero, zero, zero
            s30, s31, s32 = zero, zero, zero
            for j in range(0, dim, LANES):
                y0, y1, y2 = (load(outputs, t0 + j), load(outputs, t1 + j), load(outputs, t2 + j))
                x = load(inputs, c0 + j)
                s00, s01, s02 = (mul_add(x, y0, s00), mul_add(x, y1, s01), mul_add(x, y2, s02))
                x = load(inputs, c1 + j)
                s10, s11, s12 = (mul_add(x, y0, s10), mul_add(x, y1, s11), mul_add(x, y2, s12))
                x = load(inputs, c2 + j)
                s20, s21, s22 = (mul_add(x, y0, s20), mul_add(x, y1, s21), mul_add(x, y2, s22))
                x = load(inputs, c3 + j)
                s30, s31, s32 = (mul_add(x, y0, s30), mul_add(x, y1, s31), mul_add(x, y2, s32))
            low = fold(fold(fold(s00, s01), fold(s02, s10)), fold(fold(s11, s12), fold(s20, s21)))
            high = fold(fold(fold(s22, s30), fold(s31, s32)), zero)
            store(slopes, at, mul(minus_rate, _sigmoid(fold(low, high))))
            at += LANES


@njit(nogil=True, cache=True)
def _sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + e^-x), within 1e-6; not a number where x is not finite.

    By (1 + tanh(x / 2)) / 2 and the rational tanh of Eigen's `ptanh`.
    """
    half, limit = spread(np.float32(0.5)), spread(np.float32(9.0))
    h = most(least(mul(x, half), limit), spread(np.float32(-9.0)))
    s = mul(h, h)
    p = mul_add(spread(np.float32(-2.76076847742355e-16)), s, spread(np.float32(2.00018790482e-13)))
    p = mul_add(p, s, spread(np.float32(-8.60467152213735e-11)))
    p = mul_add(p, s, spread(np.float32(5.12229709037114e-08)))
    p = mul_add(p, s, spread(np.float32(1.48572235717979e-05)))
    p = mul_add(p, s, spread(np.float32(6.37261928875436e-04)))
    p = mul_add(p, s, spread(np.float32(4.89352455891786e-03)))
    q = mul_add(spread(np.float32(1.19825839466702e-06)), s, spread(np.float32(1.18534705686e-04)))
    q = mul_add(q, s, spread(np.float32(2.26843463243900e-03)))
    q = mul_add(q, s, spread(np.float32(4.89352518554385e-03)))
    curve = mul_add(half, div(mul(h, p), q), half)
    return mul_add(spread(np.float32(0.0)), x, curve)


@njit(nogil=True, cache=True)
def slope_at(tiles: int, context: int, target: int) -> int:
    """Where the slope of a context and a target stands in `slopes`."""
    tile = (target // GROUP) * tiles + context // TILE
    return tile * LANES + (context % TILE) * GROUP + target % GROUP


@njit(nogil=True, cache=True)
def merge(targets: Ints, width: int, count: int, slopes: Floats) -> None:
    """Give the slopes of a target that stands twice among six to the first of the two."""
    tiles = (count + TILE - 1) // TILE
    for target in range(width):
        for first in range(target - target % PACK, target):
            if targets[first] == targets[target]:
                for context in range(count):
                    at = slope_at(tiles, context, target)
                    slopes[slope_at(tiles, context, first)] += slopes[at]
                    slopes[at] = np.float32(0.0)
                break


@njit(nogil=True, cache=True)
def move(
    inputs: Floats,
    outputs: Floats,
    dim: int,
    contexts: Ints,
    count: int,
    targets: Ints,
    width: int,
    slopes: Floats,
    before: Floats,
    in_turn: bool,
) -> None:
    """Move contexts and targets by the slopes, six targets at a time.

    A context that stands twice moves twice. A target that is twice among six has all its slopes
    at the first (`merge`).

    Args:
        before: scratch [16 * count].
        in_turn: contexts move along the targets as the contexts before left them.
    """
    tiles = (count + TILE - 1) // TILE
    for j in range(0, dim, LANES):
        for context in range(count):
            store(before, context * LANES, load(inputs, contexts[context] + j))
        for target in range(0, width, PACK):
            t0, t1, t2 = targets[target] + j, targets[target + 1] + j, targets[target + 2] + j
            t3, t4, t5 = targets[target + 3] + j, targets[target + 4] + j, targets[target + 5] + j
            y0, y1, y2 = load(outputs, t0), load(outputs, t1), load(outputs, t2)
            y3, y4, y5 = load(outputs, t3), load(outputs, t4), load(outputs, t5)
            s0, s1, s2, s3, s4, s5 = y0, y1, y2, y3, y4, y5
            low = slope_at(tiles, 0, target)
            high = low + tiles * LANES
            for context in range(count):
                g0, g1 = spread_at(slopes, low), spread_at(slopes, low + 1)
                g2, g3 = spread_at(slopes, low + 2), spread_at(slopes, high)
                g4, g5 = spread_at(slopes, high + 1), spread_at(slopes, high + 2)
                place = contexts[context] + j
                left = mul_add(g2, s2, mul_add(g1, s1, mul_add(g0, s0, load(inputs, place))))
                right = mul_add(g5, s5, mul_add(g4, s4, mul(g3, s3)))
                store(inputs, place, add(left, right))
                x = load(before, context * LANES)
                y0, y1, y2 = mul_add(g0, x, y0), mul_add(g1, x, y1), mul_add(g2, x, y2)
                y3, y4, y5 = mul_add(g3, x, y3), mul_add(g4, x, y4), mul_add(g5, x, y5)
                if in_turn:
                    s0, s1, s2, s3, s4, s5 = y0, y1, y2, y3, y4, y5
                step = GROUP if context % TILE < TILE - 1 else LANES - (TILE - 1) * GROUP
                low += step
                high += step
            store(outputs, t5, y5)  # the first of two that are one row comes last, and stays
            store(outputs, t4, y4)
            store(outputs, t3, y3)
            store(outputs, t2, y2)
            store(outputs, t1, y1)
            store(outputs, t0, y0)


@njit(nogil=True, cache=True)
def loss_of(slopes: Floats, count: int, negatives: int, rate: np.float32) -> float:
    """-log sigmoid(center) - sum of log sigmoid(-negative), summed over the contexts."""
    tiles = (count + TILE - 1) // TILE
    total = 0.0
    for target in range(negatives + 1):
        for context in range(count):
            slope = slopes[slope_at(tiles, context, target)]
            right = 1.0 - float(abs(slope) / rate)
            if right < _TINY:  # not so when it is not a number, which has to show
                right = _TINY
            total -= math.log(right)
    return total
