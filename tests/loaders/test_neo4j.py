"""Neo4j, against a real server: columns, types, parts, and what the server must not be asked."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from graphemb import EdgeType, GraphSpec, HeteroGraph, load_graph, write_graph
from graphemb.errors import (
    ConfigError,
    ConnectionFailed,
    EmptySource,
    GraphEmbError,
    GraphError,
    MemoryLimit,
    SourceError,
)
from graphemb.source import LoadEvent, Source, answer_sizes, open_loader, spec_of
from graphemb.testing import awkward, communities
from graphemb_loaders.neo4j import read as reading
from graphemb_loaders.neo4j.connection import Connection
from graphemb_loaders.neo4j.plan import _foreign_operators
from tests.loaders.conftest import Database

pytestmark = pytest.mark.neo4j


def read(source: str | Source, query: str, **parameters: Any) -> HeteroGraph:
    return load_graph(source, GraphSpec({"user": query}, parameters=parameters))


def refused(source: str | Source, query: str) -> GraphEmbError:
    with pytest.raises(GraphEmbError) as caught:
        read(source, query)
    return caught.value


def renamed(graph: HeteroGraph, database: Database) -> HeteroGraph:
    """The same graph under names of this test's own."""
    return HeteroGraph.from_tables(
        {database.label(name): graph.node_table(name) for name in graph.node_types},
        {
            EdgeType(database.label(one.src), one.relation, database.label(one.dst)): (
                graph.edge_table(one)
            )
            for one in graph.edge_types
        },
    )


def read_back(graph: HeteroGraph, uri: str) -> HeteroGraph:
    empty = [one for one in graph.edge_types if not graph.num_edges(one)]
    return load_graph(uri, spec_of(graph, uri), allow_empty=empty)


