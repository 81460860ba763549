"""What a spec and an address may be, and what `load_graph` makes of answers."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb import EdgeType, GraphSpec, Policies, load_graph
from graphemb.errors import (
    ConfigError,
    EmptySource,
    GraphEmbError,
    GraphError,
    MemoryLimit,
    SourceError,
    UnknownName,
    UnknownNode,
)
from graphemb.source import LoadEvent, Query, Source, loaders, open_loader

BUYS = EdgeType("user", "buys", "product")
USERS = "LOAD FROM 'users.parquet' RETURN id"
PRODUCTS = "LOAD FROM 'products.parquet' RETURN id"
ORDERS = "LOAD FROM 'orders.parquet' RETURN user AS src, product AS dst, qty AS weight, at AS time"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    pq.write_table(pa.table({"id": ["u1", "u2", "007"]}), tmp_path / "users.parquet")
    pq.write_table(pa.table({"id": [10, 20]}), tmp_path / "products.parquet")
    orders = {
        "user": ["u1", "u1", "007"],
        "product": [10, 20, 10],
        "qty": [1.0, 2.0, 3.0],
        "at": pa.array([1, 2, 3], pa.timestamp("us")),
        "note": ["a", None, "c"],
    }
    pq.write_table(pa.table(orders), tmp_path / "orders.parquet")
    pq.write_table(pa.table(orders).slice(0, 0), tmp_path / "none.parquet")
    return tmp_path


def spec(**changes: str) -> GraphSpec:
    return GraphSpec(
        {"user": changes.get("user", USERS), "product": changes.get("product", PRODUCTS)},
        {BUYS: changes.get("buys", ORDERS)},
    )


def test_a_spec_reads_as_its_toml_tables() -> None:
    text = """
    [nodes]
    user = "MATCH (u:User) WHERE u.country = $country RETURN u.id AS id ;"
    product = "MATCH (p:Product) RETURN p.id AS id"
    [edges]
    "user-buys-product" = "MATCH (u)-[:BUYS]->(p) RETURN u.id AS src, p.id AS dst"
    [parameters]
    country = "DE"
    """
    made = GraphSpec(**tomllib.loads(text))
    assert [query.name for query in made.queries] == [
        "nodes.user",
        "nodes.product",
        "edges.user-buys-product",
    ]
    assert made.edges == {BUYS: "MATCH (u)-[:BUYS]->(p) RETURN u.id AS src, p.id AS dst"}
    assert made.nodes["user"].endswith("AS id"), "the closing semicolon is dropped"
    assert GraphSpec(**made.to_dict()) == made


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"nodes": {}}, "at least one node type"),
        ({"nodes": {"user": "  "}}, "nodes.user"),
        ({"nodes": {"user": 7}}, "nodes.user"),
        ({"nodes": {"us-er": "x"}}, "us-er"),
        ({"nodes": {"user": "x"}, "edges": {"user-buys": "x"}}, "user-buys"),
        ({"nodes": {"user": "x"}, "edges": {"user-~knows-user": "x"}}, "user-knows-user"),
        ({"nodes": {"user": "x"}, "parameters": {"a b": 1}}, "a b"),
        ({"nodes": {"user": "$part"}, "parameters": {"part": 1}}, "set by the loader"),
        ({"nodes": {"user": "$a"}, "parameters": {"a": {"b": 1}}}, "parameters.a"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("~", ".")):
        GraphSpec(**fields)  # type: ignore[arg-type]


def test_an_edge_type_of_an_unknown_node_type_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'product'"):
        GraphSpec({"user": "x", "product": "x"}, {"user-buys-prodct": "x"})  # type: ignore[dict-item]


def test_a_parameter_that_no_query_uses_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'country'"):
        GraphSpec({"user": "RETURN $country AS id"}, parameters={"contry": "DE"})


@given(st.text(max_size=8))
def test_no_text_makes_a_spec_fail_other_than_by_our_error(text: str) -> None:
    with suppress(GraphEmbError):
        GraphSpec({text: text}, {text: text}, {text: text})  # type: ignore[dict-item]


def test_fault_107_an_address_with_a_login_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        Source("neo4j://alice:secret@localhost:7687")
    assert "secret" not in str(caught.value) and "alice" not in str(caught.value)
    assert "NEO4J_PASSWORD" in str(caught.value)


@pytest.mark.parametrize("uri", ["", "shop.lbug", "://x", "1:2"])
def test_an_address_without_a_scheme_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="name of a loader"):
        Source(uri)


def test_fault_107_an_unknown_scheme_names_the_nearest() -> None:
    assert {"ladybug", "neo4j"} <= set(loaders())
    with pytest.raises(UnknownName, match="did you mean 'ladybug'"):
        open_loader("ladybird:shop.lbug")


@pytest.mark.parametrize("scheme", ["neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc"])
def test_every_scheme_of_neo4j_finds_its_loader(scheme: str) -> None:
    assert type(open_loader(f"{scheme}://localhost:7687")).__name__ == "Neo4jLoader"


def test_a_graph_is_what_the_files_say(shop: Path) -> None:
    graph = load_graph("ladybug::memory:", spec(), root=shop)
    assert list(graph.ids("user")) == ["007", "u1", "u2"]
    assert list(graph.ids("product")) == [10, 20]
    assert graph.edge_table(BUYS).to_pydict() == {
        "src": ["007", "u1", "u1"],
        "dst": [10, 10, 20],
        "weight": [3.0, 1.0, 2.0],
        "time": graph.edge_table(BUYS)["time"].to_pylist(),
    }
    assert graph[BUYS].times is not None and graph[BUYS].times.tolist() == [3, 1, 2]


def test_nodes_stand_in_the_order_of_their_ids_whatever_a_query_says(shop: Path) -> None:
    ways = [f"{spec().nodes['user']} ORDER BY id {way}" for way in ("", "DESC")]
    graphs = [load_graph("ladybug::memory:", GraphSpec({"user": text}), root=shop) for text in ways]
    assert [list(graph.ids("user")) for graph in graphs] == [["007", "u1", "u2"]] * 2


def test_columns_besides_the_named_ones_are_kept(shop: Path) -> None:
    graph = load_graph("ladybug::memory:", spec(buys=ORDERS + ", note AS note"), root=shop)
    assert graph.edge_columns(BUYS)["note"].to_pylist() == ["c", "a", None]


def test_policies_are_passed_on(shop: Path) -> None:
    few = spec(user="LOAD FROM 'users.parquet' WHERE id = 'u1' RETURN id")
    with pytest.raises(UnknownNode, match="007"):
        load_graph("ladybug::memory:", few, root=shop)
    graph = load_graph("ladybug::memory:", few, root=shop, policies=Policies(unknown_nodes="drop"))
    assert graph.num_edges() == 2
    assert any("dropped" in note for note in graph.notes)


def test_progress_tells_rows_per_second_of_every_query(shop: Path) -> None:
    events: list[LoadEvent] = []
    load_graph("ladybug::memory:", spec(), root=shop, on_progress=events.append)
    last = {event.query: event for event in events}
    assert {name: event.rows for name, event in last.items()} == {
        "nodes.user": 3,
        "nodes.product": 2,
        "edges.user-buys-product": 3,
    }
    assert all(event.rows_per_second > 0 and event.total == event.rows for event in last.values())


def test_parameters_reach_the_query_that_uses_them(shop: Path) -> None:
    only = GraphSpec(
        {"user": USERS + " ORDER BY id LIMIT 2", "product": PRODUCTS},
        {BUYS: ORDERS.replace("RETURN", "WHERE qty >= $least RETURN")},
        {"least": 3.0},
    )
    assert load_graph("ladybug::memory:", only, root=shop).num_edges() == 1


@pytest.mark.parametrize(
    ("query", "expected", "nearest"),
    [
        ("LOAD FROM 'orders.parquet' RETURN user AS source, product AS dst", "src", "source"),
        ("LOAD FROM 'orders.parquet' RETURN user AS src, product AS dest", "dst", "dest"),
    ],
)
def test_fault_046_a_column_misspelt_is_named_with_the_nearest(
    shop: Path, query: str, expected: str, nearest: str
) -> None:
    with pytest.raises(SourceError) as caught:
        load_graph("ladybug::memory:", spec(buys=query), root=shop)
    assert caught.value.code == "missing_column"
    assert caught.value.field == expected
    assert f"nearest: '{nearest}'" in str(caught.value)
    assert "expected: src, dst" in str(caught.value)


def test_fault_046_a_column_twice_is_refused() -> None:
    with pytest.raises(SourceError, match="stands twice"):
        Query("user", "x").check_columns(["id", "name", "name"])


@pytest.mark.parametrize("target", ["user", "user-buys-product"])
def test_fault_049_no_rows_are_refused_unless_allowed(shop: Path, target: str) -> None:
    empty = {
        "user": spec(user="LOAD FROM 'none.parquet' RETURN user AS id"),
        "user-buys-product": spec(buys=ORDERS.replace("orders", "none")),
    }[target]
    with pytest.raises(EmptySource) as caught:
        load_graph("ladybug::memory:", empty, root=shop)
    assert f"allow_empty=['{target}']" in str(caught.value)
    if target == "user":  # edges of users who are not there
        return
    graph = load_graph("ladybug::memory:", empty, root=shop, allow_empty=[target])
    assert graph.num_edges(BUYS) == 0
    assert graph.num_nodes("user") == 3


def test_fault_049_what_may_be_empty_must_be_in_the_spec(shop: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'user'"):
        load_graph("ladybug::memory:", spec(), root=shop, allow_empty=["usr"])


def test_fault_047_a_nested_column_is_refused(tmp_path: Path) -> None:
    table = pa.table({"id": ["a"], "where": [{"lat": 1.0, "lon": 2.0}]})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="each as a column of its own"):
        load_graph(
            "ladybug::memory:", GraphSpec({"x": "LOAD FROM 'x.parquet' RETURN *"}), root=tmp_path
        )


def test_fault_048_rows_beyond_the_budget_are_refused(shop: Path) -> None:
    with pytest.raises(MemoryLimit, match="max_rows"):
        load_graph(Source("ladybug::memory:", max_rows=2), spec(), root=shop)


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (pa.array(["a", None]), "null_id"),
        (pa.array(["a", ""]), "empty_id"),
        (pa.array(["a", "a"]), "doubled_id"),
        (pa.array([1.0, 2.0]), "id_type"),
        (pa.array([[1], [2]]), "id_type"),
        (pa.array(["a", "x" * 70_000]), "long_id"),
    ],
)
def test_fault_039_ids_that_cannot_be_are_refused_with_their_row(
    tmp_path: Path, column: pa.Array, code: str
) -> None:
    pq.write_table(pa.table({"id": column}), tmp_path / "x.parquet")
    with pytest.raises(GraphError) as caught:
        load_graph(
            "ladybug::memory:", GraphSpec({"x": "LOAD FROM 'x.parquet' RETURN id"}), root=tmp_path
        )
    assert caught.value.code == code
    assert caught.value.row == (0 if code == "id_type" else 1)


def test_fault_040_ids_and_ends_of_another_type_are_never_matched(shop: Path) -> None:
    text = spec(product="LOAD FROM 'products.parquet' RETURN CAST(id, 'STRING') AS id")
    with pytest.raises(GraphError, match="ids are never converted"):
        load_graph("ladybug::memory:", text, root=shop)


def test_fault_041_one_id_in_two_node_types_is_two_nodes(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1", "2"]}), tmp_path / "x.parquet")
    query = "LOAD FROM 'x.parquet' RETURN id"
    graph = load_graph("ladybug::memory:", GraphSpec({"a": query, "b": query}), root=tmp_path)
    assert graph.num_nodes("a") == graph.num_nodes("b") == 2
    assert graph.num_nodes() == 4


def test_fault_055_bad_weights_are_refused_with_their_row(tmp_path: Path) -> None:
    for bad in (float("nan"), float("inf"), -1.0):
        table = pa.table({"src": ["a", "a"], "dst": ["a", "a"], "weight": [1.0, bad]})
        pq.write_table(table, tmp_path / "e.parquet")
        nodes = {"x": "UNWIND ['a'] AS id RETURN id"}
        edges = {EdgeType("x", "to", "x"): "LOAD FROM 'e.parquet' RETURN *"}
        with pytest.raises(GraphError) as caught:
            load_graph("ladybug::memory:", GraphSpec(nodes, edges), root=tmp_path)
        assert (caught.value.field, caught.value.row) == ("weight", 1)


def test_fault_062_integer_times_need_their_unit(tmp_path: Path) -> None:
    table = pa.table({"src": ["a"], "dst": ["a"], "time": [1_600_000_000]})
    pq.write_table(table, tmp_path / "e.parquet")
    made = GraphSpec(
        {"x": "UNWIND ['a'] AS id RETURN id"},
        {EdgeType("x", "to", "x"): "LOAD FROM 'e.parquet' RETURN *"},
    )
    with pytest.raises(GraphError, match="time_unit"):
        load_graph("ladybug::memory:", made, root=tmp_path)
    graph = load_graph("ladybug::memory:", made, root=tmp_path, policies=Policies(time_unit="s"))
    times = graph[EdgeType("x", "to", "x")].times
    assert times is not None and times.tolist() == [1_600_000_000_000_000]
