"""From tables to a graph: policies, times, weights; every fault with its row."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix

from graphemb.errors import ConfigError, GraphError, UnknownName, UnknownNode
from graphemb.graph import HeteroGraph, Policies
from graphemb.graph.adjacency import row_dtype
from graphemb.types import EdgeType

BUYS = EdgeType("user", "buys", "product")
LIKES = EdgeType("user", "likes", "user")
NODES = {"user": {"id": ["u1", "u2", "u3"]}, "product": {"id": [10, 20]}}


def make(edges, policies=None, edge_type=BUYS, nodes=NODES):
    return HeteroGraph.from_tables(nodes, {edge_type: edges}, policies=policies)


def listed(graph, edge_type=BUYS):
    return [tuple(row.values()) for row in graph.edge_table(edge_type).to_pylist()]


@pytest.mark.parametrize("kind", [dict, pa.table, pd.DataFrame, pl.DataFrame])
def test_tables_of_every_library_make_the_same_graph(kind):
    users = kind({"id": ["u1", "u2"], "age": [30, 40]})
    edges = kind({"src": ["u2", "u1"], "dst": [10, 20], "weight": [0.5, 2.0]})
    graph = HeteroGraph.from_tables(
        {"user": users, "product": kind({"id": [10, 20]})}, {BUYS: edges}
    )
    assert graph.columns("user")["age"].to_pylist() == [30, 40]
    assert listed(graph) == [("u1", 20, 2.0), ("u2", 10, 0.5)]


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(1, 5)), max_size=60),
)
def test_csr_and_its_reverse_equal_scipy(edges):
    src, dst, weight = (list(part) for part in zip(*edges, strict=True)) if edges else ([], [], [])
    table = {
        "src": np.array(src, np.int64),
        "dst": np.array(dst, np.int64),
        "weight": np.array(weight, np.float32),
    }
    nodes = {"user": {"id": np.arange(7)}, "product": {"id": np.arange(5)}}
    graph = make(table, nodes=nodes)
    dense = coo_matrix((weight, (src, dst)), shape=(7, 5)).toarray() if edges else np.zeros((7, 5))
    assert np.array_equal(graph[BUYS].to_scipy().toarray(), dense)
    assert np.array_equal(graph[BUYS.reverse].to_scipy().toarray(), dense.T)
    assert np.array_equal(graph.degrees(BUYS), np.bincount(src, minlength=7))
    back = graph[BUYS.reverse]
    assert np.array_equal(graph[BUYS].weights[back.edges], back.weights)
    for adjacency in (graph[BUYS], back):
        for row in range(adjacency.num_src):
            part = adjacency.neighbors[adjacency.offsets[row] : adjacency.offsets[row + 1]]
            assert (np.diff(part) >= 0).all()
    grid = np.argwhere(np.ones((7, 5)))
    found = graph[BUYS].contains(grid[:, 0], grid[:, 1])
    assert np.array_equal(found.reshape(7, 5), dense > 0)


def test_fault_041_one_id_in_two_node_types_is_two_nodes():
    nodes = {"user": {"id": ["x"]}, "product": {"id": ["x", "y"]}}
    graph = make({"src": ["x"], "dst": ["y"]}, nodes=nodes)
    assert graph.neighbors("user", "x", BUYS) == ["y"]
    assert graph.neighbors("product", "x", BUYS.reverse) == []


def test_fault_043_look_alike_ids_are_noted():
    nodes = {"user": {"id": ["caf\u00e9", "cafe\u0301"]}, "product": {"id": [1]}}
    graph = make({"src": [], "dst": []}, nodes=nodes)
    assert any("Unicode" in note for note in graph.notes)


@pytest.mark.parametrize(("column", "field"), [("source", "src"), ("scr", "src")])
def test_fault_046_a_missing_column_is_named_with_the_nearest(column, field):
    with pytest.raises(GraphError) as caught:
        make({column: ["u1"], "dst": [10]})
    assert caught.value.field == field
    assert f"RETURN {column} AS src" in str(caught.value)


def test_fault_050_an_edge_to_an_unknown_node_is_refused_by_default_with_samples():
    edges = {"src": ["u1", "ghost", "u2"], "dst": [10, 20, 99]}
    with pytest.raises(UnknownNode) as caught:
        make(edges)
    assert "2 of 3 edges" in str(caught.value)
    assert (caught.value.row, caught.value.field, caught.value.value) == (1, "src", "'ghost'")


def test_fault_050_unknown_ends_are_dropped_or_created_when_declared():
    edges = {"src": ["u1", "ghost", "u2"], "dst": [10, 20, 99]}
    dropped = make(edges, Policies(unknown_nodes="drop"))
    assert listed(dropped) == [("u1", 10)]
    assert dropped.notes == ("user-buys-product: 2 edges to unknown nodes dropped",)
    nodes = {"user": {"id": ["u1", "u2"], "age": [1, 2]}}
    created = make(edges, Policies(unknown_nodes="create"), nodes=nodes)
    assert created.ids("user").to_list() == ["u1", "u2", "ghost"]
    assert created.columns("user")["age"].to_pylist() == [1, 2, None]
    assert created.ids("product").to_list() == [10, 20, 99]
    assert created.num_edges(BUYS) == 3


def test_fault_051_an_empty_edge_type_is_allowed_and_reported():
    graph = make({"src": pa.array([], pa.string()), "dst": pa.array([], pa.int64())})
    assert graph.num_edges(BUYS) == 0
    assert str(BUYS) in graph.summary()


def test_fault_052_isolated_nodes_also_the_last_have_no_neighbours():
    graph = make({"src": ["u1"], "dst": [10]})
    assert graph.neighbors("user", "u3", BUYS) == []
    assert graph.neighbors("product", 20, BUYS.reverse) == []
    assert graph.degrees(BUYS).tolist() == [1, 0, 0]


def test_fault_053_self_loops_are_counted_and_dropped_when_asked():
    edges = {"src": ["u1", "u1"], "dst": ["u1", "u2"]}
    assert make(edges, edge_type=LIKES).notes == ("user-likes-user: 1 self loops kept",)
    dropped = make(edges, Policies(self_loops="drop"), LIKES)
    assert listed(dropped, LIKES) == [("u1", "u2")]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("keep", [(1.0, 3, "c"), (5.0, 4, "a"), (2.0, 5, "b")]),
        ("sum", [(8.0, 5, "b")]),
        ("max", [(5.0, 4, "a")]),
        ("last", [(2.0, 5, "b")]),
    ],
)
def test_fault_054_parallel_edges_follow_the_policy(policy, expected):
    edges = {
        "src": ["u2", "u1", "u1", "u1", "u3"],
        "dst": [10, 20, 20, 20, 10],
        "weight": [1.0, 5.0, 2.0, 1.0, 7.0],
        "time": [datetime(2020, 1, day) for day in (1, 4, 5, 3, 1)],
        "tag": ["-", "a", "b", "c", "-"],
    }
    graph = make(edges, Policies(parallel_edges=policy))
    rows = graph.edge_table(BUYS).to_pylist()
    of_u1 = [(row["weight"], row["time"].day, row["tag"]) for row in rows if row["src"] == "u1"]
    assert of_u1 == expected
    assert graph.policies.parallel_edges == policy
    assert graph.degrees(BUYS).tolist() == [len(expected), 1, 1]
    assert any("parallel" in note for note in graph.notes) == (policy != "keep")


def test_parallel_edges_without_weights_sum_to_their_number():
    graph = make({"src": ["u1", "u1"], "dst": [10, 10]}, Policies(parallel_edges="sum"))
    assert graph[BUYS].weights.tolist() == [2.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0, 1e300])
def test_fault_055_a_bad_weight_is_refused_with_its_row(bad):
    with pytest.raises(GraphError) as caught:
        make({"src": ["u1", "u2"], "dst": [10, 10], "weight": [1.0, bad]})
    assert (caught.value.row, caught.value.field) == (1, "weight")


def test_fault_055_zero_weights_are_dropped_and_counted():
    graph = make({"src": ["u1", "u2"], "dst": [10, 10], "weight": [1.0, 0.0]})
    assert listed(graph) == [("u1", 10, 1.0)]
    assert graph.notes == ("user-buys-product: 1 edges of weight 0 dropped",)


def test_fault_056_a_missing_weight_is_refused_or_the_declared_one():
    edges = {"src": ["u1", "u2"], "dst": [10, 10], "weight": [None, 3.0]}
    with pytest.raises(GraphError) as caught:
        make(edges)
    assert caught.value.row == 0
    assert make(edges, Policies(missing_weight=1.0))[BUYS].weights.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("num", "dtype"), [(1, np.int32), (2**31 - 1, np.int32), (2**31, np.int64), (2**40, np.int64)]
)
def test_fault_061_row_dtype_changes_at_the_int32_boundary(num, dtype):
    assert row_dtype(num) == dtype


def test_fault_062_timestamps_dates_and_declared_integers_agree():
    day = datetime(2020, 5, 17, tzinfo=UTC)
    seconds = int(day.timestamp())
    forms = [
        (pa.array([day.replace(tzinfo=None)], pa.timestamp("s")), Policies()),
        (pa.array([day], pa.timestamp("ns", "UTC")), Policies()),
        (pa.array([day + timedelta(hours=2)], pa.timestamp("ms", "+02:00")), None),
        (pa.array([date(2020, 5, 17)]), Policies()),
        (pa.array([seconds]), Policies(time_unit="s")),
        (pa.array([seconds * 1000]), Policies(time_unit="ms")),
        (pa.array([seconds * 10**6]), Policies(time_unit="us")),
        (pa.array([seconds * 10**9]), Policies(time_unit="ns")),
    ]
    for column, policies in forms:
        if policies is None:
            continue
        graph = make({"src": ["u1"], "dst": [10], "time": column}, policies)
        assert graph[BUYS].times.tolist() == [seconds * 10**6]


@pytest.mark.parametrize(
    "times",
    [
        pa.array([1_589_673_600]),
        pa.array(["2020-05-17"]),
        pa.array([None], pa.timestamp("us")),
        pa.array([1.5]),
    ],
)
def test_fault_062_undeclared_units_and_other_types_are_refused(times):
    with pytest.raises(GraphError) as caught:
        make({"src": ["u1"], "dst": [10], "time": times})
    assert caught.value.field == "time"


def test_fault_062_future_times_are_refused_or_declared():
    seconds = int(datetime(2020, 5, 17, tzinfo=UTC).timestamp())
    edges = {"src": ["u1"], "dst": [10], "time": [seconds * 1000]}
    with pytest.raises(GraphError, match="after now"):
        make(edges, Policies(time_unit="s"))
    kept = make(edges, Policies(time_unit="s", future_times="keep"))
    assert kept.num_edges() == 1


def test_ids_of_an_edge_are_not_converted_to_the_nodes_kind():
    with pytest.raises(GraphError, match="never converted"):
        make({"src": ["u1"], "dst": ["10"]})


def test_unknown_types_list_the_known():
    graph = make({"src": ["u1"], "dst": [10]})
    with pytest.raises(UnknownName, match="known: user"):
        graph.ids("usr")
    with pytest.raises(UnknownName, match="user-buys-product"):
        graph[EdgeType("user", "buy", "product")]
    with pytest.raises(UnknownName):
        make({"src": [], "dst": []}, edge_type=EdgeType("user", "at", "shop"))
    with pytest.raises(UnknownName, match="product-~buys-user"):
        graph.neighbors("product", 10, BUYS)
    with pytest.raises(ConfigError, match="known: keep"):
        Policies(parallel_edges="kep")


def test_arrays_of_a_graph_cannot_be_written():
    graph = make({"src": ["u1"], "dst": [10], "weight": [1.0]})
    for array in (graph[BUYS].offsets, graph[BUYS].neighbors, graph[BUYS].weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
