"""Skip-gram with hierarchical softmax (Morin, Bengio 2005) over Huffman's tree of the rows.

A center is told from all other rows by the turns on the way from its leaf to the root: each inner
node on the way is a target, with label 1 where the way comes from the left. Often visited rows
have short ways, and no negatives are drawn. DeepWalk (Perozzi et al. 2014) learned like this.
The contexts of a center move in turn (`center`), which is as good as word2vec's pair after pair.

`inputs` are laid out as in `skipgram`; row k of `outputs` is inner node k.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from graphemb.kernels import center
from graphemb.kernels.center import GROUP, PACK, TILE
from graphemb.kernels.csr import Floats, Ints, Rows
from graphemb.kernels.native import LANES
from graphemb.kernels.rng import below, draw, make_key
from graphemb.kernels.skipgram import Model, Plan, fetch_row, find_contexts

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
    """Scratch of one thread; `targets` and `right` hold the ways of the next center and of this."""

    contexts: Ints
    targets: Ints
    right: Ints
    slopes: Floats
    before: Floats


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
    width = -(-tree.depth // PACK) * PACK
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
    """Learn from one sequence; arrays leave their tuples first (see `skipgram`)."""
    inputs, outputs, dim, seen = model
    up = tree.up
    contexts, targets, right, slopes, before = desk
    radius = plan.radius
    key = make_key(make_key(plan.seed, _WINDOW_STREAM), number)
    rate = np.float32(plan.rate + (plan.min_rate - plan.rate) * (number / plan.total))
    loss, pairs = 0.0, 0
    room = targets.size // 2
    ahead, now = targets[:room], targets[room:]
    right_ahead, right_now = right[:room], right[room:]
    for place in range(min(radius, tokens.size)):
        fetch_row(inputs, np.int64(tokens[place]) * dim, dim)
    turns = _find_way(outputs, dim, up, tokens[0], ahead, right_ahead)
    for place in range(tokens.size):
        width = -(-turns // PACK) * PACK
        for target in range(width):
            now[target], right_now[target] = ahead[target], right_ahead[target]
        real = turns
        if place + 1 < tokens.size:
            turns = _find_way(outputs, dim, up, tokens[place + 1], ahead, right_ahead)
        if place + radius < tokens.size:
            fetch_row(inputs, np.int64(tokens[place + radius]) * dim, dim)
        reach = 1 + below(draw(key, place), radius)
        count = find_contexts(tokens, place, reach, dim, contexts)
        seen[tokens[place]] = 1
        center.measure(inputs, outputs, dim, contexts, count, now, width, rate, slopes)
        _label(right_now, width, count, rate, slopes)
        if (number + place) % plan.loss_every == 0:
            loss += center.loss_of(slopes, count, real - 1, rate)
            pairs += count
        center.move(inputs, outputs, dim, contexts, count, now, width, slopes, before, True)
    return loss, pairs


@njit(nogil=True, cache=True)
def _find_way(outputs: Floats, dim: int, up: Ints, row: int, targets: Ints, right: Ints) -> int:
    """Fill `targets` with the inner nodes from a leaf to the root, and fetch them.

    `right` tells right turns (1) from left ones (0). Spare targets up to a multiple of 6 repeat
    the first, with -1. The number of targets without spare ones.
    """
    turns = int(np.int64(0))
    step = up[row]
    while step >= 0:
        parent = step >> 1
        targets[turns], right[turns] = parent * dim, step & 1
        fetch_row(outputs, parent * dim, dim)
        step = up[up.size // 2 + parent]
        turns += 1
    for spare in range(turns, -(-turns // PACK) * PACK):
        targets[spare], right[spare] = targets[0], -1
    return turns


@njit(nogil=True, cache=True)
def _label(right: Ints, width: int, count: int, rate: np.float32, slopes: Floats) -> None:
    """Label 1 where the way comes from the left, no slope for spare targets."""
    tiles = (count + TILE - 1) // TILE
    for target in range(width):
        if right[target] == 1:
            continue
        for context in range(count):
            at = center.slope_at(tiles, context, target)
            slopes[at] = slopes[at] + rate if right[target] == 0 else np.float32(0.0)
