"""Writing a graph to Neo4j: batches of rows as one parameter, each the same when done twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphemb.errors import ConfigError, SourceError
from graphemb.graph import HeteroGraph
from graphemb.source import Report
from graphemb.types import EdgeType
from graphemb_loaders.cypher import PARALLEL, edge_properties, pair_numbers, quoted
from graphemb_loaders.neo4j.connection import Connection
from graphemb_loaders.neo4j.rows import Rows

if TYPE_CHECKING:
    import neo4j

BATCH = 10_000
MAX_ID_BYTES = 8_000
"""Neo4j indexes no longer key."""


@dataclass(frozen=True, eq=False)
class Batches:
    """Rows on their way into one statement.

    Attributes:
        name: for progress and errors, `edges.user-buys-product`.
        statement_cypher: takes a batch as `$rows`, a list of lists.
        columns: one per place in a row, of plain values.
    """

    name: str
    statement_cypher: str
    columns: Sequence[pa.ChunkedArray]

    def __len__(self) -> int:
        return len(self.columns[0])


def write_batches(connection: Connection, graph: HeteroGraph, report: Report) -> None:
    """Check that everything can be written, then write nodes and, after them, edges."""
    nodes = [_node_batches(graph, node_type) for node_type in graph.node_types]
    edges = [one for edge_type in graph.edge_types for one in _edge_batches(graph, edge_type)]
    for node_type in graph.node_types:
        _make_unique(connection, node_type)
    for batches in (*nodes, *edges):
        _write(connection, batches, report)


def _make_unique(connection: Connection, label: str) -> None:
    """The key's constraint: without its index every MERGE would read the whole label."""

    def make(tx: neo4j.ManagedTransaction) -> None:
        tx.run(
            f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{quoted(label)}) REQUIRE n.id IS UNIQUE"
        ).consume()

    connection.write(f"constraint on {label}", make)


def _node_batches(graph: HeteroGraph, label: str) -> Batches:
    table = graph.node_table(label)
    _check_ids(table["id"], label)
    rows = Rows(label)
    id_cypher = rows.add_cypher("id", table["id"])
    set_cypher = rows.set_cypher(table, table.column_names[1:])
    return Batches(
        f"nodes.{label}",
        f"UNWIND $rows AS row MERGE (it:{quoted(label)} {{id: {id_cypher}}}){set_cypher} "
        "RETURN count(*)",
        rows.columns,
    )


def _edge_batches(graph: HeteroGraph, edge_type: EdgeType) -> list[Batches]:
    """The first edge of each pair of nodes, then those parallel to it by their number."""
    table = graph.edge_table(edge_type)
    numbers = pair_numbers(graph[edge_type])
    names = edge_properties(graph, edge_type)
    made = []
    for parallel in (False, True):
        chosen = table.filter(pa.array((numbers > 0) == parallel))
        if parallel and not chosen.num_rows:
            continue
        rows = Rows(edge_type)
        src_cypher = rows.add_cypher("src", chosen["src"])
        dst_cypher = rows.add_cypher("dst", chosen["dst"])
        key_cypher = ""
        if parallel:
            number_cypher = rows.add_cypher(PARALLEL, pa.chunked_array([numbers[numbers > 0]]))
            key_cypher = f" {{{quoted(PARALLEL)}: {number_cypher}}}"
        set_cypher = rows.set_cypher(chosen, names)
        statement_cypher = (
            f"UNWIND $rows AS row MATCH (a:{quoted(edge_type.src)} {{id: {src_cypher}}}) "
            f"MATCH (b:{quoted(edge_type.dst)} {{id: {dst_cypher}}}) "
            f"MERGE (a)-[it:{quoted(edge_type.relation)}{key_cypher}]->(b){set_cypher} "
            "RETURN count(*)"
        )
        made.append(Batches(f"edges.{edge_type}", statement_cypher, rows.columns))
    return made


def _write(connection: Connection, batches: Batches, report: Report) -> None:
    statement_cypher = batches.statement_cypher
    report(batches.name, 0, len(batches))
    for start in range(0, len(batches), BATCH):
        lists = [column.slice(start, BATCH).to_pylist() for column in batches.columns]
        rows = [list(row) for row in zip(*lists, strict=True)]

        def write(tx: neo4j.ManagedTransaction, rows: list[list[Any]] = rows) -> int:
            return int(tx.run(statement_cypher, {"rows": rows}).single(strict=True)[0])

        where = f"{batches.name}, rows {start} to {start + len(rows) - 1}"
        if connection.write(where, write) < len(rows):
            raise SourceError(
                "nodes of this batch are gone while it is written", code="partial", source=where
            )
        report(batches.name, start + len(rows), len(batches))


def _check_ids(column: pa.ChunkedArray, label: str) -> None:
    if pa.types.is_integer(column.type) or not len(column):
        return
    lengths = np.asarray(pc.binary_length(column))
    row = int(lengths.argmax())
    if lengths[row] > MAX_ID_BYTES:
        raise ConfigError(
            f"Neo4j takes ids of at most {MAX_ID_BYTES} bytes as keys",
            code="long_id",
            source=label,
            row=row,
            value=column[row].as_py()[:100],
        )
