"""Importance neighbourhoods: against the powers of the transition matrix."""

from __future__ import annotations

import numpy as np
import pytest

from graphemb import EdgeType, HeteroGraph
from graphemb.errors import ConfigError, UnknownName
from graphemb.sampling import visits
from graphemb.testing.toys import BUYS, KNOWS, SELLS, communities

PATH = (BUYS.reverse, BUYS)


def transition(graph: HeteroGraph, edge_type: EdgeType) -> np.ndarray:
    dense = graph[edge_type].to_scipy().toarray().astype(np.float64)
    return dense / np.maximum(dense.sum(axis=1, keepdims=True), 1e-12)


def test_shares_are_those_of_the_walks_probabilities() -> None:
    graph = communities()
    once = transition(graph, BUYS.reverse) @ transition(graph, BUYS)
    wanted = once + once @ once
    np.fill_diagonal(wanted, 0.0)
    wanted /= wanted.sum(axis=1, keepdims=True)
    found = visits(graph, PATH, walks=10_000, top=60)
    assert found.edge_type == EdgeType("product", "visits", "product")
    assert abs(found.to_scipy().toarray() - wanted).max() < 0.02


def test_the_most_visited_are_kept_and_their_shares_are_theirs_alone() -> None:
    graph = communities()
    every, few = visits(graph, PATH, top=60), visits(graph, PATH, top=3)
    whole, part = every.to_scipy().toarray(), few.to_scipy().toarray()
    assert (few.degrees == np.minimum(every.degrees, 3)).all()
    for row in range(len(whole)):
        best = np.sort(np.argsort(-whole[row], kind="stable")[:3])
        assert few.neighbors[few.offsets[row] : few.offsets[row + 1]].tolist() == best.tolist()
        shares = whole[row, best] / whole[row, best].sum()
        np.testing.assert_allclose(part[row, best], shares, rtol=1e-6)
    np.testing.assert_allclose(whole.sum(axis=1), 1, rtol=1e-6)


def test_neighbourhoods_do_not_hang_on_threads_and_change_with_the_seed() -> None:
    graph = communities(8)
    one, four = (visits(graph, (KNOWS,), threads=number, seed=4) for number in (1, 4))
    assert (one.neighbors == four.neighbors).all()
    assert one.weights is not None and four.weights is not None
    assert (one.weights == four.weights).all()
    other = visits(graph, (KNOWS,), seed=5)
    assert not np.array_equal(one.weights, other.weights)


def test_isolated_nodes_sinks_and_self_loops_have_no_neighbours() -> None:
    to = EdgeType("node", "to", "node")
    graph = HeteroGraph.from_tables(
        {"node": {"id": range(5)}}, {to: {"src": [0, 1, 3, 3], "dst": [1, 2, 3, 4]}}
    )
    found = visits(graph, (to,), walks=50)
    assert found.degrees.tolist() == [2, 1, 0, 1, 0]
    assert found.neighbors.tolist() == [1, 2, 2, 4]
    assert found.weights is not None
    assert found.weights[:3].tolist() == [0.5, 0.5, 1.0]


def test_between_two_node_types_a_metapath_is_gone_once() -> None:
    graph = communities()
    found = visits(graph, (SELLS, BUYS.reverse), turns=1, top=100)
    assert found.edge_type == EdgeType("seller", "visits", "user")
    assert found.num_dst == 80
    with pytest.raises(ConfigError, match="only once"):
        visits(graph, (SELLS, BUYS.reverse))
    with pytest.raises(ConfigError, match="hop 2 starts at 'user'"):
        visits(graph, (BUYS, BUYS))
    with pytest.raises(UnknownName):
        visits(graph, (EdgeType("user", "sees", "product"),), turns=1)
    with pytest.raises(ConfigError, match="walks must be"):
        visits(graph, PATH, walks=0)
