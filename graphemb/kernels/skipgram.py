"""Skip-gram and CBOW with negative sampling (Mikolov et al. 2013) over sequences of rows.

For every center the targets are the center itself (label 1) and the negatives drawn for it
(label 0), rows of `outputs`; the contexts are the rows of `inputs` around it. All contexts share
the center's negatives, so that one step is three small matrix products over rows that stay in
the nearest cache. Contexts and targets move by the gradient at their values before the step; the
original moves them pair by pair, with fresh negatives for each. CBOW has one context, the mean
of the inputs around; as in word2vec each of these then moves by the mean's whole gradient.

`inputs` and `outputs` are float32 [N * dim + 16], flat, dim a multiple of 16; contexts and
targets are given by the place where their row starts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels import alias
from graphemb.kernels.csr import Floats, Ints, Rows
from graphemb.kernels.hash import Hashes
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
    prefetch,
    spread,
    spread_at,
    store,
)
from graphemb.kernels.rng import below, draw, make_key, unit

TILE = 4  # contexts whose products with
GROUP = 3  # so many targets are summed at once: 12 of the 16 lanes of one result
_NOISE_STREAM = 0x4015E
_TINY = 1e-30


class Model(NamedTuple):
    """What is learned: both matrices, and uint8 [N], 1 for each row that had a pair."""

    inputs: Floats
    outputs: Floats
    dim: int
    seen: npt.NDArray[np.uint8]


class Noise(NamedTuple):
    """Where negatives come from.

    Attributes:
        table: uint64 [N], alias tables of the segments.
        segments: int64 [S + 1], ranges of rows; a center's negatives are of its own segment.
        negatives: drawn per center.
    """

    table: Hashes
    segments: Ints
    negatives: int


class Plan(NamedTuple):
    """How to learn: the learning rate falls linearly over `total` sequences.

    Attributes:
        radius: largest reach of a window; each center draws its own from 1 to this.
        rate, min_rate: learning rate at the first sequence, and after the last.
        total: sequences of all epochs.
        seed: of windows and negatives.
        cbow: predict the center from the mean of its contexts, not from each.
        loss_every: estimate the loss from one center in so many.
    """

    radius: int
    rate: float
    min_rate: float
    total: int
    seed: int
    cbow: bool
    loss_every: int


class Desk(NamedTuple):
    """Scratch of one thread."""

    contexts: Ints
    targets: Ints
    slopes: Floats
    moves: Floats
    mean: Floats


@njit(nogil=True, cache=True)
def train(
    model: Model, noise: Noise, plan: Plan, tokens: Rows, lengths: Ints, first: int
) -> tuple[float, int]:
    """Learn from sequences number `first`, `first + 1`, ..., which lie in `tokens` in turn.

    Several threads may share a model, each with sequences of its own (Hogwild).

    Returns:
        The loss summed over some (center, context) pairs with their negatives, and their number.
    """
    desk = _make_desk(plan.radius, noise.negatives, model.dim)
    loss, pairs = 0.0, 0
    start = 0
    for place in range(lengths.size):
        sequence = tokens[start : start + lengths[place]]
        start += lengths[place]
        if sequence.size > 1:
            more, count = _learn_sequence(model, noise, plan, desk, sequence, first + place)
            loss += more
            pairs += count
    return loss, pairs


@njit(nogil=True, cache=True)
def _make_desk(radius: int, negatives: int, dim: int) -> Desk:
    width = -(-(negatives + 1) // GROUP) * GROUP
    tiles = -(-2 * radius // TILE)
    return Desk(
        np.zeros(TILE * tiles + TILE, np.int64),
        np.zeros(2 * width, np.int64),
        np.zeros(tiles * width // GROUP * LANES, np.float32),
        np.zeros(width * (dim + LANES), np.float32),
        np.zeros(2 * dim + LANES, np.float32),
    )


@njit(nogil=True, cache=True)
def _learn_sequence(
    model: Model, noise: Noise, plan: Plan, desk: Desk, tokens: Rows, number: int
) -> tuple[float, int]:
    inputs, dim = model.inputs, model.dim
    key = make_key(make_key(plan.seed, _NOISE_STREAM), number)
    done = number / plan.total
    rate = np.float32(plan.rate + (plan.min_rate - plan.rate) * done)
    loss, pairs = 0.0, 0
    width = desk.targets.size // 2
    ahead, now = desk.targets[:width], desk.targets[width:]
    draws = 1 + noise.negatives
    none, one = int(np.int64(0)), int(np.int64(1))  # a literal would be compiled for apart
    _draw_targets(model, noise, tokens[0], key, none, ahead)
    for place in range(min(plan.radius, tokens.size)):
        _fetch_row(inputs, np.int64(tokens[place]) * dim, dim)
    for place in range(tokens.size):
        now, ahead = ahead, now
        if place + 1 < tokens.size:
            _draw_targets(model, noise, tokens[place + 1], key, (place + 1) * draws, ahead)
        if place + plan.radius < tokens.size:
            _fetch_row(inputs, np.int64(tokens[place + plan.radius]) * dim, dim)
        reach = 1 + below(draw(key, place * draws), plan.radius)
        count = none
        for other in range(max(0, place - reach), min(tokens.size, place + reach + 1)):
            if other != place:
                desk.contexts[count] = np.int64(tokens[other]) * dim
                count += 1
        for spare in range(count, count + TILE):
            desk.contexts[spare] = desk.contexts[0]
        model.seen[tokens[place]] = 1
        if plan.cbow:
            _learn_mean(model, noise.negatives, desk, now, count, rate)
            count = one
        else:
            _learn(inputs, model.outputs, dim, noise.negatives, desk, now, count, rate)
        if (number + place) % plan.loss_every == 0:
            loss += _loss(desk.slopes, count, noise.negatives, rate)
            pairs += count
    return loss, pairs


@njit(nogil=True, cache=True)
def _draw_targets(
    model: Model, noise: Noise, center: int, key: np.uint64, number: int, targets: Ints
) -> None:
    """Fill `targets`: the center's row, then its negatives' (-1: it drew itself), and fetch them.

    What is left of the last group repeats the center; its slopes are set to zero.
    """
    segment = 0
    while center >= noise.segments[segment + 1]:
        segment += 1
    start = noise.segments[segment]
    size = noise.segments[segment + 1] - start
    for target in range(targets.size):
        row = int(np.int64(center))
        if 0 < target <= noise.negatives:
            row = start + alias.pick(noise.table, start, size, draw(key, number + target))
        targets[target] = row * model.dim
        if target <= noise.negatives:
            _fetch_row(model.outputs, row * model.dim, model.dim)


@njit(nogil=True, cache=True)
def _fetch_row(matrix: Floats, row: int | np.int64, dim: int) -> None:
    for j in range(0, dim, LANES):
        prefetch(matrix, row + j)


@njit(nogil=True, cache=True)
def _learn(
    inputs: Floats,
    outputs: Floats,
    dim: int,
    negatives: int,
    desk: Desk,
    targets: Ints,
    count: int,
    rate: np.float32,
) -> None:
    """One center: move its targets and the first `count` contexts."""
    contexts, slopes, moves = desk.contexts, desk.slopes, desk.moves
    _measure(inputs, outputs, dim, contexts, count, targets, rate, slopes)
    _label(targets, count, negatives, rate, slopes)
    _sum_target_moves(inputs, dim, contexts, count, targets.size, slopes, moves)
    _move_contexts(inputs, outputs, dim, contexts, count, targets, slopes)
    _move_targets(outputs, dim, targets, negatives, moves)


@njit(nogil=True, cache=True)
def _learn_mean(
    model: Model, negatives: int, desk: Desk, targets: Ints, count: int, rate: np.float32
) -> None:
    """One center of CBOW: `desk.mean` holds the mean of the contexts, then how far it moves."""
    inputs, dim = model.inputs, model.dim
    contexts, slopes, mean = desk.contexts, desk.slopes, desk.mean
    only = np.zeros(TILE, np.int64)
    one = int(np.int64(1))
    share = spread(np.float32(1.0 / count))
    zero = spread(np.float32(0.0))
    for j in range(0, dim, LANES):
        total = zero
        for context in range(count):
            total = add(total, load(inputs, contexts[context] + j))
        store(mean, j, mul(total, share))
        store(mean, dim + j, zero)
    _measure(mean, model.outputs, dim, only, one, targets, rate, slopes)
    _label(targets, one, negatives, rate, slopes)
    _sum_target_moves(mean, dim, only, one, targets.size, slopes, desk.moves)
    only[0] = dim
    _move_contexts(mean, model.outputs, dim, only, one, targets, slopes)
    _move_targets(model.outputs, dim, targets, negatives, desk.moves)
    for context in range(count):
        for j in range(0, dim, LANES):
            place = contexts[context] + j
            store(inputs, place, add(load(inputs, place), load(mean, dim + j)))


@njit(nogil=True, cache=True)
def _measure(
    inputs: Floats,
    outputs: Floats,
    dim: int,
    contexts: Ints,
    count: int,
    targets: Ints,
    rate: np.float32,
    slopes: Floats,
) -> None:
    """Fill `slopes` with -rate * sigmoid(context . target), as if every label were 0.

    Context c and target t stand at lane 3 (c % 4) + t % 3 of the vector number
    (t // 3) * tiles + c // 4, tiles being count / 4 rounded up.
    """
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
def _label(targets: Ints, count: int, negatives: int, rate: np.float32, slopes: Floats) -> None:
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
def _sum_target_moves(
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
def _move_contexts(
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
def _move_targets(outputs: Floats, dim: int, targets: Ints, negatives: int, moves: Floats) -> None:
    for target in range(negatives + 1):
        row = targets[target]
        start = target * (dim + LANES)
        for j in range(0, dim, LANES):
            store(outputs, row + j, add(load(outputs, row + j), load(moves, start + j)))


@njit(nogil=True, cache=True)
def _loss(slopes: Floats, count: int, negatives: int, rate: np.float32) -> float:
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


@njit(nogil=True, cache=True)
def start_inputs(inputs: Floats, dim: int, used: int, seed: int, low: int, high: int) -> None:
    """Fill rows [low, high): `used` components uniform in +-0.5 / used, as in word2vec, then 0."""
    for row in range(low, high):
        key = make_key(seed, row)
        for j in range(dim):
            value = (unit(draw(key, j)) - 0.5) / used if j < used else 0.0
            inputs[row * dim + j] = np.float32(value)
