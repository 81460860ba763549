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

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels import alias, center
from graphemb.kernels.center import GROUP, TILE
from graphemb.kernels.csr import Floats, Ints, Rows
from graphemb.kernels.hash import Hashes
from graphemb.kernels.native import LANES, add, load, mul, prefetch, spread, store
from graphemb.kernels.rng import below, draw, make_key, unit

_NOISE_STREAM = 0x4015E


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
    """Learn from one sequence.

    Arrays leave their tuples before the loop, and the loop calls what works on them itself:
    each array that changes hands there is counted atomically, which threads wait for.
    """
    inputs, outputs, dim, seen = model
    table, segments, negatives = noise
    contexts, targets, slopes, moves, mean = desk
    radius, cbow = plan.radius, plan.cbow
    key = make_key(make_key(plan.seed, _NOISE_STREAM), number)
    done = number / plan.total
    rate = np.float32(plan.rate + (plan.min_rate - plan.rate) * done)
    loss, pairs = 0.0, 0
    width = targets.size // 2
    ahead, now = targets[:width], targets[width:]
    draws = 1 + negatives
    none, one = int(np.int64(0)), int(np.int64(1))  # a literal would be compiled for apart
    _draw_targets(outputs, dim, table, segments, negatives, tokens[0], key, none, ahead)
    for place in range(min(radius, tokens.size)):
        _fetch_row(inputs, np.int64(tokens[place]) * dim, dim)
    for place in range(tokens.size):
        for target in range(width):
            now[target] = ahead[target]
        if place + 1 < tokens.size:
            first = (place + 1) * draws
            middle = tokens[place + 1]
            _draw_targets(outputs, dim, table, segments, negatives, middle, key, first, ahead)
        if place + radius < tokens.size:
            _fetch_row(inputs, np.int64(tokens[place + radius]) * dim, dim)
        reach = 1 + below(draw(key, place * draws), radius)
        count = none
        for other in range(max(0, place - reach), min(tokens.size, place + reach + 1)):
            if other != place:
                contexts[count] = np.int64(tokens[other]) * dim
                count += 1
        for spare in range(count, count + TILE):
            contexts[spare] = contexts[0]
        seen[tokens[place]] = 1
        if cbow:
            _learn_mean(
                inputs, outputs, dim, negatives, contexts, slopes, moves, mean, now, count, rate
            )
            count = one
        else:
            center.measure(inputs, outputs, dim, contexts, count, now, rate, slopes)
            center.label(now, count, negatives, rate, slopes)
            center.sum_target_moves(inputs, dim, contexts, count, width, slopes, moves)
            center.move_contexts(inputs, outputs, dim, contexts, count, now, slopes)
            center.move_targets(outputs, dim, now, negatives, moves)
        if (number + place) % plan.loss_every == 0:
            loss += center.loss_of(slopes, count, negatives, rate)
            pairs += count
    return loss, pairs


@njit(nogil=True, cache=True)
def _draw_targets(
    outputs: Floats,
    dim: int,
    table: Hashes,
    segments: Ints,
    negatives: int,
    middle: int,
    key: np.uint64,
    number: int,
    targets: Ints,
) -> None:
    """Fill `targets`: the center's row, then its negatives' (-1: it drew itself), and fetch them.

    What is left of the last group repeats the center; its slopes are set to zero.
    """
    segment = 0
    while middle >= segments[segment + 1]:
        segment += 1
    start = segments[segment]
    size = segments[segment + 1] - start
    for target in range(targets.size):
        row = int(np.int64(middle))
        if 0 < target <= negatives:
            row = start + alias.pick(table, start, size, draw(key, number + target))
        targets[target] = row * dim
        if target <= negatives:
            _fetch_row(outputs, row * dim, dim)


@njit(nogil=True, cache=True)
def _fetch_row(matrix: Floats, row: int | np.int64, dim: int) -> None:
    for j in range(0, dim, LANES):
        prefetch(matrix, row + j)


@njit(nogil=True, cache=True)
def _learn_mean(
    inputs: Floats,
    outputs: Floats,
    dim: int,
    negatives: int,
    contexts: Ints,
    slopes: Floats,
    moves: Floats,
    mean: Floats,
    targets: Ints,
    count: int,
    rate: np.float32,
) -> None:
    """One center of CBOW: `mean` holds the mean of the contexts, then how far it moves."""
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
    center.measure(mean, outputs, dim, only, one, targets, rate, slopes)
    center.label(targets, one, negatives, rate, slopes)
    center.sum_target_moves(mean, dim, only, one, targets.size, slopes, moves)
    only[0] = dim
    center.move_contexts(mean, outputs, dim, only, one, targets, slopes)
    center.move_targets(outputs, dim, targets, negatives, moves)
    for context in range(count):
        for j in range(0, dim, LANES):
            place = contexts[context] + j
            store(inputs, place, add(load(inputs, place), load(mean, dim + j)))


@njit(nogil=True, cache=True)
def start_inputs(inputs: Floats, dim: int, used: int, seed: int, low: int, high: int) -> None:
    """Fill rows [low, high): `used` components uniform in +-0.5 / used, as in word2vec, then 0."""
    for row in range(low, high):
        key = make_key(seed, row)
        for j in range(dim):
            value = (unit(draw(key, j)) - 0.5) / used if j < used else 0.0
            inputs[row * dim + j] = np.float32(value)
