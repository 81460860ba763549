"""From a spec to a graph, and from a graph to a database."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from graphemb.errors import EmptySource, SourceError, UnknownName
from graphemb.graph import HeteroGraph, Policies
from graphemb.source.loader import Answer, LoadEvent, OnLoad, Source, open_loader
from graphemb.source.spec import GraphSpec, Query
from graphemb.types import EdgeType, NodeType


def load_graph(
    source: str | Source,
    spec: GraphSpec,
    *,
    policies: Policies | None = None,
    root: str | Path = ".",
    allow_empty: Collection[NodeType | EdgeType] = (),
    on_progress: OnLoad | None = None,
) -> HeteroGraph:
    """Read a graph by Cypher. Every query may only read, and its whole answer counts, or none.

    Nodes stand in the order of their ids, whatever order a query gives them.

    Args:
        source: an address, or a `Source` where more has to be said.
        policies: what to do with unknown ends, parallel edges, missing weights and the like.
        root: the folder that relative file names in addresses and queries start at.
        allow_empty: node and edge types that may have no rows.
        on_progress: called with rows and rows per second while queries are read.

    Raises:
        SourceError: a query that is refused, fails, or lacks a column.
        EmptySource: a query without rows whose type is not in `allow_empty`.
        ConnectionFailed: the server cannot be reached, refuses the login, or was lost.
        GraphError: rows that do not make a graph; see `HeteroGraph.from_tables`.
    """
    allowed = _allowed(allow_empty, spec)
    with closing(open_loader(source, root)) as loader:
        answers = loader.read(spec.queries, spec.parameters, _Meter(on_progress))
    tables = {
        query.target: _table(query, answer, query.target in allowed)
        for query, answer in zip(spec.queries, answers, strict=True)
    }
    return HeteroGraph.from_tables(
        {node_type: _in_order(tables[node_type]) for node_type in spec.nodes},
        {edge_type: tables[edge_type] for edge_type in spec.edges},
        policies=policies,
        notes=[note for answer in answers for note in answer.notes],
    )


def write_graph(
    graph: HeteroGraph,
    source: str | Source,
    *,
    root: str | Path = ".",
    on_progress: OnLoad | None = None,
) -> None:
    """Write a graph to a database; `spec_of` gives the queries that read it back.

    A node type becomes a label, `id` its key; a relation becomes a relationship type; weight,
    time and columns become properties. Nodes and edges that are there already, by key, are
    brought up to date, so that an interrupted write is simply done again. Nothing is deleted.

    Raises:
        ConfigError: a name or column that this database cannot hold; nothing was written.
        SourceError: the database refused; the message names the batch.
        ConnectionFailed: the server cannot be reached, or was lost.
    """
    with closing(open_loader(source, root)) as loader:
        loader.write(graph, _Meter(on_progress))


def spec_of(graph: HeteroGraph, source: str | Source) -> GraphSpec:
    """The spec that reads back from `source` what `write_graph` wrote there."""
    return open_loader(source).spec_of(graph)


def _in_order(table: pa.Table) -> pa.Table:
    """Rows by id: databases answer in any order, and rows decide what a seed draws.

    Ids that will be refused stay where they are, so that the error names their row.
    """
    ids = table["id"]
    text = pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)
    if ids.null_count or not (text or pa.types.is_integer(ids.type)):
        return table
    order = pc.sort_indices(ids)
    if text and len(ids) and not ids[order[0].as_py()].as_py():
        return table
    return table.take(order)


def _allowed(given: Collection[NodeType | EdgeType], spec: GraphSpec) -> set[NodeType | EdgeType]:
    known: dict[str, NodeType | EdgeType] = {
        str(query.target): query.target for query in spec.queries
    }
    for name in given:
        if str(name) not in known:
            raise UnknownName("node or edge type", name, known, source="allow_empty")
    return {known[str(name)] for name in given}


def _table(query: Query, answer: Answer, may_be_empty: bool) -> pa.Table:
    table = answer.table
    query.check_columns(table.column_names)
    if not table.num_rows and not may_be_empty:
        raise EmptySource(
            "the query returned no rows",
            source=query.name,
            hint="; ".join(
                [*answer.notes, f"if that is right: allow_empty=[{str(query.target)!r}]"]
            ),
        )
    for column in table.schema:
        if pa.types.is_struct(column.type) or pa.types.is_map(column.type):
            raise SourceError(
                f"a column of {column.type} cannot be kept",
                code="nested_column",
                source=query.name,
                field=column.name,
                hint="return its parts, each as a column of its own",
            )
    if not table.num_rows and "time" in table.column_names:
        place = table.column_names.index("time")
        table = table.set_column(place, "time", pa.array([], pa.timestamp("us", "UTC")))
    return table


class _Meter:
    """Turns a loader's reports into events with a rate, one at a time."""

    def __init__(self, on_progress: OnLoad | None) -> None:
        self._on_progress = on_progress
        self._begun: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, query: str, rows: int, total: int | None) -> None:
        if self._on_progress is None:
            return
        with self._lock:
            now = time.perf_counter()
            seconds = now - self._begun.setdefault(query, now)
            self._on_progress(LoadEvent(query, rows, total, rows / seconds if seconds else 0.0))