class TestValues:
    QUERY = """
    UNWIND range(1, 2500) AS n
    RETURN n AS id,
      n / 2.0 AS half,
      'text ' + n AS text,
      n % 2 = 0 AS even,
      date('1960-01-01') + duration({days: n}) AS day,
      datetime('1969-12-31T23:59:59.999999+02:00') + duration({seconds: n}) AS zoned,
      localdatetime('1969-12-31T23:59:59.999999') + duration({seconds: n}) AS local,
      CASE WHEN n % 3 = 0 THEN n END AS some,
      CASE WHEN n > 2000 THEN datetime('2020-01-01T00:00:00.5Z') END AS late,
      CASE WHEN n > 2000 THEN 1.5 ELSE 1 END AS mixed,
      CASE WHEN n = 1 THEN [] ELSE [n, n + 1] END AS list,
      null AS nothing
    """

    def test_every_type_is_the_same_in_columns_and_in_records(
        self, neo4j_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        graph = read(neo4j_uri, self.QUERY)
        columns = graph.columns("user")
        first = columns.slice(0, 1).to_pylist()[0]
        assert columns.num_rows == 2500
        assert first["half"] == 0.5 and first["text"] == "text 1" and first["even"] is False
        assert str(first["day"]) == "1960-01-02"
        assert str(first["zoned"]) == "1969-12-31 22:00:00.999999+00:00"
        assert str(first["local"]) == "1970-01-01 00:00:00.999999"
        assert columns["some"].null_count == 2500 - 833
        assert columns["late"].null_count == 2000 and columns["late"][2400].is_valid
        assert columns["mixed"].type == pa.float64()
        assert columns["list"].slice(0, 2).to_pylist() == [[], [2, 3]]
        assert columns["nothing"].null_count == 2500
        assert graph.notes == ()

        monkeypatch.setattr(reading, "PART_VALUES", 1)
        monkeypatch.setattr(reading, "WHOLE_VALUES", 1)
        streamed = read(neo4j_uri, self.QUERY)
        assert "record by record" in streamed.notes[0]
        assert streamed.columns("user").equals(columns.replace_schema_metadata(None))
        assert streamed.fingerprint == graph.fingerprint

    def test_a_query_that_cannot_be_wrapped_is_streamed_with_a_note(self, neo4j_uri: str) -> None:
        graph = read(neo4j_uri, "UNWIND [1, 2] AS id RETURN id, id + 1")
        assert "an AS for every column" in graph.notes[0]
        assert graph.columns("user")["id + 1"].to_pylist() == [2, 3]

    @pytest.mark.parametrize("ending", ["// a comment", ";", "/* a comment */ ;  "])
    def test_a_comment_at_the_end_of_a_query_is_no_trouble(
        self, neo4j_uri: str, ending: str
    ) -> None:
        assert read(neo4j_uri, f"UNWIND [1, 2] AS id RETURN id {ending}").notes == ()

    @pytest.mark.parametrize(
        ("value", "says"),
        [
            ("time()", "ZONED TIME"),
            ("duration('P1D')", "DURATION"),
            ("point({x: 1, y: 2})", "POINT"),
            ("{a: 1}", "MAP"),
            ("[[1], [2]]", "LIST<LIST"),
            ("[date()]", "LIST<DATE"),
        ],
    )
    @pytest.mark.parametrize("alias", [" AS x", ""])
    def test_values_that_a_graph_does_not_keep_are_refused(
        self, neo4j_uri: str, value: str, says: str, alias: str
    ) -> None:
        error = refused(neo4j_uri, f"UNWIND [1, 2] AS id RETURN id, {value}{alias}")
        assert error.code == "column_type"
        if alias:
            assert says in str(error)

    def test_fault_040_one_id_column_of_two_types_is_refused(self, neo4j_uri: str) -> None:
        for values in ("[1, '1']", "[1, 1.0]", "range(1, 1500) + ['x']"):
            error = refused(neo4j_uri, f"UNWIND {values} AS id RETURN id")
            assert error.code == "mixed_column", values
        assert refused(neo4j_uri, "UNWIND [1.0] AS id RETURN id").code == "id_type"

    def test_fault_039_null_ids_are_refused_with_their_row(self, neo4j_uri: str) -> None:
        error = refused(neo4j_uri, "UNWIND [1, null, 3] AS id RETURN id")
        assert isinstance(error, GraphError)
        assert (error.code, error.row) == ("null_id", 1)

    def test_fault_062_times_with_and_without_zone_in_one_column_are_refused(
        self, neo4j_uri: str
    ) -> None:
        mixed = "UNWIND [datetime(), localdatetime()] AS t RETURN '1' AS id, t AS t"
        assert refused(neo4j_uri, mixed).code == "mixed_column"


class TestReading:
    def test_a_large_answer_is_read_in_parts_at_once(
        self, neo4j_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        query = "UNWIND range(0, 9999) AS id WITH id WHERE id % $parts = $part RETURN id, id AS x"
        events: list[LoadEvent] = []
        monkeypatch.setattr(reading, "PART_VALUES", 4_000)
        graph = load_graph(neo4j_uri, GraphSpec({"user": query}), on_progress=events.append)
        assert sorted(graph.ids("user")) == list(range(10_000))
        assert graph.columns("user")["x"].to_pylist() == list(graph.ids("user"))
        assert graph.notes == ()
        rows = [event.rows for event in events]
        assert rows[-1] == max(rows) == 10_000 and len(set(rows)) >= 5
        assert events[-1].total == 10_000

    @pytest.mark.parametrize("condition", ["id % $parts <= $part", "id % ($parts + 1) = $part"])
    def test_fault_067_parts_that_overlap_or_leave_rows_out_are_refused(
        self, neo4j_uri: str, monkeypatch: pytest.MonkeyPatch, condition: str
    ) -> None:
        monkeypatch.setattr(reading, "PART_VALUES", 2_000)
        query = f"UNWIND range(0, 9999) AS id WITH id WHERE {condition} RETURN id"
        error = refused(neo4j_uri, query)
        assert error.code == "partial" and "$parts" in str(error)

    def test_a_large_answer_without_parts_is_streamed_with_a_note(
        self, neo4j_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "PART_VALUES", 1_000)
        monkeypatch.setattr(reading, "WHOLE_VALUES", 2_000)
        graph = read(neo4j_uri, "UNWIND range(1, 30000) AS id RETURN id")
        assert sorted(graph.ids("user")) == list(range(1, 30_001))
        assert "use $part and $parts" in graph.notes[0]

    def test_a_refusal_for_memory_is_streamed_with_a_note(self, neo4j_uri: str) -> None:
        if os.environ.get("NEO4J_URI"):
            pytest.skip("the limit of 64 MB per transaction is set on the tests' own server")
        pad = "x" * 900
        query = "UNWIND range(1, 60000) AS id RETURN id, $pad + id AS text"
        graph = read(neo4j_uri, query, pad=pad)
        assert graph.num_nodes() == 60_000
        assert any("no memory" in note for note in graph.notes), graph.notes
        assert graph.columns("user")["text"][59_999].as_py() == pad + "60000"

    def test_fault_048_rows_beyond_the_budget_are_refused(self, neo4j_uri: str) -> None:
        query = "UNWIND range(1, 10000000) AS id RETURN id"
        error = refused(Source(neo4j_uri, max_rows=1_000_000), query)
        assert isinstance(error, MemoryLimit)

    def test_fault_049_no_rows_name_the_label_that_is_not_there(self, database: Database) -> None:
        database.run(f"CREATE (:{database.label('user')} {{id: 1}})")
        label = database.label("usr")
        query = f"MATCH (n:{label}) RETURN n.id AS id, duration({{days: n.age}}).days AS age"
        error = refused(database.uri, query)
        assert isinstance(error, EmptySource)
        assert f"nearest: {database.label('user')}" in str(error)
        assert "type 'n'" not in str(error)

    def test_a_missing_column_is_found_before_anything_is_read(self, neo4j_uri: str) -> None:
        events: list[LoadEvent] = []
        spec = GraphSpec({"a": "UNWIND [1] AS id RETURN id", "b": "RETURN 1 AS ident"})
        with pytest.raises(SourceError, match="nearest: 'ident'"):
            load_graph(neo4j_uri, spec, on_progress=events.append)
        assert events == []

    def test_a_parameter_may_be_a_list(self, neo4j_uri: str) -> None:
        assert read(neo4j_uri, "UNWIND $ids AS id RETURN id", ids=["007", "' OR 1=1 //"]).ids(
            "user"
        ).to_list() == ["' OR 1=1 //", "007"]

    @pytest.mark.parametrize(
        "query",
        [
            "MATCH (n) DETACH DELETE n",
            "CREATE (n:Intruder {id: 1}) RETURN n.id AS id",
            "MERGE (n:Intruder {id: 1}) RETURN n.id AS id",
            "CALL { CREATE (n:Intruder {id: 1}) RETURN n } RETURN n.id AS id",
            "CALL { UNWIND [1] AS i CREATE (:Intruder) } IN TRANSACTIONS RETURN 1 AS id",
            "CREATE INDEX FOR (n:Intruder) ON (n.id)",
            "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line[0] AS id",
            "LOAD CSV FROM 'http://127.0.0.1:1/x' AS line RETURN line[0] AS id",
            "CALL dbms.listConfig() YIELD name RETURN name AS id",
        ],
    )
    def test_fault_066_a_query_that_writes_or_loads_is_refused(
        self, database: Database, query: str
    ) -> None:
        before = database.run("MATCH (n) RETURN count(n)")
        error = refused(database.uri, query)
        assert isinstance(error, SourceError)
        assert error.code in ("write_refused", "query_failed", "missing_column"), str(error)
        assert database.run("MATCH (n) RETURN count(n)") == before

    def test_fault_066_procedures_that_load_are_seen_in_the_plan(self, neo4j_uri: str) -> None:
        assert refused(neo4j_uri, "CALL apoc.load.json('x') YIELD value RETURN value AS id")
        plan = {
            "operatorType": "ProduceResults@neo4j",
            "args": {},
            "children": [
                {"operatorType": "ProcedureCall@neo4j", "args": {"Details": "apoc.load.json($x)"}},
                {"operatorType": "ProcedureCall@neo4j", "args": {"Details": "db.labels()"}},
            ],
        }
        assert _foreign_operators(plan) == ["apoc.load.json($x)"]

    @pytest.mark.parametrize(
        "returned", ["elementId(n) AS id", "id(n) AS id", "e AS id"], ids=["element", "id", "alias"]
    )
    def test_fault_074_internal_ids_are_refused_unless_asked_for(
        self, database: Database, returned: str
    ) -> None:
        label = database.label("user")
        database.run(f"UNWIND range(1, 3) AS i CREATE (:{label} {{id: i}})")
        query = f"MATCH (n:{label}) WITH n, elementId(n) AS e RETURN {returned}"
        assert refused(database.uri, query).code == "internal_id"
        graph = read(Source(database.uri, internal_ids="allow"), query)
        assert graph.num_nodes() == 3
        if returned != "e AS id":
            assert any("a copy will not keep" in note for note in graph.notes)


class TestWriting:
    @pytest.mark.parametrize("make", [communities, awkward])
    def test_a_graph_written_and_read_is_the_same(self, database: Database, make: Any) -> None:
        graph = renamed(make(), database)
        for _ in range(2):
            write_graph(graph, database.uri)
            assert read_back(graph, database.uri).fingerprint == graph.fingerprint

    def test_it_reads_in_parts_what_it_wrote_when_that_is_large(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "PART_VALUES", 100)
        monkeypatch.setattr(reading, "_SAMPLE_ROWS", 20)
        graph = renamed(communities(), database)
        write_graph(graph, database.uri)
        assert any("$parts" in text for text in spec_of(graph, database.uri).edges.values())
        assert read_back(graph, database.uri).fingerprint == graph.fingerprint

    def test_what_others_wrote_stays(self, database: Database) -> None:
        label = database.label("user")
        database.run(f"CREATE (:{label} {{id: 'mine', age: 7}}), (:{label} {{id: 'theirs'}})")
        graph = HeteroGraph.from_tables({label: {"id": ["mine"], "name": ["me"]}}, {})
        write_graph(graph, database.uri)
        found = database.run(f"MATCH (n:{label}) RETURN n.id, n.age, n.name ORDER BY n.id")
        assert found == [["mine", 7, "me"], ["theirs", None, None]]

    def test_fault_041_one_id_in_two_node_types_is_two_nodes(self, database: Database) -> None:
        a, b = database.label("a"), database.label("b")
        to = EdgeType(a, "to", b)
        graph = HeteroGraph.from_tables(
            {a: {"id": ["1"]}, b: {"id": ["1"]}}, {to: {"src": ["1"], "dst": ["1"]}}
        )
        write_graph(graph, database.uri)
        assert database.run(f"MATCH (x:{a})-[:to]->(y:{b}) RETURN x.id, y.id, x = y") == [
            ["1", "1", False]
        ]

    def test_fault_044_strange_ids_are_kept_or_refused_before_writing(
        self, database: Database
    ) -> None:
        label = database.label("user")
        ids = ["a/b?c#d%2e", "..", "\u202eabc", "a\nb", "a\x00b", "x" * 8_000]
        graph = HeteroGraph.from_tables({label: {"id": ids}}, {})
        write_graph(graph, database.uri)
        assert set(read_back(graph, database.uri).ids(label)) == set(ids)
        long = HeteroGraph.from_tables({label: {"id": ["new", "x" * 60_000]}}, {})
        with pytest.raises(ConfigError) as caught:
            write_graph(long, database.uri)
        assert (caught.value.code, caught.value.row) == ("long_id", 1)
        assert database.run(f"MATCH (n:{label}) RETURN count(n)") == [[len(ids)]]

    @pytest.mark.parametrize("name", ["a`b", "a'b", 'a"b', "a`) DETACH DELETE n //", "$x", "``"])
    def test_fault_064_a_column_name_is_quoted(self, database: Database, name: str) -> None:
        label = database.label("user")
        database.run(f"CREATE (:{database.label('other')} {{id: 1}})")
        before = database.run("MATCH (n) RETURN count(n)")[0][0]
        graph = HeteroGraph.from_tables({label: {"id": ["1"], name: ["kept"]}}, {})
        write_graph(graph, database.uri)
        assert database.run(f"MATCH (n:{label}) RETURN properties(n)") == [
            [{"id": "1", name: "kept"}]
        ]
        assert read_back(graph, database.uri).columns(label).to_pydict() == {name: ["kept"]}
        assert database.run("MATCH (n) RETURN count(n)")[0][0] == before + 1

    def test_fault_064_a_column_name_with_an_escape_is_refused(self, database: Database) -> None:
        label = database.label("user")
        name = "a\\u0060) DETACH DELETE (n) //"
        graph = HeteroGraph.from_tables({label: {"id": ["1"], name: ["x"]}}, {})
        before = database.run("MATCH (n) RETURN count(n)")
        with pytest.raises(ConfigError):
            write_graph(graph, database.uri)
        assert database.run("MATCH (n) RETURN count(n)") == before

    @pytest.mark.parametrize(
        "column",
        [
            pa.array([{"a": 1}]),
            pa.array([b"x"]),
            pa.array([[1, None]]),
            pa.array([[[1]]]),
            pa.array([2**63], pa.uint64()),
        ],
        ids=["struct", "binary", "null in list", "nested list", "uint64"],
    )
    def test_a_column_that_cannot_be_kept_is_refused_before_writing(
        self, database: Database, column: pa.Array
    ) -> None:
        label = database.label("user")
        graph = HeteroGraph.from_tables(
            {database.label("first"): {"id": [1]}, label: {"id": ["1"], "x": column}}, {}
        )
        with pytest.raises(ConfigError) as caught:
            write_graph(graph, database.uri)
        assert (caught.value.code, caught.value.field) == ("column_type", "x")
        assert database.run(f"MATCH (n:{database.label('first')}) RETURN count(n)") == [[0]]

    def test_doubles_of_a_key_are_an_error_that_says_so(self, database: Database) -> None:
        label = database.label("user")
        database.run(f"CREATE (:{label} {{id: 1}}), (:{label} {{id: 1}})")
        graph = HeteroGraph.from_tables({label: {"id": [1]}}, {})
        with pytest.raises(SourceError) as caught:
            write_graph(graph, database.uri)
        assert label in str(caught.value)


class TestLogin:
    def test_fault_070_a_wrong_password_is_not_shown(
        self,
        neo4j_uri: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setenv("NEO4J_PASSWORD", "sesame-open-7")
        caplog.set_level(logging.DEBUG)
        with pytest.raises(ConnectionFailed) as caught:
            read(neo4j_uri, "RETURN 1 AS id")
        assert caught.value.code == "login"
        assert "NEO4J_PASSWORD" in str(caught.value)
        chain: BaseException | None = caught.value
        while chain is not None:
            assert "sesame" not in repr(chain) + str(chain)
            chain = chain.__cause__ or chain.__context__
        assert "sesame" not in caplog.text

    def test_fault_107_the_password_is_in_no_repr_and_no_log(
        self, neo4j_uri: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        password = os.environ["NEO4J_PASSWORD"]
        loader = open_loader(neo4j_uri)
        read(neo4j_uri, "RETURN 1 AS id")
        shown = repr(Source(neo4j_uri)) + repr(loader) + repr(vars(loader)) + caplog.text
        assert password and password not in shown

    def test_the_login_may_be_under_other_names(
        self, neo4j_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SHOP_USER", os.environ["NEO4J_USERNAME"])
        monkeypatch.setenv("SHOP_SECRET", os.environ["NEO4J_PASSWORD"])
        monkeypatch.setenv("NEO4J_PASSWORD", "wrong")
        source = Source(neo4j_uri, username_env="SHOP_USER", password_env="SHOP_SECRET")
        assert read(source, "RETURN 1 AS id").num_nodes() == 1

    def test_half_a_login_is_refused(self, neo4j_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NEO4J_PASSWORD")
        with pytest.raises(ConfigError, match="NEO4J_PASSWORD is not"):
            read(neo4j_uri, "RETURN 1 AS id")

    def test_fault_070_an_unknown_database_is_named(self, neo4j_uri: str) -> None:
        with pytest.raises(ConnectionFailed) as caught:
            read(f"{neo4j_uri}/nosuchdb", "RETURN 1 AS id")
        assert caught.value.code == "unknown_database"
        assert "nosuchdb" in str(caught.value)

    def test_the_database_may_stand_in_the_address(self, neo4j_uri: str) -> None:
        assert read(f"{neo4j_uri}/neo4j", "RETURN 1 AS id").num_nodes() == 1

    def test_fault_070_tls_with_a_server_that_has_none_fails_clearly(
        self, neo4j_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Connection, "retry_seconds", 0.5)
        secured = neo4j_uri.replace("bolt://", "bolt+s://").replace("neo4j://", "neo4j+s://")
        with pytest.raises(ConnectionFailed) as caught:
            read(secured, "RETURN 1 AS id")
        assert os.environ["NEO4J_PASSWORD"] not in str(caught.value)

    def test_no_server_is_a_connection_failure(
        self, neo4j_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Connection, "retry_seconds", 0.5)
        with pytest.raises(ConnectionFailed, match="cannot be reached"):
            read("bolt://127.0.0.1:1", "RETURN 1 AS id")

    def test_an_address_without_a_server_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="names no server"):
            open_loader("neo4j:shop", Path())


def test_answers_are_counted_and_sized_before_they_are_read(neo4j_uri: str) -> None:
    spec = GraphSpec(
        {
            "user": "UNWIND range(1, 5000) AS n RETURN 'n' + toString(n) AS id, n % 2 = 0 AS even",
            "kind": "UNWIND range(1, 5000) AS n RETURN DISTINCT n % 3 AS id",
        }
    )
    sizes = answer_sizes(neo4j_uri, spec)
    assert sizes is not None
    assert {name: size.rows for name, size in sizes.items()} == {"user": 5_000, "kind": 3}
    table = load_graph(neo4j_uri, spec).node_table("user")
    assert 0.5 < sizes["user"].bytes / table.nbytes < 2
