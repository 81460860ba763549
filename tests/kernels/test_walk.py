"""Steps of walks against closed forms: chi-square at alpha .01, over every state of a graph."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import chi2

from graphemb.kernels import alias, edge_filter, node2vec, rng, walk
from graphemb.kernels.node2vec import Bias
from graphemb.kernels.walk import Links

ALPHA = 0.01
WALKERS = 4_000
Doubles = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]


class Toy:
    """A directed graph of 9 nodes with a self loop, parallel edges, and a sink (row 8)."""

    def __init__(self, *, weighted: bool, dtype: type[np.int32] | type[np.int64] = np.int32):
        generator = np.random.default_rng(4)
        edges = [(u, v) for u, v in itertools.permutations(range(8), 2) if generator.random() < 0.5]
        edges += [(u, (u + 1) % 8) for u in range(8)] + [(2, 2), (3, 1), (3, 1), (5, 8), (0, 8)]
        edges.sort()
        src, dst = np.array(edges).T
        self.offsets = np.searchsorted(src, np.arange(10))
        self.neighbors = dst.astype(dtype)
        self.weights = np.ones(dst.size, np.float32)
        if weighted:
            self.weights = generator.choice([0.1, 1.0, 2.5, 20.0], dst.size).astype(np.float32)
        self.matrix = np.zeros((9, 9))
        np.add.at(self.matrix, (src, dst), self.weights)
        table = np.empty(dst.size if weighted else 0, np.uint64)
        if weighted:
            alias.fill(self.offsets, self.weights, table, 0, 9)
        self.links = Links(self.offsets, self.neighbors, table)

    def bias(self, p: float, q: float) -> Bias:
        words = np.zeros(self.neighbors.size // edge_filter.EDGES_PER_WORD + 1, np.uint64)
        edge_filter.fill(self.offsets, self.neighbors, words)
        homes, totals = np.zeros(self.neighbors.size, np.float32), np.zeros(9, np.float32)
        walk.weigh_homes(self.offsets, self.neighbors, self.weights, homes, 0, 9)
        walk.weigh_rows(self.offsets, self.weights, totals, 0, 9)
        return Bias(1 / p, 1 / q, words, self.weights, homes, totals, False)

    def step(
        self, bias: Bias, before: Nodes, current: Nodes, streams: Keys, step: int
    ) -> tuple[Nodes, npt.NDArray[np.int64]]:
        """Where a step of node2vec leads, and along which edges it takes who goes on."""
        out, came = np.full(current.size, 99, np.int32), np.empty(current.size, np.int64)
        walk.edges_taken(self.offsets, self.neighbors, before, current, came)
        node2vec.advance(self.links, bias, before, current, came, streams, step, out)
        return out, came

    def biased_chances(self, before: int, row: int, p: float, q: float) -> Doubles:
        """node2vec's definition: weight x (1/p back, 1 to what `before` leads to, else 1/q)."""
        factor = np.where(self.matrix[before] > 0, 1.0, 1 / q)
        factor[before] = 1 / p
        chances: Doubles = self.matrix[row] * factor
        return chances / chances.sum()


def surprise(found: npt.NDArray[np.int32], chances: Doubles) -> tuple[float, int]:
    """Chi-square statistic and degrees of freedom of drawn rows against their chances."""
    counts = np.bincount(found, minlength=chances.size)
    there = chances > 0
    assert counts[~there].sum() == 0, "a step where no edge leads"
    expected = chances[there] * found.size
    return float(((counts[there] - expected) ** 2 / expected).sum()), int(there.sum()) - 1


