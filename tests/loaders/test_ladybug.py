"""Ladybug: plain files by Cypher, database files, and what can be wrong with either."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ladybug
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphemb import EdgeType, GraphSpec, HeteroGraph, load_graph, write_graph
from graphemb.errors import (
    ConfigError,
    GraphEmbError,
    GraphError,
    MemoryLimit,
    SourceError,
    UnknownName,
)
from graphemb.source import Source, answer_sizes, spec_of
from graphemb.testing import awkward, communities

MEMORY = "ladybug::memory:"
HEADERS = "LOAD WITH HEADERS (id STRING, country STRING) FROM 'users.csv'"


def read(root: Path, query: str, source: str | Source = MEMORY) -> HeteroGraph:
    return load_graph(source, GraphSpec({"user": query}), root=root)


def users(root: Path, text: str | bytes) -> Path:
    path = root / "users.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(root: Path, query: str, source: str | Source = MEMORY) -> GraphEmbError:
    with pytest.raises(GraphEmbError) as caught:
        read(root, query, source)
    return caught.value


class TestFiles:
    def test_relative_names_start_at_the_given_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "it's a folder"
        folder.mkdir()
        users(folder, "id,country\nu1,DE\n")
        assert list(read(folder, HEADERS + " (HEADER=true) RETURN id").ids("user")) == ["u1"]
        error = refused(tmp_path, HEADERS + " (HEADER=true) RETURN id")
        assert error.code == "missing_file" and str(tmp_path) in str(error)

    def test_fault_038_ids_declared_as_text_stay_as_they_are(self, tmp_path: Path) -> None:
        ids = ["007", "1e5", "12345678901234567890", "NA", "NULL", "true", "1.0", "0x1F"]
        users(tmp_path, "id,country\n" + "".join(f"{one},DE\n" for one in ids))
        graph = read(tmp_path, HEADERS + " (HEADER=true) RETURN id, country")
        assert list(graph.ids("user")) == sorted(ids)

    def test_fault_038_an_id_column_whose_type_is_guessed_is_refused(self, tmp_path: Path) -> None:
        numbers = "".join(f"{number},DE\n" for number in range(1, 3000))
        users(tmp_path, f"id,country\n{numbers}007,DE\n")
        error = refused(tmp_path, "LOAD FROM 'users.csv' (HEADER=true) RETURN id")
        assert error.code == "guessed_id"
        clause = "LOAD WITH HEADERS (id STRING, country STRING) FROM"
        assert clause in str(error)
        graph = read(tmp_path, HEADERS + " (HEADER=true) RETURN id")
        assert graph.ids("user")[0] == "007"

    @pytest.mark.parametrize("query", ["RETURN id, country", "RETURN country, id LIMIT 1"])
    def test_a_header_read_as_data_is_refused(self, tmp_path: Path, query: str) -> None:
        users(tmp_path, "id,country\nu1,DE\n")
        error = refused(tmp_path, f"{HEADERS} {query}")
        assert error.code == "header_as_data" and "(HEADER=true)" in str(error)

    def test_a_first_row_equal_to_the_column_names_is_refused(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"id": ["id", "u1"], "c": ["c", "DE"]}), tmp_path / "x.parquet")
        error = refused(tmp_path, "LOAD FROM 'x.parquet' RETURN id, c")
        assert error.code == "header_as_data"

    def test_a_file_without_header_is_read_whole(self, tmp_path: Path) -> None:
        users(tmp_path, "u1,DE\nu2,FR\n")
        assert read(tmp_path, HEADERS + " RETURN id").num_nodes() == 2

    def test_columns_declared_in_another_order_are_refused(self, tmp_path: Path) -> None:
        users(tmp_path, "country,id\nDE,u1\n")
        error = refused(tmp_path, HEADERS + " (HEADER=true) RETURN id")
        assert error.code == "column_order" and "country, id" in str(error)

    def test_columns_may_be_renamed(self, tmp_path: Path) -> None:
        users(tmp_path, "user id,land\nu1,DE\n")
        assert read(tmp_path, HEADERS + " (HEADER=true) RETURN id").num_nodes() == 1

    def test_declared_types_with_brackets_are_understood(self, tmp_path: Path) -> None:
        users(tmp_path, "id,price\nu1,1.50\n")
        query = "LOAD WITH HEADERS (`id` STRING, price DECIMAL(10, 2)) FROM 'users.csv'"
        assert refused(tmp_path, query + " RETURN id").code == "header_as_data"

    @pytest.mark.parametrize(
        ("text", "row"),
        [("id,country\nu1,DE\nu2\n", 2), ("id,country\nu1,DE\nu2,FR,x\n", 2)],
    )
    def test_fault_045_a_ragged_row_is_refused_with_its_line(
        self, tmp_path: Path, text: str, row: int
    ) -> None:
        users(tmp_path, text)
        error = refused(tmp_path, HEADERS + " (HEADER=true) RETURN id")
        assert error.row == row and f"line {row + 1}" in str(error)

    @pytest.mark.parametrize("tail", ['u2,"FR\nu3,IT\n', 'u2,"FR', '"u2,FR\n'])
    def test_fault_045_an_open_quote_is_refused_with_its_line(
        self, tmp_path: Path, tail: str
    ) -> None:
        users(tmp_path, f'id,country\n"u1","DE"\n{tail}')
        error = refused(tmp_path, HEADERS + " (HEADER=true) RETURN id")
        assert "line 3" in str(error)

    @pytest.mark.parametrize(
        ("field", "kept"),
        [('"a,b"', "a,b"), ('"say ""hi"""', 'say "hi"'), ('5 "', '5 "'), ('"x,"', "x,")],
    )
    def test_fault_045_quotes_that_are_closed_are_read(
        self, tmp_path: Path, field: str, kept: str
    ) -> None:
        users(tmp_path, f"id,country\nu1,{field}\n")
        graph = read(tmp_path, HEADERS + " (HEADER=true) RETURN id, country")
        assert graph.columns("user")["country"].to_pylist() == [kept]

    def test_fault_045_bom_and_crlf_are_read(self, tmp_path: Path) -> None:
        users(tmp_path, b"\xef\xbb\xbfid,country\r\nu1,DE\r\n")
        assert list(read(tmp_path, HEADERS + " (HEADER=true) RETURN id").ids("user")) == ["u1"]
        error = refused(tmp_path, HEADERS + " RETURN id")
        assert error.code == "header_as_data", "the mark is no part of the first name"

    def test_fault_045_a_line_break_in_a_field_says_how(self, tmp_path: Path) -> None:
        users(tmp_path, 'id,country\n"u\n1",DE\n')
        error = refused(tmp_path, HEADERS + " (HEADER=true) RETURN id")
        assert "PARALLEL=FALSE" in str(error)
        graph = read(tmp_path, HEADERS + " (HEADER=true, PARALLEL=FALSE) RETURN id")
        assert list(graph.ids("user")) == ["u\n1"]

    def test_fault_043_text_that_is_not_utf8_is_refused_with_its_byte(self, tmp_path: Path) -> None:
        start = b"id,country\nu1,DE\nu2,"
        users(tmp_path, start + b"caf\xe9\n")
        error = refused(tmp_path, HEADERS + " (HEADER=true) RETURN id, country")
        assert error.code == "utf8" and f"byte {len(start) + 3}" in str(error)

    def test_fault_043_two_unicode_forms_of_a_name_are_two_nodes(self, tmp_path: Path) -> None:
        users(tmp_path, "id,country\ncaf\u00e9,FR\ncafe\u0301,FR\n")
        assert read(tmp_path, HEADERS + " (HEADER=true) RETURN id").num_nodes() == 2

    def test_fault_044_strange_ids_are_kept(self, tmp_path: Path) -> None:
        ids = ["a/b", "a?b#c%2e", "..", "\u202eabc", "a\nb", "a\x00b", "x" * 60_000]
        pq.write_table(pa.table({"id": ids}), tmp_path / "x.parquet")
        assert list(read(tmp_path, "LOAD FROM 'x.parquet' RETURN id").ids("user")) == sorted(ids)

    @pytest.mark.parametrize("cut", [0, 8, 100, -20])
    def test_fault_047_a_truncated_parquet_file_is_refused(self, tmp_path: Path, cut: int) -> None:
        path = tmp_path / "x.parquet"
        pq.write_table(pa.table({"id": ["a", "b"]}), path)
        path.write_bytes(path.read_bytes()[:cut])
        assert isinstance(refused(tmp_path, "LOAD FROM 'x.parquet' RETURN id"), SourceError)

    def test_fault_048_a_bomb_stops_at_the_memory_limit(self, tmp_path: Path) -> None:
        table = pa.table({"id": pa.array([7] * 1_000_000)})
        with pq.ParquetWriter(tmp_path / "bomb.parquet", table.schema) as writer:
            for _ in range(40):
                writer.write_table(table)
        assert (tmp_path / "bomb.parquet").stat().st_size < 1_000_000
        error = refused(
            tmp_path,
            "LOAD FROM 'bomb.parquet' RETURN id",
            Source(MEMORY, memory_limit=64 << 20),
        )
        assert isinstance(error, MemoryLimit)

    def test_fault_049_a_file_with_a_header_only_is_empty(self, tmp_path: Path) -> None:
        users(tmp_path, "id,country\n")
        assert refused(tmp_path, HEADERS + " (HEADER=true) RETURN id").code == "empty_source"
        users(tmp_path, "")
        assert refused(tmp_path, HEADERS + " (HEADER=true) RETURN id").code == "empty_source"

    @pytest.mark.parametrize(
        "query",
        [
            "COPY (RETURN 1 AS id) TO 'out.csv'",
            "  copy (RETURN 1 AS id) TO 'out.csv'",
            "/* RETURN */ COPY (RETURN 1 AS id) TO 'out.csv'",
            "RETURN 1 AS id; COPY (RETURN 1 AS id) TO 'out.csv'",
            "INSTALL httpfs",
            "ATTACH 'other.lbug' AS other (dbtype lbug)",
            "EXPORT DATABASE 'out'",
            "CREATE NODE TABLE t(id STRING, PRIMARY KEY(id))",
        ],
    )
    def test_fault_066_a_query_that_does_more_than_read_is_refused(
        self, tmp_path: Path, query: str
    ) -> None:
        assert refused(tmp_path, query).code == "write_refused"
        assert list(tmp_path.iterdir()) == []

    def test_a_variable_of_the_program_is_no_file(self, tmp_path: Path) -> None:
        users = pa.table({"id": ["from the caller's frame"]})
        error = refused(tmp_path, "LOAD FROM users RETURN id")
        assert "quotes" in str(error) and users.num_rows == 1

    def test_a_parameter_that_is_missing_is_not_null(self, tmp_path: Path) -> None:
        assert isinstance(refused(tmp_path, "RETURN $x AS id"), UnknownName)

    def test_a_query_made_to_be_read_in_parts_is_read_in_one(self, tmp_path: Path) -> None:
        query = "UNWIND range(0, 9) AS id WITH id WHERE id % $parts = $part RETURN id"
        assert read(tmp_path, query).num_nodes() == 10

    def test_an_internal_id_is_no_key(self, tmp_path: Path) -> None:
        write_graph(awkward(), "ladybug:x.lbug", root=tmp_path)
        with pytest.raises(GraphEmbError):
            read(tmp_path, "MATCH (n:user) RETURN id(n) AS id", "ladybug:x.lbug")


