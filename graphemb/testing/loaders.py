"""The contract of every loader: what is written comes back, values stay values, reading reads."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from graphemb.errors import EmptySource, GraphEmbError, SourceError, UnknownName
from graphemb.graph import HeteroGraph
from graphemb.source import GraphSpec, LoadEvent, Source, load_graph, spec_of, write_graph
from graphemb.types import EdgeType, NodeType

_TEXT_IDS = (
    "007",
    "7",
    "1e5",
    "12345678901234567890",
    "NA",
    "NULL",
    "true",
    "' OR 1=1 //",
    'a`b"c\\d',
    "line\nbreak",
    "$id",
    "caf\u00e9",
    "cafe\u0301",
    "\u202eright to left",
    "\u6771\u4eac",
    "../../etc/passwd",
    "x" * 1000,
)
_NUMBER_IDS = (7, 2**53 + 1, -5, 0, 2**63 - 1)


def check_loader(source: str | Source, *, root: str | Path = ".") -> None:
    """Check a loader against the contract, in a database that it may write to.

    The labels used end in a random text, so that other data is neither read nor changed; what was
    written is left there.

    Raises:
        AssertionError: says what the loader got wrong.
    """
    given = Source(source) if isinstance(source, str) else source
    check = _Check(given, Path(root), secrets.token_hex(4))
    check.what_is_written_comes_back()
    check.writing_again_changes_nothing()
    check.writing_brings_values_up_to_date()
    check.values_are_parameters()
    check.an_unknown_parameter_is_refused()
    check.a_missing_column_is_named()
    check.no_rows_are_said()
    check.a_query_that_fails_is_named()
    check.queries_only_read()
    check.progress_counts_every_row()


class _Check:
    """The checks of one loader; each asserts one promise."""

    def __init__(self, source: Source, root: Path, suffix: str) -> None:
        self._source = source
        self._root = root
        self._suffix, self._person = suffix, f"person_{suffix}"
        self._graph = _everything(suffix, 0.1)

    def what_is_written_comes_back(self) -> None:
        write_graph(self._graph, self._source, root=self._root)
        back = self._back()
        for node_type in self._graph.node_types:
            assert set(back.ids(node_type)) == set(self._graph.ids(node_type)), (
                "ids come back exactly as they were written"
            )
        for edge_type in self._graph.edge_types:
            assert back.num_edges(edge_type) == self._graph.num_edges(edge_type), (
                "every edge comes back, parallel ones and self loops too"
            )
        assert back.fingerprint == self._graph.fingerprint, "columns, weights and times come back"

    def writing_again_changes_nothing(self) -> None:
        for _ in range(2):
            write_graph(self._graph, self._source, root=self._root)
        assert self._back().fingerprint == self._graph.fingerprint, "writing is idempotent by key"

    def writing_brings_values_up_to_date(self) -> None:
        self._graph = _everything(self._suffix, 0.2)
        write_graph(self._graph, self._source, root=self._root)
        assert self._back().fingerprint == self._graph.fingerprint, "nodes and edges are updated"

    def values_are_parameters(self) -> None:
        query = f"MATCH (n:{self._person}) WHERE n.id = $id RETURN n.id AS id"
        for value in ("' OR 1=1 //", "$id"):
            graph = self._load({self._person: query}, {"id": value})
            assert list(graph.ids(self._person)) == [value], "a parameter is a value"
        try:
            self._load({self._person: query}, {"id": "nobody' OR 1=1 //"})
        except EmptySource:
            return
        raise AssertionError("a parameter became part of the query")

    def an_unknown_parameter_is_refused(self) -> None:
        query = f"MATCH (n:{self._person}) WHERE n.id = $nobody RETURN n.id AS id"
        self._refused({self._person: query}, UnknownName, "nobody")

    def a_missing_column_is_named(self) -> None:
        query = f"MATCH (n:{self._person}) RETURN n.id AS idd"
        self._refused({self._person: query}, SourceError, "idd")

    def no_rows_are_said(self) -> None:
        query = f"MATCH (n:{self._person}) WHERE n.id = 'nobody' RETURN n.id AS id"
        self._refused({self._person: query}, EmptySource, f"nodes.{self._person}")
        graph = self._load({self._person: query}, allow_empty=(self._person,))
        assert graph.num_nodes() == 0, "an empty answer is allowed when the caller says so"

    def a_query_that_fails_is_named(self) -> None:
        self._refused({self._person: "MATCH (n) RETRN n"}, SourceError, f"nodes.{self._person}")

    def queries_only_read(self) -> None:
        person = self._person
        for query in (
            f"MATCH (n:{person}) DETACH DELETE n",
            f"MATCH (n:{person}) DETACH DELETE n RETURN n.id AS id",
            f"MATCH (n:{person}) SET n.flag = true RETURN n.id AS id",
            f"CREATE (n:{person} {{id: 'intruder'}}) RETURN n.id AS id",
            f"MERGE (n:{person} {{id: 'intruder'}}) RETURN n.id AS id",
            f"RETURN 'x' AS id; MATCH (n:{person}) DETACH DELETE n",
        ):
            self._refused({person: query}, SourceError, f"nodes.{person}")
        assert self._back().fingerprint == self._graph.fingerprint, "a query of a spec only reads"

    def progress_counts_every_row(self) -> None:
        events: list[LoadEvent] = []
        spec = spec_of(self._graph, self._source)
        empty = [one for one in self._graph.edge_types if not self._graph.num_edges(one)]
        load_graph(
            self._source, spec, root=self._root, allow_empty=empty, on_progress=events.append
        )
        last = {event.query: event.rows for event in events}
        assert last == {
            query.name: self._graph.num_edges(query.target)
            if isinstance(query.target, EdgeType)
            else self._graph.num_nodes(query.target)
            for query in spec.queries
        }, "progress ends at the number of rows of each query"

    def _back(self) -> HeteroGraph:
        spec = spec_of(self._graph, self._source)
        empty = [one for one in self._graph.edge_types if not self._graph.num_edges(one)]
        return load_graph(self._source, spec, root=self._root, allow_empty=empty)

    def _load(
        self,
        nodes: Mapping[NodeType, str],
        parameters: Mapping[str, str] | None = None,
        allow_empty: tuple[NodeType, ...] = (),
    ) -> HeteroGraph:
        spec = GraphSpec(nodes, parameters=parameters or {})
        return load_graph(self._source, spec, root=self._root, allow_empty=allow_empty)

    def _refused(self, nodes: Mapping[NodeType, str], kind: type[GraphEmbError], says: str) -> None:
        try:
            self._load(nodes)
        except kind as error:
            said = str(error)
        else:
            raise AssertionError(f"not refused: {nodes}")
        assert says in said, f"the error should name {says!r}: {said}"


def _everything(suffix: str, score: float) -> HeteroGraph:
    """All that a database must keep: odd ids, every type, nulls, parallel edges, odd names."""
    person, item, lonely = (f"{name}_{suffix}" for name in ("person", "item", "lonely"))
    count = len(_TEXT_IDS)
    times = pa.array([-1, 0, 1, 1_600_000_000_123_456], pa.timestamp("us", "UTC"))
    numbers = [None if place % 3 == 0 else place for place in range(count)]
    people = {
        "id": list(_TEXT_IDS),
        "score": [score] * count,
        "number": pa.array(numbers, pa.int64()),
        "flag": [None, True, False] + [None] * (count - 3),
        "text": ["it's", None, ""] + ['\u00e9`"'] * (count - 3),
        "born": pa.array([-1, 0, None] + [20_000] * (count - 3), pa.date32()),
        "seen": times.take(pa.array([place % 4 for place in range(count)])),
        "local": pa.array([-1, None] + [5] * (count - 2), pa.timestamp("us")),
        "tags": [["a", "it's"], [], None] + [["b"]] * (count - 3),
        "sizes": [[1, 2], None] + [[2**53 + 1]] * (count - 2),
        "a b": list(range(count)),
        "we`ird": list(range(count)),
        "n": list(range(count)),
        "row": list(range(count)),
    }
    likes = {
        "src": ["007", "007", "007", "7", "NA"],
        "dst": pa.array([7, 7, 7, 2**53 + 1, -5]),
        "weight": pa.array([score, 1.0, 2.0, 1e-3, 1e6], pa.float32()),
        "time": times.take(pa.array([0, 1, 2, 3, 3])),
        "note": ["first", None, "third", "it's", "`"],
        "it": [1, 2, 3, 4, 5],
    }
    knows = {"src": ["007", "007", "' OR 1=1 //"], "dst": ["007", "7", "caf\u00e9"]}
    none = {"src": pa.array([], pa.string()), "dst": pa.array([], pa.int64())}
    return HeteroGraph.from_tables(
        {person: people, item: {"id": list(_NUMBER_IDS)}, lonely: {"id": ["only"]}},
        {
            EdgeType(person, "likes", item): likes,
            EdgeType(person, "knows", person): knows,
            EdgeType(person, "likes", person): knows,
            EdgeType(lonely, "owns", item): none,
        },
    )
