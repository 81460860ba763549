"""One center against its contexts and targets: the arithmetic of skip-gram, in sixteen lanes.

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
_TINY = 1e-30


@njit(nogil=True, cache=True)
def measure(
    inputs: Floats,
    outputs: Floats,
    dim: int,
    contexts: Ints,
    count: int,
    targets: Ints,
    rate: np.float32,
    slopes: Floats,
) -> None:
    """Fill `slopes` as if every label were 0; `contexts` repeat one up to a multiple of 4."""
    zero = spread(np.float32(0.0))
    minus_rate = spread(-rate)
    at = 0
    for target in range(0, targets.size, GROUP):
        t0, t1, t2 = targets[target], targets[target + 1], targets[target + 2]
        for context in range(0, count, TILE):
            c0, c1 = contexts[context], contexts[context + 1]
            c2, c3 = contexts[context + 2], contexts[context + 3]
            s00, s01, s02 = zero, zero, zero
            s10, s11, s12 = zero, zero, zero
            s20, s21, s22 = zero, zero, zero
            s30, s31, s32 = zero, zero, zero
            for j in range(0, dim, LANES):
                y0, y1, y2 = load(outputs, t0 + j), load(outputs, t1 + j), load(outputs, t2 + j)
                x = load(inputs, c0 + j)
                s00, s01, s02 = mul_add(x, y0, s00), mul_add(x, y1, s01), mul_add(x, y2, s02)
                x = load(inputs, c1 + j)
                s10, s11, s12 = mul_add(x, y0, s10), mul_add(x, y1, s11), mul_add(x, y2, s12)
                x = load(inputs, c2 + j)
                s20, s21, s22 = mul_add(x, y0, s20), mul_add(x, y1, s21), mul_add(x, y2, s22)
                x = load(inputs, c3 + j)
                s30, s31, s32 = mul_add(x, y0, s30), mul_add(x, y1, s31), mul_add(x, y2, s32)
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
def label(targets: Ints, count: int, negatives: int, rate: np.float32, slopes: Floats) -> None:
    """Give the center its label 1; a negative that is the center, and spare targets, no slope."""
    tiles = (count + TILE - 1) // TILE
    for target in range(targets.size):
        if target > 0 and target <= negatives and targets[target] != targets[0]:
            continue
        for context in range(count):
            at = _slope_at(tiles, context, target)
            slopes[at] = slopes[at] + rate if target == 0 else np.float32(0.0)


@njit(nogil=True, cache=True)
def _slope_at(tiles: int, context: int, target: int) -> int:
    tile = (target // GROUP) * tiles + context // TILE
    return tile * LANES + (context % TILE) * GROUP + target % GROUP


@njit(nogil=True, cache=True)
def sum_target_moves(
    inputs: Floats, dim: int, contexts: Ints, count: int, width: int, slopes: Floats, moves: Floats
) -> None:
    """Fill `moves` [width, dim + 16]: for each target the sum of slope * context."""
    zero = spread(np.float32(0.0))
    tiles = (count + TILE - 1) // TILE
    stride = dim + LANES
    for target in range(0, width, GROUP):
        for j in range(0, dim, 2 * LANES):  # the second half may lie behind the row: not read
            m00, m01, m02, m10, m11, m12 = zero, zero, zero, zero, zero, zero
            at = _slope_at(tiles, 0, target)
            for context in range(count):
                place = contexts[context] + j
                x0, x1 = load(inputs, place), load(inputs, place + LANES)
                g0 = spread_at(slopes, at)
                g1 = spread_at(slopes, at + 1)
                g2 = spread_at(slopes, at + 2)
                m00, m01, m02 = mul_add(g0, x0, m00), mul_add(g1, x0, m01), mul_add(g2, x0, m02)
                m10, m11, m12 = mul_add(g0, x1, m10), mul_add(g1, x1, m11), mul_add(g2, x1, m12)
                at += GROUP if context % TILE < TILE - 1 else LANES - (TILE - 1) * GROUP
            to = target * stride + j
            store(moves, to, m00)
            store(moves, to + LANES, m10)
            store(moves, to + stride, m01)
            store(moves, to + stride + LANES, m11)
            store(moves, to + 2 * stride, m02)
            store(moves, to + 2 * stride + LANES, m12)


@njit(nogil=True, cache=True)
def move_contexts(
    inputs: Floats,
    outputs: Floats,
    dim: int,
    contexts: Ints,
    count: int,
    targets: Ints,
    slopes: Floats,
) -> None:
    """Add to each context the sum of slope * target; a row that stands twice is moved twice."""
    tiles = (count + TILE - 1) // TILE
    for context in range(count):
        row = contexts[context]
        for target in range(0, targets.size, GROUP):
            t0, t1, t2 = targets[target], targets[target + 1], targets[target + 2]
            at = _slope_at(tiles, context, target)
            g0, g1, g2 = spread_at(slopes, at), spread_at(slopes, at + 1), spread_at(slopes, at + 2)
            for j in range(0, dim, LANES):
                x = load(inputs, row + j)
                x = mul_add(g0, load(outputs, t0 + j), x)
                x = mul_add(g1, load(outputs, t1 + j), x)
                x = mul_add(g2, load(outputs, t2 + j), x)
                store(inputs, row + j, x)


@njit(nogil=True, cache=True)
def move_targets(outputs: Floats, dim: int, targets: Ints, negatives: int, moves: Floats) -> None:
    for target in range(negatives + 1):
        row = targets[target]
        start = target * (dim + LANES)
        for j in range(0, dim, LANES):
            store(outputs, row + j, add(load(outputs, row + j), load(moves, start + j)))


@njit(nogil=True, cache=True)
def loss_of(slopes: Floats, count: int, negatives: int, rate: np.float32) -> float:
    """-log sigmoid(center) - sum of log sigmoid(-negative), summed over the contexts."""
    tiles = (count + TILE - 1) // TILE
    total = 0.0
    for target in range(negatives + 1):
        for context in range(count):
            slope = slopes[_slope_at(tiles, context, target)]
            right = 1.0 - float(abs(slope) / rate)
            if right < _TINY:  # not so when it is not a number, which has to show
                right = _TINY
            total -= math.log(right)
    return total