class TestDatabases:
    @pytest.fixture
    def shop(self, tmp_path: Path) -> Path:
        write_graph(communities(2), "ladybug:shop.lbug", root=tmp_path)
        return tmp_path / "shop.lbug"

    @pytest.fixture
    def untouched(self, shop: Path) -> Iterator[Path]:
        yield shop
        left = {path.name for path in shop.parent.iterdir()}
        assert left <= {"shop.lbug", "shop.lbug.wal"}, "reading leaves nothing behind"

    def test_a_graph_written_and_read_is_the_same(self, tmp_path: Path) -> None:
        for number, graph in enumerate((communities(), awkward())):
            uri = f"ladybug:{number}.lbug"
            empty = [one for one in graph.edge_types if not graph.num_edges(one)]
            for _ in range(2):
                write_graph(graph, uri, root=tmp_path)
                back = load_graph(uri, spec_of(graph, uri), root=tmp_path, allow_empty=empty)
                assert back.fingerprint == graph.fingerprint

    def test_an_interrupted_write_leaves_the_database_as_it_was(self, shop: Path) -> None:
        graph = communities(3)

        def stop(event: object) -> None:
            if "edges" in str(event):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_graph(graph, "ladybug:shop.lbug", root=shop.parent, on_progress=stop)
        before = communities(2)
        uri = "ladybug:shop.lbug"
        back = load_graph(uri, spec_of(before, uri), root=shop.parent)
        assert back.fingerprint == before.fingerprint

    def test_names_that_differ_only_in_case_get_tables_of_their_own(self, tmp_path: Path) -> None:
        knows, user = EdgeType("user", "knows", "User"), EdgeType("User", "user", "user")
        graph = HeteroGraph.from_tables(
            {"user": {"id": ["a"]}, "User": {"id": ["b"]}},
            {knows: {"src": ["a"], "dst": ["b"]}, user: {"src": ["b"], "dst": ["a"]}},
        )
        write_graph(graph, "ladybug:x.lbug", root=tmp_path)
        spec = spec_of(graph, "ladybug:x.lbug")
        assert load_graph("ladybug:x.lbug", spec, root=tmp_path).fingerprint == graph.fingerprint

    def test_a_column_that_cannot_be_kept_is_refused_before_writing(self, tmp_path: Path) -> None:
        for column in ([{"a": 1}], pa.array([b"x"])):
            graph = HeteroGraph.from_tables({"user": {"id": ["a"], "x": column}}, {})
            with pytest.raises(ConfigError) as caught:
                write_graph(graph, "ladybug:x.lbug", root=tmp_path)
            assert (caught.value.code, caught.value.field) == ("column_type", "x")
        graph = HeteroGraph.from_tables({"user": {"id": ["a"], "x": [1], "X": [2]}}, {})
        with pytest.raises(ConfigError, match="upper and lower case"):
            write_graph(graph, "ladybug:x.lbug", root=tmp_path)

    def test_writing_to_memory_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="gone when the writing ends"):
            write_graph(awkward(), MEMORY, root=tmp_path)

    def test_reading_a_database_that_is_not_there_makes_none(self, tmp_path: Path) -> None:
        error = refused(tmp_path, "MATCH (n:user) RETURN n.id AS id", "ladybug:nope.lbug")
        assert error.code == "missing_file"
        assert list(tmp_path.iterdir()) == []

    def test_fault_066_a_query_that_writes_is_refused(self, untouched: Path) -> None:
        before = digest(untouched)
        error = refused(
            untouched.parent, "MATCH (n:seller) DETACH DELETE n RETURN 1 AS id", "ladybug:shop.lbug"
        )
        assert error.code == "write_refused"
        assert digest(untouched) == before

    def test_fault_076_a_locked_database_is_refused_untouched(self, shop: Path) -> None:
        code = (
            "import sys, pathlib\n"
            "from graphemb import write_graph\n"
            "from graphemb.errors import SourceError\n"
            "from graphemb.testing import awkward\n"
            f"path = pathlib.Path({str(shop)!r})\n"
            "before = path.read_bytes()\n"
            "try:\n"
            "    write_graph(awkward(), 'ladybug:shop.lbug', root=path.parent)\n"
            "except SourceError as error:\n"
            "    assert path.read_bytes() == before\n"
            "    sys.exit(f'{error.code}: {error}')\n"
        )
        with ladybug.Database(str(shop)) as held, ladybug.Connection(held):
            # nothing here may open the file: closing it again would let go of the lock
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.startswith("locked:"), done.stderr

    def test_fault_076_a_newer_database_is_refused_untouched(self, untouched: Path) -> None:
        content = bytearray(untouched.read_bytes())
        content[4] += 1  # the version stands after the letters LBUG
        self.refused_untouched(untouched, bytes(content), "version")

    def test_fault_076_a_damaged_database_is_refused_untouched(self, untouched: Path) -> None:
        whole = untouched.read_bytes()
        self.refused_untouched(untouched, whole[: len(whole) // 2], "damaged")
        self.refused_untouched(untouched, b"", "damaged")
        self.refused_untouched(untouched, b"not a database " * 1000, "not_a_database")

    @pytest.mark.parametrize("cut", [0.5, 0.95])
    def test_fault_076_a_torn_log_is_refused_untouched(self, untouched: Path, cut: float) -> None:
        log = untouched.with_name("shop.lbug.wal")
        with (
            ladybug.Database(str(untouched), auto_checkpoint=False) as db,
            ladybug.Connection(db) as connection,
        ):
            connection.execute("CREATE (:seller {id: 'late'})")
            whole, data = untouched.read_bytes(), log.read_bytes()
        log.write_bytes(data[: int(len(data) * cut)])
        self.refused_untouched(untouched, whole, "damaged")

    @staticmethod
    def refused_untouched(path: Path, content: bytes, code: str) -> None:
        path.write_bytes(content)
        before = digest(path)
        error = refused(path.parent, "MATCH (n:user) RETURN n.id AS id", f"ladybug:{path.name}")
        assert error.code == code, str(error)
        assert digest(path) == before

    def test_a_database_changed_while_it_is_read_is_refused(
        self, shop: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from graphemb_loaders.ladybug import loader

        plain = loader._plain

        def meanwhile(table: pa.Table) -> pa.Table:
            shop.touch()
            return plain(table)

        monkeypatch.setattr(loader, "_plain", meanwhile)
        error = refused(shop.parent, "MATCH (n:user) RETURN n.id AS id", "ladybug:shop.lbug")
        assert error.code == "changed"

    def test_an_unknown_label_is_an_error_that_names_the_query(self, shop: Path) -> None:
        error = refused(shop.parent, "MATCH (n:usr) RETURN n.id AS id", "ladybug:shop.lbug")
        assert "usr" in str(error) and error.source == "nodes.user"

    def test_a_doubled_id_is_refused(self, shop: Path) -> None:
        query = "MATCH (n:user)-[:buys]->(p:product) RETURN n.id AS id"
        assert isinstance(refused(shop.parent, query, "ladybug:shop.lbug"), GraphError)


def digest(path: Path) -> dict[str, str]:
    """Of the database and its log."""
    return {
        one.name: hashlib.sha256(one.read_bytes()).hexdigest()
        for one in path.parent.iterdir()
        if one.name.startswith(path.name)
    }


@pytest.mark.parametrize(
    "query",
    [
        "LOAD FROM 'n.parquet' RETURN id",
        "LOAD FROM 'n.parquet' WHERE id <> 'n3' RETURN id",
        "LOAD FROM 'n.parquet' RETURN DISTINCT kind AS id",
        "LOAD FROM 'n.parquet' RETURN kind AS id, count(*) AS many",
        "LOAD FROM 'n.parquet' RETURN id ORDER BY id LIMIT 7",
        "UNWIND $ids AS id RETURN id",
    ],
)
def test_answers_are_counted_and_sized_before_they_are_read(tmp_path: Path, query: str) -> None:
    names = [f"n{number}" for number in range(5_000)]
    kinds = [f"k{number % 3}" for number in range(5_000)]
    pq.write_table(pa.table({"id": names, "kind": kinds}), tmp_path / "n.parquet")
    parameters = {"ids": ["a", "b"]} if "$ids" in query else {}
    spec = GraphSpec({"user": query}, parameters=parameters)
    sizes = answer_sizes(MEMORY, spec, root=tmp_path)
    assert sizes is not None
    table = load_graph(MEMORY, spec, root=tmp_path).node_table("user")
    assert sizes["user"].rows == table.num_rows
    assert sizes["user"].bytes < 2 * table.nbytes + 100


def test_what_cannot_be_counted_is_not_guessed(tmp_path: Path) -> None:
    spec = GraphSpec({"user": "RETURN 'a' AS id UNION ALL RETURN 'b' AS id"})
    assert answer_sizes(MEMORY, spec, root=tmp_path) is None
    with pytest.raises(SourceError, match="only read"):
        answer_sizes(MEMORY, GraphSpec({"user": "CREATE (:X)"}), root=tmp_path)
