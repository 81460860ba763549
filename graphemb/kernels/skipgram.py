"""Skip-gram and CBOW with negative sampling (Mikolov et al. 2013) over sequences of rows.

For every center the targets are the center itself (label 1) and the negatives drawn for it
(label 0), rows of `outputs`; the contexts are the rows of `inputs` around it. All contexts share
the center's negatives, so that one step is three small matrix products over rows that stay in
the nearest cache. Contexts and targets move by the gradient at their values before the step; the
original moves them pair by pair, with fresh negatives for each.
CBOW has one context, the mean of the inputs around; as in word2vec each of these then moves by the
mean's whole gradient.

`inputs` and `outputs` are float32 [N * dim + 16], flat, dim a multiple of 16; contexts and
targets are given by the place where their row starts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels import alias, center
from graphemb.kernels.center import GROUP, PACK, TILE
from graphemb.kernels.csr import Floats, Ints, Rows
from graphemb.kernels.hash import Hashes
from graphemb.kernels.native import LANES, add, load, mul, mul_add, prefetch, spread, store
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
    before: Floats
    mean: Floats
    only: Ints


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
    width = -(-(negatives + 1) // PACK) * PACK
    tiles = -(-2 * radius // TILE)
    return Desk(
        np.zeros(TILE * tiles + TILE, np.int64),
        np.zeros(2 * width, np.int64),
        np.zeros(tiles * width // GROUP * LANES, np.float32),
        np.zeros(TILE * tiles * LANES, np.float32),
        np.zeros(2 * dim, np.float32),
        np.zeros(TILE, np.int64),
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
    contexts, targets, slopes, before, mean, only = desk
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
        fetch_row(inputs, np.int64(tokens[place]) * dim, dim)
    for place in range(tokens.size):
        for target in range(width):
            now[target] = ahead[target]
        if place + 1 < tokens.size:
            first = (place + 1) * draws
            middle = tokens[place + 1]
            _draw_targets(outputs, dim, table, segments, negatives, middle, key, first, ahead)
        if place + radius < tokens.size:
            fetch_row(inputs, np.int64(tokens[place + radius]) * dim, dim)
        reach = 1 + below(draw(key, place * draws), radius)
        count = find_contexts(tokens, place, reach, dim, contexts)
        seen[tokens[place]] = 1
        pairs_here = one if cbow else count
        if cbow:
            _find_mean(inputs, dim, contexts, count, mean)
            center.measure(mean, outputs, dim, only, one, now, width, rate, slopes)
        else:
            center.measure(inputs, outputs, dim, contexts, count, now, width, rate, slopes)
        _label(now, width, pairs_here, negatives, rate, slopes)
        if (number + place) % plan.loss_every == 0:
            loss += center.loss_of(slopes, pairs_here, negatives, rate)
            pairs += pairs_here
        center.merge(now, width, pairs_here, slopes)
        if cbow:
            center.move(mean, outputs, dim, only, one, now, width, slopes, before, False)
            _follow_mean(inputs, dim, contexts, count, mean)
        else:
            center.move(inputs, outputs, dim, contexts, count, now, width, slopes, before, False)
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
            fetch_row(outputs, row * dim, dim)


@njit(nogil=True, cache=True)
def fetch_row(matrix: Floats, row: int | np.int64, dim: int) -> None:
    """Prefetch the row that starts at `row`."""
    for j in range(0, dim, LANES):
        prefetch(matrix, row + j)


@njit(nogil=True, cache=True)
def find_contexts(tokens: Rows, place: int, reach: int, dim: int, contexts: Ints) -> int:
    """Fill `contexts` with the rows around a center, repeated up to a multiple of 4; how many."""
    count = int(np.int64(0))
    for other in range(max(0, place - reach), min(tokens.size, place + reach + 1)):
        if other != place:
            contexts[count] = np.int64(tokens[other]) * dim
            count += 1
    for spare in range(count, count + TILE):
        contexts[spare] = contexts[0]
    return count


@njit(nogil=True, cache=True)
def _label(
    targets: Ints, width: int, count: int, negatives: int, rate: np.float32, slopes: Floats
) -> None:
    """Give the center its label 1; a negative that is the center, and spare targets, no slope."""
    tiles = (count + TILE - 1) // TILE
    for target in range(width):
        if target > 0 and target <= negatives and targets[target] != targets[0]:
            continue
        for context in range(count):
            at = center.slope_at(tiles, context, target)
            slopes[at] = slopes[at] + rate if target == 0 else np.float32(0.0)


@njit(nogil=True, cache=True)
def _find_mean(inputs: Floats, dim: int, contexts: Ints, count: int, mean: Floats) -> None:
    """Fill both halves of `mean` [2 * dim] with the mean of the contexts; the first will move."""
    share = spread(np.float32(1.0 / count))
    for j in range(0, dim, LANES):
        total = spread(np.float32(0.0))
        for context in range(count):
            total = add(total, load(inputs, contexts[context] + j))
        store(mean, j, mul(total, share))
        store(mean, dim + j, mul(total, share))


@njit(nogil=True, cache=True)
def _follow_mean(inputs: Floats, dim: int, contexts: Ints, count: int, mean: Floats) -> None:
    """Move each context by all that the mean has moved; one that stands twice moves twice."""
    back = spread(np.float32(-1.0))
    for j in range(0, dim, LANES):
        moved = mul_add(back, load(mean, dim + j), load(mean, j))
        for context in range(count):
            row = contexts[context] + j
            store(inputs, row, add(load(inputs, row), moved))


@njit(nogil=True, cache=True)
def start_inputs(inputs: Floats, dim: int, used: int, seed: int, low: int, high: int) -> None:
    """Fill rows [low, high): `used` components uniform in +-0.5 / used, as in word2vec, then 0."""
    for row in range(low, high):
        key = make_key(seed, row)
        for j in range(dim):
            value = (unit(draw(key, j)) - 0.5) / used if j < used else 0.0
            inputs[row * dim + j] = np.float32(value)
