"""Alias tables and the filter of edges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from graphemb.kernels import alias, edge_filter, rng

Doubles = npt.NDArray[np.float64]
HALF = np.uint64(32)


def table_of(weights: Doubles, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    table = np.empty(weights.size, np.uint64)
    alias.fill(offsets, weights, table, 0, offsets.size - 1)
    return table


def known(row: int, other: int) -> np.uint64:
    return np.uint64(edge_filter.pair(row, other))


def masses(table: npt.NDArray[np.uint64]) -> Doubles:
    """The probability of each slot that a table of one row says, read off entry by entry."""
    out = np.zeros(table.size)
    for slot, entry in enumerate(table.tolist()):
        chance = (entry >> 32) / 2**32
        out[slot] += chance / table.size
        out[entry & 0xFFFFFFFF] += (1 - chance) / table.size
    return out


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60).filter(lambda row: sum(row) > 1e-3))
def test_a_table_holds_exactly_its_weights(row: list[float]) -> None:
    weights = np.array(row)
    table = table_of(weights, np.array([0, weights.size]))
    np.testing.assert_allclose(masses(table), weights / weights.sum(), atol=1e-8)


def test_rows_stand_side_by_side_and_may_be_empty() -> None:
    weights = np.array([1.0, 3.0, 5.0, 0.0, 5.0])
    offsets = np.array([0, 2, 2, 5])
    table = table_of(weights, offsets)
    np.testing.assert_allclose(masses(table[:2]), [0.25, 0.75], atol=1e-8)
    np.testing.assert_allclose(masses(table[2:]), [0.5, 0.0, 0.5], atol=1e-8)


def test_picks_follow_the_weights() -> None:
    weights = np.array([0.5, 0.0, 8.0, 1.0, 2.5])
    table = table_of(weights, np.array([0, 5]))
    key = np.uint64(rng.make_key(1, 2))
    picks = [alias.pick(table, 0, 5, np.uint64(rng.draw(key, n))) for n in range(40_000)]
    counts = np.bincount(picks, minlength=5)
    assert counts[1] == 0
    there = weights > 0
    assert chisquare(counts[there], weights[there] / weights.sum() * 40_000).pvalue > 0.01


def test_the_filter_never_denies_an_edge_and_seldom_confirms_none() -> None:
    generator = np.random.default_rng(0)
    degrees = generator.integers(0, 40, 500)
    offsets = np.concatenate([[0], np.cumsum(degrees)])
    neighbors = generator.integers(0, 500, offsets[-1]).astype(np.int32)
    words = np.zeros(neighbors.size // edge_filter.EDGES_PER_WORD + 1, np.uint64)
    edge_filter.fill(offsets, neighbors, words)
    edges = set(zip(np.repeat(np.arange(500), degrees).tolist(), neighbors.tolist(), strict=True))
    assert all(edge_filter.may_hold(words, known(row, other)) for row, other in edges)
    others = [(row, other) for row in range(0, 500, 7) for other in range(500)]
    wrong = [edge_filter.may_hold(words, known(*pair)) for pair in others if pair not in edges]
    assert np.mean(wrong) < 0.06
