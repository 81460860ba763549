"""Skip-gram with hierarchical softmax (Morin, Bengio 2005) over Huffman's tree of the rows.

A center is told from all other rows by the turns on the way from its leaf to the root: each inner
node on the way is a target, with label 1 where the way comes from the left. Often visited rows
have short ways, and no negatives are drawn. DeepWalk (Perozzi et al. 2014) learned like this.
A center's slopes are taken at the values before its step (`center`); what moves by them moves in
turn, which is as good as word2vec's pair after pair and far faster.

`inputs` are laid out as in `skipgram`; row k of `outputs` is inner node k.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from graphemb.kernels import center
from graphemb.kernels.center import GROUP, TILE
from graphemb.kernels.csr import Floats, Ints, Rows
from graphemb.kernels.native import LANES, add, load, mul_add, prefetch, spread, spread_at, store
from graphemb.kernels.rng import below, draw, make_key
from graphemb.kernels.skipgram import Model, Plan

_WINDOW_STREAM = 0x7EEE


class Tree(NamedTuple):
    """Huffman's tree over rows.

    Attributes:
        up: int64 [2 N]; leaf r stands at r and inner node k at N + k. 2 x its parent, and 1 more
            for a right child; -1 at the root, and at rows that are not in the tree.
        depth: of the deepest leaf.
    """

    up: Ints
    depth: int


class Desk(NamedTuple):
    """Scratch of one thread; `targets` and `right` hold the ways of this center and the next."""

    contexts: Ints
    targets: Ints
    right: Ints
    slopes: Floats
    moves: Floats


@njit(nogil=True, cache=True)
def grow(visits: Ints, order: Ints, up: Ints) -> None:
    """Fill `up` with the tree over the rows in `order`, which ascends by visits.

    Inner nodes come out in order of their weight, so two queues do without a heap.
    """
    up[:] = -1
    weights = np.zeros(order.size, np.int64)
    leaf, inner = 0, 0
    for made in range(order.size - 1):
        for side in range(2):
            place = visits.size + inner
            if inner == made or (leaf < order.size and visits[order[leaf]] <= weights[inner]):
                place = order[leaf]
                weights[made] += visits[place]
                leaf += 1
            else:
                weights[made] += weights[inner]
                inner += 1
            up[place] = 2 * made + side


@njit(nogil=True, cache=True)
def measure_depths(up: Ints, depths: Ints) -> None:
    """Fill `depths` int64 [N]: turns on the way from each leaf to the root."""
    for row in range(depths.size):
        depths[row] = 0
        step = up[row]
        while step >= 0:
            depths[row] += 1
            step = up[depths.size + (step >> 1)]


@njit(nogil=True, cache=True)
def train(
    model: Model, tree: Tree, plan: Plan, tokens: Rows, lengths: Ints, first: int
) -> tuple[float, int]:
    """Learn from sequences number `first`, `first + 1`, ..., as `skipgram.train` does.

    Returns:
        The loss summed over some (center, context) pairs, and their number.
    """
    width = -(-tree.depth // GROUP) * GROUP
    tiles = -(-2 * plan.radius // TILE)
    desk = Desk(
        np.zeros(TILE * tiles + TILE, np.int64),
        np.zeros(2 * width, np.int64),
        np.zeros(2 * width, np.int64),
        np.zeros(tiles * width // GROUP * LANES, np.float32),
        np.zeros(TILE * tiles * LANES, np.float32),
    )
    loss, pairs = 0.0, 0
    start = 0
    for place in range(lengths.size):
        sequence = tokens[start : start + lengths[place]]
        start += lengths[place]
        if sequence.size > 1:
            more, count = _learn_sequence(model, tree, plan, desk, sequence, first + place)
            loss += more
            pairs += count
    return loss, pairs


@njit(nogil=True, cache=True)
def _learn_sequence(
    model: Model, tree: Tree, plan: Plan, desk: Desk, tokens: Rows, number: int
) -> tuple[float, int]:
    key = make_key(make_key(plan.seed, _WINDOW_STREAM), number)
    rate = np.float32(plan.rate + (plan.min_rate - plan.rate) * (number / plan.total))
    loss, pairs = 0.0, 0
    width = desk.targets.size // 2
    for place in range(min(plan.radius, tokens.size)):
        _fetch_row(model.inputs, np.int64(tokens[place]) * model.dim, model.dim)
    turns = _find_way(model, tree, tokens[0], desk.targets[:width], desk.right[:width])
    for place in range(tokens.size):
        now = slice((place & 1) * width, (place & 1) * width + turns)
        targets, right = desk.targets[now], desk.right[now]
        if place + 1 < tokens.size:
            then = slice(width - now.start, 2 * width - now.start)
            turns = _find_way(model, tree, tokens[place + 1], desk.targets[then], desk.right[then])
        if place + plan.radius < tokens.size:
            _fetch_row(model.inputs, np.int64(tokens[place + plan.radius]) * model.dim, model.dim)
        reach = 1 + below(draw(key, place), plan.radius)
        count = 0
        for other in range(max(0, place - reach), min(tokens.size, place + reach + 1)):
            if other != place:
                desk.contexts[count] = np.int64(tokens[other]) * model.dim
                count += 1
        for spare in range(count, count + TILE):
            desk.contexts[spare] = desk.contexts[0]
        model.seen[tokens[place]] = 1
        way = _learn(model, desk, targets, right, count, rate)
        if (number + place) % plan.loss_every == 0:
            loss += center.loss_of(desk.slopes, count, way - 1, rate)
            pairs += count
    return loss, pairs


@njit(nogil=True, cache=True)
def _find_way(model: Model, tree: Tree, row: int, targets: Ints, right: Ints) -> int:
    """Fill `targets` with the inner nodes from a leaf to the root, and fetch them.

    `right` tells right turns (1) from left ones (0). Spare targets up to a multiple of 3 repeat
    the first, with -1. The number of targets, spare ones included.
    """
    turns = 0
    step = tree.up[row]
    while step >= 0:
        parent = step >> 1
        targets[turns], right[turns] = parent * model.dim, step & 1
        _fetch_row(model.outputs, parent * model.dim, model.dim)
        step = tree.up[model.seen.size + parent]
        turns += 1
    while turns % GROUP:
        targets[turns], right[turns] = targets[0], -1
        turns += 1
    return turns


@njit(nogil=True, cache=True)
def _fetch_row(matrix: Floats, row: int | np.int64, dim: int) -> None:
    for j in range(0, dim, LANES):
        prefetch(matrix, row + j)


@njit(nogil=True, cache=True)
def _learn(
    model: Model, desk: Desk, targets: Ints, right: Ints, count: int, rate: np.float32
) -> int:
    """One center: move the inner nodes of its way and the first `count` contexts; its turns."""
    contexts, slopes = desk.contexts, desk.slopes
    center.measure(model.inputs, model.outputs, model.dim, contexts, count, targets, rate, slopes)
    turns = _label(right, count, rate, slopes)
    _move(model, desk, targets, turns, count)
    return turns


@njit(nogil=True, cache=True)
def _label(right: Ints, count: int, rate: np.float32, slopes: Floats) -> int:
    """Label 1 where the way comes from the left, no slope for spare targets; those not spare."""
    tiles = (count + TILE - 1) // TILE
    real = 0
    for target in range(right.size):
        real += right[target] >= 0
        if right[target] == 1:
            continue
        for context in range(count):
            at = center._slope_at(tiles, context, target)
            slopes[at] = slopes[at] + rate if right[target] == 0 else np.float32(0.0)
    return real


@njit(nogil=True, cache=True)
def _move(model: Model, desk: Desk, targets: Ints, turns: int, count: int) -> None:
    """Move contexts and targets by the slopes, one context after the other.

    Each moves along the targets as those before it left them, so that the contexts of a center
    also draw nearer to each other: most of what moves them while the targets are still small.
    """
    inputs, outputs, contexts, slopes = model.inputs, model.outputs, desk.contexts, desk.slopes
    tiles = (count + TILE - 1) // TILE
    zero = spread(np.float32(0.0))
    for j in range(0, model.dim, LANES):
        for context in range(count):
            store(desk.moves, context * LANES, zero)
        for target in range(0, targets.size, GROUP):
            t0, t1, t2 = targets[target] + j, targets[target + 1] + j, targets[target + 2] + j
            y0, y1, y2 = load(outputs, t0), load(outputs, t1), load(outputs, t2)
            at = center._slope_at(tiles, 0, target)
            for context in range(count):
                x = load(inputs, contexts[context] + j)
                g0 = spread_at(slopes, at)
                g1 = spread_at(slopes, at + 1)
                g2 = spread_at(slopes, at + 2)
                move = mul_add(g0, y0, load(desk.moves, context * LANES))
                move = mul_add(g2, y2, mul_add(g1, y1, move))
                store(desk.moves, context * LANES, move)
                y0, y1, y2 = mul_add(g0, x, y0), mul_add(g1, x, y1), mul_add(g2, x, y2)
                at += GROUP if context % TILE < TILE - 1 else LANES - (TILE - 1) * GROUP
            store(outputs, t0, y0)
            if target + 1 < turns:
                store(outputs, t1, y1)
            if target + 2 < turns:
                store(outputs, t2, y2)
        for context in range(count):  # one that stands twice moves twice
            place = contexts[context] + j
            store(inputs, place, add(load(inputs, place), load(desk.moves, context * LANES)))
