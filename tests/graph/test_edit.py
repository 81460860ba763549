"""New graphs out of old ones; the old one stays as it was."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb.errors import ConfigError, GraphError, UnknownNode, VectorError
from graphemb.graph import HeteroGraph, micros
from graphemb.types import EdgeType

BUYS = EdgeType("user", "buys", "product")
KNOWS = EdgeType("user", "knows", "user")


def day(number):
    return datetime(2021, 3, number, tzinfo=UTC)


@pytest.fixture
def graph():
    return HeteroGraph.from_tables(
        {"user": {"id": ["a", "b", "c"], "age": [1, 2, 3]}, "product": {"id": ["p", "q"]}},
        {
            BUYS: {
                "src": ["a", "a", "b", "c"],
                "dst": ["p", "q", "q", "p"],
                "weight": [1.0, 2.0, 3.0, 4.0],
                "time": [day(1), day(2), day(3), day(4)],
                "channel": ["web", "app", "web", "shop"],
            },
            KNOWS: {"src": ["a", "c"], "dst": ["c", "b"]},
        },
    )


def edges(graph, edge_type=BUYS):
    return [(row["src"], row["dst"]) for row in graph.edge_table(edge_type).to_pylist()]


def test_filter_by_weight_and_by_a_half_open_span_of_time(graph):
    assert edges(graph.filter_edges(BUYS, min_weight=2.0)) == [("a", "q"), ("b", "q"), ("c", "p")]
    span = graph.filter_edges(BUYS, since=day(2), until=day(4))
    assert edges(span) == [("a", "q"), ("b", "q")]
    assert span.edge_columns(BUYS)["channel"].to_pylist() == ["app", "web"]
    assert graph.num_edges(BUYS) == 4


def test_filtering_by_what_is_not_there_is_refused(graph):
    with pytest.raises(GraphError):
        graph.filter_edges(KNOWS, min_weight=1.0)
    with pytest.raises(GraphError):
        graph.filter_edges(KNOWS, since=day(1))


@pytest.mark.parametrize("time", ["2021-03-03", day(3), day(3).date(), micros(day(3))])
def test_as_of_drops_what_is_at_or_after_the_time(graph, time):
    past = graph.as_of(time)
    assert edges(past) == [("a", "p"), ("a", "q")]
    assert past.num_edges(KNOWS) == 2


def test_a_time_that_is_none_is_refused(graph):
    with pytest.raises(ConfigError, match="2017-12-03"):
        graph.as_of("last tuesday")


def test_subgraph_keeps_the_nodes_and_the_edges_among_them(graph):
    part = graph.subgraph({"user": ["c", "a"]})
    assert part.ids("user").to_list() == ["a", "c"]
    assert part.columns("user")["age"].to_pylist() == [1, 3]
    assert edges(part) == [("a", "p"), ("a", "q"), ("c", "p")]
    assert edges(part, KNOWS) == [("a", "c")]
    less = part.subgraph({"product": ["q"]})
    assert edges(less) == [("a", "q")]
    assert less[BUYS.reverse].degrees.tolist() == [1]
    with pytest.raises(UnknownNode):
        graph.subgraph({"user": ["nobody"]})


def test_select_keeps_nodes_and_drops_edge_types(graph):
    only = graph.select([KNOWS])
    assert only.edge_types == (KNOWS,)
    assert only.num_nodes("product") == 2
    assert BUYS not in only and KNOWS.reverse in only


def test_with_edges_takes_a_mask_in_csr_order(graph):
    assert edges(graph.with_edges(BUYS, np.array([True, False, False, True]))) == [
        ("a", "p"),
        ("c", "p"),
    ]
    with pytest.raises(VectorError):
        graph.with_edges(BUYS, np.array([1, 0, 0, 1]))
    with pytest.raises(VectorError):
        graph.with_edges(BUYS, np.ones(3, bool))


def test_extend_adds_and_leaves_old_rows_where_they_are(graph):
    more = graph.extend(
        {"user": {"id": ["d"]}, "shop": {"id": ["s"]}},
        {
            BUYS: {"src": ["d"], "dst": ["p"], "weight": [1.0], "time": [day(9)]},
            EdgeType("shop", "sells", "product"): {"src": ["s"], "dst": ["q"]},
        },
    )
    assert more.ids("user").to_list() == ["a", "b", "c", "d"]
    assert more.columns("user")["age"].to_pylist() == [1, 2, 3, None]
    assert edges(more)[-1] == ("d", "p")
    assert more.num_edges() == graph.num_edges() + 2
    assert graph.num_nodes() == 5
    with pytest.raises(GraphError, match="more than once"):
        graph.extend({"user": {"id": ["a"]}})
    with pytest.raises(GraphError, match="no weight"):
        graph.extend(edges={BUYS: {"src": ["a"], "dst": ["p"], "time": [day(9)]}})


def test_extending_equals_building_at_once(graph):
    nodes = {name: graph.node_table(name) for name in graph.node_types}
    tables = {name: graph.edge_table(name) for name in graph.edge_types}
    first = HeteroGraph.from_tables(nodes, {BUYS: tables[BUYS].slice(0, 2)})
    whole = first.extend(edges={BUYS: tables[BUYS].slice(2), KNOWS: tables[KNOWS]})
    assert whole.fingerprint == graph.fingerprint


def test_homogeneous_merges_chosen_edge_types_with_their_weights(graph):
    dense = np.zeros((5, 5), np.float32)
    for src, dst, weight in ((0, 3, 1), (0, 4, 2), (1, 4, 3), (2, 3, 4)):
        dense[src, dst] = weight * 0.5
    for src, dst in ((0, 2), (2, 1)):
        dense[src, dst] = 2.0
    merged = graph.homogeneous({BUYS: 0.5, KNOWS: 2.0})
    assert np.array_equal(merged.to_scipy().toarray(), dense + dense.T)
    directed = graph.homogeneous({BUYS: 0.5, KNOWS: 2.0}, directed=True)
    assert np.array_equal(directed.to_scipy().toarray(), dense)
    assert graph.homogeneous({BUYS: 0.5, KNOWS: 2.0}) is merged
    assert merged.slice("product") == slice(3, 5)
    assert merged.types_of_rows().tolist() == [0, 0, 0, 1, 1]
    assert graph.homogeneous([KNOWS]).weights is None
    with pytest.raises(ConfigError):
        graph.homogeneous({BUYS: -1.0})


def test_a_self_loop_is_walked_once_each_way():
    graph = HeteroGraph.from_tables(
        {"user": {"id": ["a", "b"]}}, {KNOWS: {"src": ["a", "a"], "dst": ["a", "b"]}}
    )
    assert graph.homogeneous().to_scipy().toarray().tolist() == [[1, 1], [1, 0]]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9)), max_size=90),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(1, 9)), max_size=40),
    st.booleans(),
)
def test_any_merge_equals_the_dense_sum(knows, buys, directed):
    graph = HeteroGraph.from_tables(
        {"user": {"id": np.arange(6)}, "product": {"id": np.arange(4)}},
        {edge_type: columns(part) for edge_type, part in ((KNOWS, knows), (BUYS, buys))},
    )
    dense = np.zeros((10, 10), np.float32)
    for src, dst, weight in knows:
        dense[src, dst] += 0.25 * weight
    for src, dst, weight in buys:
        dense[src, 6 + dst] += weight
    if not directed:
        dense = dense + dense.T - np.diag(dense.diagonal())
    merged = graph.homogeneous({KNOWS: 0.25, BUYS: 1.0}, directed=directed)
    assert np.array_equal(merged.to_scipy().toarray(), dense)
    for row in range(10):
        part = merged.neighbors[merged.offsets[row] : merged.offsets[row + 1]]
        assert (np.diff(part) >= 0).all()


def columns(edges):
    src, dst, weight = np.array(edges, np.int64).reshape(-1, 3).T
    return {"src": src, "dst": dst, "weight": weight.astype(np.float32)}


def test_a_hub_with_more_edges_than_a_short_row_is_sorted_too():
    rng = np.random.default_rng(0)
    other = rng.permutation(300) + 1
    graph = HeteroGraph.from_tables(
        {"user": {"id": np.arange(301)}},
        {
            KNOWS: {"src": np.zeros(150, np.int64), "dst": other[:150]},
            EdgeType("user", "likes", "user"): {
                "src": other[150:],
                "dst": np.zeros(150, np.int64),
                "weight": other[150:].astype(np.float32),
            },
        },
    )
    merged = graph.homogeneous()
    assert merged.neighbors[:300].tolist() == list(range(1, 301))
    liked = set(other[150:].tolist())
    expected = [float(node) if node in liked else 1.0 for node in range(1, 301)]
    assert merged.weights[:300].tolist() == expected


def test_one_edge_type_of_one_node_type_is_walked_as_it_is_stored():
    graph = HeteroGraph.from_tables({"user": {"id": [1, 2]}}, {KNOWS: {"src": [1], "dst": [2]}})
    stored, merged = graph[KNOWS], graph.homogeneous(directed=True)
    assert merged.neighbors is stored.neighbors and merged.offsets is stored.offsets
    assert merged.slice("user") == slice(0, 2)
    assert graph.homogeneous({KNOWS: 2.0}, directed=True).weights.tolist() == [2.0]
