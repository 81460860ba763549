"""Graphs in and out of NetworkX, PyTorch Geometric, SciPy, pandas and polars."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data, HeteroData

from graphemb.errors import ConfigError, GraphError
from graphemb.graph import HeteroGraph, Policies
from graphemb.interop import from_networkx, from_pyg, from_scipy, to_networkx, to_pyg, to_scipy
from graphemb.types import EdgeType

BUYS = EdgeType("user", "buys", "product")
KNOWS = EdgeType("user", "knows", "user")
TO = EdgeType("node", "to", "node")


@pytest.fixture
def shop() -> HeteroGraph:
    """Two types that share the id "1"; weights, times, columns with nulls, an isolated node."""
    day = 86_400_000_000
    return HeteroGraph.from_tables(
        {
            "user": {"id": ["1", "007", "NA"], "country": ["NL", None, "FR"], "age": [30, 41, 5]},
            "product": {"id": ["1", "p2"], "price": [9.5, None]},
        },
        {
            BUYS: {
                "src": ["1", "007", "1"],
                "dst": ["p2", "1", "1"],
                "weight": [2.0, 0.5, 1.0],
                "time": pa.array([day, 2 * day, 3 * day], pa.timestamp("us", "UTC")),
                "channel": ["web", None, "shop"],
            },
            KNOWS: {"src": ["1"], "dst": ["007"], "since": [2011]},
        },
    )


class TestNetworkX:
    def test_a_round_trip_keeps_the_content(self, shop: HeteroGraph) -> None:
        assert from_networkx(to_networkx(shop)).fingerprint == shop.fingerprint

    def test_nodes_of_several_types_are_told_apart(self, shop: HeteroGraph) -> None:
        out = to_networkx(shop)
        assert sorted(out) == ["product:1", "product:p2", "user:007", "user:1", "user:NA"]
        assert out.nodes["user:007"] == {"node_type": "user", "id": "007", "age": 41}
        edge = out.get_edge_data("user:1", "product:p2")[0]
        assert edge["relation"] == "buys"
        assert edge["weight"] == 2.0
        assert edge["time"].isoformat() == "1970-01-02T00:00:00+00:00"

    def test_one_node_type_keeps_its_ids(self) -> None:
        graph = HeteroGraph.from_tables({"node": {"id": [5, 3]}}, {TO: {"src": [5], "dst": [3]}})
        assert list(to_networkx(graph)) == [5, 3]

    def test_an_untyped_graph_gets_one_type(self) -> None:
        karate = nx.karate_club_graph()
        graph = from_networkx(karate, node_type="person", relation="knows")
        assert graph.edge_types == (EdgeType("person", "knows", "person"),)
        assert graph.num_nodes("person") == 34
        assert graph.num_edges() == 78
        assert graph.columns("person").column_names == ["club"]
        ours = graph.homogeneous().to_scipy()
        assert abs(ours - nx.to_scipy_sparse_array(karate)).max() == 0

    def test_undirected_edges_of_one_kind_share_a_direction(self) -> None:
        known = nx.Graph()
        known.add_node("u", node_type="user")
        known.add_node("p", node_type="product")
        known.add_node("v", node_type="user")
        known.add_edge("u", "p", relation="buys")
        known.add_edge("p", "v", relation="buys")
        graph = from_networkx(known)
        assert graph.edge_types == (BUYS,)
        assert graph.neighbors("product", "p", BUYS.reverse) == ["u", "v"]

    def test_parallel_edges_stay_and_policies_apply(self) -> None:
        multi = nx.MultiDiGraph([("a", "b", {"weight": 1.0}), ("a", "b", {"weight": 2.0})])
        assert from_networkx(multi).num_edges(TO) == 2
        summed = from_networkx(multi, policies=Policies(parallel_edges="sum"))
        assert summed[TO].weights is not None
        assert summed[TO].weights.tolist() == [3.0]

    @pytest.mark.parametrize(
        ("nodes", "named"),
        [
            (["a", ("b", 1)], "('b', 1)"),
            ([1, 2, 2.5], "2.5"),
            (["a", 7], "7"),
            ([1, "x"], "'x'"),
            ([True, False], "True"),
            ([frozenset({1})], "frozenset({1})"),
        ],
    )
    def test_fault_059_odd_nodes_are_refused_by_name(self, nodes: list[Any], named: str) -> None:
        odd = nx.DiGraph()
        odd.add_nodes_from(nodes)
        with pytest.raises(GraphError) as refused:
            from_networkx(odd)
        assert refused.value.value == named
        assert refused.value.field == "id"

    def test_fault_059_a_none_node_is_refused(self) -> None:
        odd = nx.DiGraph([("a", "b")])
        odd._node[None], odd._adj[None], odd._pred[None] = {}, {}, {}  # as a broken pickle has it
        with pytest.raises(GraphError, match="not NoneType"):
            from_networkx(odd)

    def test_odd_nodes_pass_with_an_id_of_their_own(self) -> None:
        grid = nx.grid_2d_graph(2, 2)
        for row, column in grid:
            grid.nodes[row, column]["id"] = f"{row}/{column}"
        graph = from_networkx(grid)
        assert graph.ids("node").to_list() == ["0/0", "0/1", "1/0", "1/1"]
        assert graph.num_edges() == 4

    def test_a_type_on_some_nodes_only_is_refused(self) -> None:
        half = nx.DiGraph([("a", "b")])
        half.nodes["a"]["node_type"] = "user"
        with pytest.raises(GraphError, match="1 of 2 nodes have no attribute 'node_type'"):
            from_networkx(half)

    def test_an_attribute_of_mixed_types_is_refused(self) -> None:
        mixed = nx.DiGraph()
        mixed.add_node("a", size=1)
        mixed.add_node("b", size="large")
        with pytest.raises(GraphError) as refused:
            from_networkx(mixed)
        assert refused.value.field == "size"

    def test_an_attribute_called_src_is_refused(self) -> None:
        taken = nx.DiGraph([("a", "b", {"src": 1})])
        with pytest.raises(GraphError, match="cannot be called 'src'"):
            from_networkx(taken)

    def test_fault_056_a_weight_on_some_edges_only_is_refused(self) -> None:
        some = nx.DiGraph([("a", "b", {"weight": 2.0}), ("b", "a")])
        with pytest.raises(GraphError, match="1 edges have no weight"):
            from_networkx(some)
        graph = from_networkx(some, policies=Policies(missing_weight=1.0))
        assert graph[TO].weights is not None
        assert graph[TO].weights.tolist() == [2.0, 1.0]

    @settings(max_examples=30)
    @given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=30))
    def test_any_directed_graph_comes_back(self, pairs: list[tuple[int, int]]) -> None:
        before = nx.MultiDiGraph()
        before.add_nodes_from(range(-9, 10))
        before.add_edges_from(pairs)
        after = to_networkx(from_networkx(before))
        assert sorted(after.edges()) == sorted(before.edges())
        assert list(after) == list(before)


class TestPyG:
    def test_a_round_trip_keeps_the_content(self) -> None:
        graph = HeteroGraph.from_tables(
            {"user": {"id": ["b", "a"], "age": [3, 4]}, "product": {"id": [7, 5, 9]}},
            {
                BUYS: {
                    "src": ["a", "b"],
                    "dst": [5, 7],
                    "weight": [2.0, 1.0],
                    "time": pa.array([1, 2], pa.timestamp("us", "UTC")),
                    "returned": [True, False],
                }
            },
        )
        data, ids = to_pyg(graph)
        assert data.validate()
        assert ids["product"].to_list() == [7, 5, 9]
        assert data["product"].num_nodes == 3
        assert data["user"].age.tolist() == [3, 4]
        assert data[tuple(BUYS)].edge_index.tolist() == [[0, 1], [0, 1]]
        assert data[tuple(BUYS)].edge_weight.tolist() == [1.0, 2.0]
        assert data[tuple(BUYS)].time.tolist() == [2, 1]
        assert from_pyg(data, ids).fingerprint == graph.fingerprint

    def test_text_is_left_out_and_nulls_are_nan(self, shop: HeteroGraph) -> None:
        data, _ = to_pyg(shop)
        assert "country" not in data["user"]
        price = data["product"].price
        assert price[0] == 9.5
        assert torch.isnan(price[1])

    def test_features_become_a_column_of_lists_and_come_back(self) -> None:
        data = HeteroData()
        data["user"].x = torch.arange(6, dtype=torch.float32).reshape(3, 2)
        data["user"].y = torch.tensor([1, 0, 1])
        data["user", "knows", "user"].edge_index = torch.tensor([[0, 2], [1, 0]])
        data["user", "knows", "user"].edge_attr = torch.ones(2, 4)
        graph = from_pyg(data)
        assert graph.ids("user").to_list() == [0, 1, 2]
        assert graph.columns("user")["x"].to_pylist() == [[0, 1], [2, 3], [4, 5]]
        assert graph[KNOWS].weights is None
        assert graph.edge_columns(KNOWS)["edge_attr"].to_pylist() == [[1.0] * 4] * 2
        again, _ = to_pyg(graph)
        assert torch.equal(again["user"].x, data["user"].x)
        assert again["user"].x.dtype == torch.float32

    def test_homogeneous_data_is_one_node_type(self) -> None:
        data = Data(edge_index=torch.tensor([[0, 1], [1, 2]]), num_nodes=4)
        data.edge_attr = torch.tensor([[0.5], [2.0]])
        graph = from_pyg(data)
        assert graph.num_nodes("node") == 4
        assert graph[TO].weights is not None
        assert graph[TO].weights.tolist() == [0.5, 2.0]

    def test_fault_052_a_size_nobody_gave_is_refused(self) -> None:
        with pytest.raises(GraphError, match="how many nodes"):
            from_pyg(Data(edge_index=torch.tensor([[0], [1]])))

    @pytest.mark.parametrize(
        "index",
        [
            torch.tensor([[0.0, 1.0], [1.0, 0.0]]),
            torch.tensor([[0, -1], [1, 0]]),
            torch.tensor([[0, 1], [1, 3]]),
            torch.tensor([[0, 1, 2]]),
            torch.tensor([0, 1]),
            torch.tensor([[True, False], [True, True]]),
        ],
        ids=["float", "negative", "past the end", "one row", "flat", "bool"],
    )
    def test_fault_060_a_bad_edge_index_is_refused(self, index: torch.Tensor) -> None:
        data = HeteroData()
        data["node"].num_nodes = 3
        data["node", "to", "node"].edge_index = index
        with pytest.raises(GraphError) as refused:
            from_pyg(data)
        assert refused.value.code in ("edge_index", "row_range")
        assert refused.value.source == "node-to-node"

    def test_ids_that_do_not_fit_are_refused(self) -> None:
        data = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2)
        with pytest.raises(GraphError, match="2 ids are wanted"):
            from_pyg(data, {"node": ["a", "b", "c"]})

    def test_fault_062_integer_times_need_their_unit(self) -> None:
        data = HeteroData()
        data["node"].num_nodes = 2
        data["node", "to", "node"].edge_index = torch.tensor([[0], [1]])
        data["node", "to", "node"].time = torch.tensor([3])
        with pytest.raises(GraphError, match="times must be"):
            from_pyg(data)
        times = from_pyg(data, policies=Policies(time_unit="s"))[TO].times
        assert times is not None
        assert times.tolist() == [3_000_000]


class TestSciPy:
    @settings(max_examples=30)
    @given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=5, max_size=5))
    def test_a_round_trip_keeps_the_matrix(self, rows: list[list[int]]) -> None:
        matrix = sp.csr_array(np.array(rows, np.float32))
        graph = from_scipy(matrix)
        assert np.array_equal(to_scipy(graph).toarray(), matrix.toarray())
        assert graph.ids("node").to_list() == [0, 1, 2, 3, 4]

    def test_a_rectangular_matrix_joins_two_types(self) -> None:
        matrix = sp.coo_matrix(([2.0], ([1], [2])), shape=(2, 3))
        ids = {"user": ["a", "b"], "product": [10, 20, 30]}
        graph = from_scipy(matrix, edge_type=BUYS, ids=ids)
        assert graph.neighbors("user", "b", BUYS) == [30]
        assert to_scipy(graph, BUYS.reverse).shape == (3, 2)
        with pytest.raises(ConfigError, match="joins two node types"):
            from_scipy(matrix)

    def test_a_boolean_matrix_has_no_weights(self) -> None:
        assert from_scipy(sp.eye_array(3, dtype=bool, format="csr"))[TO].weights is None

    def test_a_stored_zero_is_dropped_and_counted(self) -> None:
        matrix = sp.coo_matrix(([0.0, 1.0], ([0, 1], [1, 0])), shape=(2, 2))
        graph = from_scipy(matrix)
        assert graph.num_edges() == 1
        assert any("weight 0 dropped" in note for note in graph.notes)

    def test_fault_058_a_row_past_the_end_is_refused(self) -> None:
        matrix = sp.csr_array(np.eye(3, dtype=np.float32))
        matrix.indices[1] = 9
        with pytest.raises(GraphError) as refused:
            from_scipy(matrix)
        assert refused.value.code == "row_range"
        assert "9 exceeds" in str(refused.value)

    def test_fault_055_a_nan_is_refused(self) -> None:
        with pytest.raises(GraphError, match="weights are not finite"):
            from_scipy(sp.coo_matrix(([np.nan], ([0], [1])), shape=(2, 2)))

    @pytest.mark.parametrize("odd", [np.eye(2), sp.eye_array(2, dtype=complex), "matrix", None])
    def test_what_is_no_real_sparse_matrix_is_refused(self, odd: Any) -> None:
        with pytest.raises(GraphError, match="sparse matrix of real numbers"):
            from_scipy(odd)

    def test_the_edge_type_must_be_clear(self, shop: HeteroGraph) -> None:
        with pytest.raises(ConfigError, match="2 edge types") as refused:
            to_scipy(shop)
        assert "user-buys-product" in str(refused.value)

    def test_ids_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(GraphError, match="3 ids are wanted"):
            from_scipy(sp.eye_array(3), ids=["a"])


class TestTables:
    @pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table, dict])
    def test_every_kind_of_table_makes_the_same_graph(self, frame: Any) -> None:
        users = {"id": ["007", "b"], "age": [1, 2]}
        products = {"id": [3, 4]}
        buys = {"src": ["b", "007"], "dst": [3, 4], "weight": [1.0, 2.0]}
        graph = HeteroGraph.from_tables(
            {"user": frame(users), "product": frame(products)}, {BUYS: frame(buys)}
        )
        plain = HeteroGraph.from_tables({"user": users, "product": products}, {BUYS: buys})
        assert graph.fingerprint == plain.fingerprint
        assert graph.ids("user").to_list() == ["007", "b"]

    def test_methods_of_the_graph_lead_here(self, shop: HeteroGraph) -> None:
        assert HeteroGraph.from_networkx(shop.to_networkx()).fingerprint == shop.fingerprint
        data, ids = shop.to_pyg()
        assert HeteroGraph.from_pyg(data, ids).num_edges() == shop.num_edges()
        assert HeteroGraph.from_scipy(sp.eye_array(3)).num_edges() == 3