def keys(count: int) -> npt.NDArray[np.uint64]:
    return np.array([rng.make_key(12, number) for number in range(count)], np.uint64)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_first_order_steps_follow_the_weights(
    weighted: bool, dtype: type[np.int32] | type[np.int64]
) -> None:
    toy = Toy(weighted=weighted, dtype=dtype)
    statistic, freedom = 0.0, 0
    for row in range(8):
        current = np.full(WALKERS, row, dtype)
        out = np.empty(WALKERS, dtype)
        walk.advance(toy.links, current, keys(WALKERS), 1 + row, out)
        more, degrees = surprise(out, toy.matrix[row] / toy.matrix[row].sum())
        statistic, freedom = statistic + more, freedom + degrees
    assert chi2.sf(statistic, freedom) > ALPHA


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("p", "q"),
    [
        (0.5, 2.0),
        (0.25, 0.25),
        (4.0, 1.0),
        (0.1, 1.0),
        (1.0, 4.0),
        (2.0, 0.5),
        (1e3, 2e3),  # nearly all candidates are refused, so that steps are drawn by going through
        (1e9, 1.0),
    ],
)
def test_node2vec_steps_follow_the_closed_form(weighted: bool, p: float, q: float) -> None:
    toy = Toy(weighted=weighted)
    bias = toy.bias(p, q)
    statistic, freedom = 0.0, 0
    for before, row in zip(*np.nonzero(toy.matrix), strict=True):
        if row == 8:
            continue
        current = np.full(WALKERS, row, np.int32)
        behind = np.full(WALKERS, before, np.int32)
        step = int(2 + 9 * before + row)
        out, came = toy.step(bias, behind, current, keys(WALKERS), step)
        assert (toy.neighbors[came] == out).all()
        assert (toy.offsets[row] <= came).all()
        assert (came < toy.offsets[row + 1]).all()
        more, degrees = surprise(out, toy.biased_chances(before, row, p, q))
        statistic, freedom = statistic + more, freedom + degrees
    assert freedom > 100
    assert chi2.sf(statistic, freedom) > ALPHA


def test_the_chi_square_test_can_fail() -> None:
    """Steps of p = .5 are not taken for steps of p = .6."""
    toy = Toy(weighted=False)
    current, behind = np.full(40_000, 2, np.int32), np.full(40_000, 1, np.int32)
    assert toy.matrix[2, 1], "the walker can go back"
    out, _ = toy.step(toy.bias(0.5, 2.0), behind, current, keys(40_000), 1)
    assert chi2.sf(*surprise(out, toy.biased_chances(1, 2, 0.5, 2.0))) > ALPHA
    assert chi2.sf(*surprise(out, toy.biased_chances(1, 2, 0.6, 2.0))) < ALPHA


def test_fault_063_a_walker_at_a_sink_ends_and_stays_ended() -> None:
    toy = Toy(weighted=False)
    current = np.array([8, 0, -1] * 67, np.int32)
    behind = np.array([5, 1, 8] * 67, np.int32)
    for bias in (None, toy.bias(0.5, 2.0)):
        out = np.full(current.size, 99, np.int32)
        if bias is None:
            walk.advance(toy.links, current, keys(current.size), 1, out)
        else:
            out, _ = toy.step(bias, behind, current, keys(current.size), 1)
        assert (out[0::3] == -1).all()
        assert (out[2::3] == -1).all()
        assert (out[1::3] >= 0).all()


def test_a_walker_draws_the_same_in_any_block() -> None:
    toy = Toy(weighted=True)
    bias = toy.bias(0.5, 2.0)
    generator = np.random.default_rng(0)
    edges = generator.integers(0, np.count_nonzero(toy.matrix), 700)
    behind, current = (ends[edges].astype(np.int32) for ends in np.nonzero(toy.matrix))
    streams = keys(700)
    whole, _ = toy.step(bias, behind, current, streams, 5)
    for low, high in itertools.pairwise([0, 1, 130, 131, 500, 700]):
        part = slice(low, high)
        out, _ = toy.step(bias, behind[part], current[part], streams[part], 5)
        assert (whole[part] == out).all()


def test_neighbours_are_found_by_bisection() -> None:
    toy = Toy(weighted=True)
    for row, other in itertools.product(range(9), range(9)):
        there = walk.is_neighbor(toy.offsets, toy.neighbors, row, other)
        assert there == (toy.matrix[row, other] > 0)
        weight = walk.weight_to(toy.links.offsets, toy.links.neighbors, toy.weights, row, other)
        assert weight == pytest.approx(toy.matrix[row, other])
