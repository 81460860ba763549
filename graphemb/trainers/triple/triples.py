"""`Triples`: rows of three nodes, with or without labels, as a graph tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphemb.errors import ConfigError, GraphError, UnknownName
from graphemb.graph import HeteroGraph
from graphemb.types import BoolArray, EdgeType, IntArray, NodeType


@dataclass(frozen=True, eq=False)
class Triples:
    """Interactions of three nodes.

    Attributes:
        node_types: of the first, second and third node; types may be equal.
        rows: int64 [t, 3], rows of the graph.
        labels: bool [t], whether each came to be; None: all did, nothing is told of others.
        times: int64 [t], microseconds since 1970 UTC, or None.
    """

    node_types: tuple[NodeType, NodeType, NodeType]
    rows: IntArray
    labels: BoolArray | None = None
    times: IntArray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: IntArray | BoolArray) -> Triples:
        """Some of them, by number or by mask."""
        return Triples(
            self.node_types,
            self.rows[chosen],
            None if self.labels is None else self.labels[chosen],
            None if self.times is None else self.times[chosen],
        )


def by_edge(
    graph: HeteroGraph, along: EdgeType, columns: Mapping[str, NodeType], label: str | None
) -> Triples:
    """A triple for each edge, the third node's id in an edge column.

    Args:
        columns: the one column that names the third node, and the type of that node.
        label: edge column of 0 and 1, or of truth values; None: all edges came to be.

    Raises:
        UnknownName: no such edge type, node type or column.
        UnknownNode: an id that is no node.
        GraphError: ids or labels that cannot be.
        ConfigError: not exactly one column.
    """
    ((column, third),) = _expect_columns(columns, 1)
    adjacency = graph[along]
    table = graph.edge_columns(along)
    ids = _column(table, column, str(along))
    order = np.arange(adjacency.num_edges) if adjacency.edges is None else adjacency.edges
    last = graph.ids(third).rows(ids, source=f"{along}, column {column}")[order]
    rows = np.stack([adjacency.sources(), adjacency.neighbors, last], axis=1).astype(np.int64)
    labels = None
    if label is not None:
        labels = _labels(_column(table, label, str(along)), label, str(along))[order]
    return Triples((along.src, along.dst, third), rows, labels, adjacency.times)


def by_path(graph: HeteroGraph, along: EdgeType, then: EdgeType) -> Triples:
    """A triple for each edge and each further edge from where it ends; all came to be.

    Raises:
        UnknownName: no such edge type.
        ConfigError: the second edge type does not start where the first one ends.
    """
    if then.src != along.dst:
        raise ConfigError(
            f"the second edge type starts at {then.src!r}, the first one ends at {along.dst!r}",
            field="then",
            value=str(then),
            hint=f"use {then.reverse} to follow it the other way" if then.dst == along.dst else "",
        )
    first, second = graph[along], graph[then]
    middle = first.neighbors.astype(np.int64)
    counts = second.degrees[middle]
    edge = np.repeat(np.arange(first.num_edges), counts)
    inside = np.arange(edge.size) - np.repeat(np.cumsum(counts) - counts, counts)
    last = second.neighbors[second.offsets[middle[edge]] + inside]
    rows = np.stack([first.sources()[edge], middle[edge], last], axis=1).astype(np.int64)
    times = None if first.times is None else first.times[edge]
    return Triples((along.src, along.dst, then.dst), rows, None, times)


def by_table(
    graph: HeteroGraph, events: NodeType, columns: Mapping[str, NodeType], label: str | None
) -> Triples:
    """A triple for each node of a type that stands for events: three columns name three nodes.

    Args:
        columns: the three columns in order, and the node type of each one's ids.
        label: column of 0 and 1, or of truth values; None: all came to be.

    Raises:
        UnknownName, UnknownNode, GraphError, ConfigError: as `by_edge`.
    """
    parts = _expect_columns(columns, 3)
    table = graph.columns(events)
    rows = [
        graph.ids(node_type).rows(_column(table, name, events), source=f"{events}, column {name}")
        for name, node_type in parts
    ]
    labels = None
    if label is not None:
        labels = _labels(_column(table, label, events), label, events)
    first, second, third = (node_type for _, node_type in parts)
    return Triples((first, second, third), np.stack(rows, axis=1), labels)


def _expect_columns(columns: Mapping[str, NodeType], number: int) -> list[tuple[str, NodeType]]:
    if len(columns) != number:
        raise ConfigError(
            f"{number} column{'s name' if number > 1 else ' names'} the nodes of a triple here",
            field="columns",
            value=dict(columns),
            hint="one beside an edge's two ends, three in a table of events; column = node type",
        )
    return list(columns.items())


def _column(table: pa.Table, name: str, source: str) -> pa.Array:
    if name not in table.column_names:
        raise UnknownName("column", name, table.column_names, source=source)
    column = table[name]
    chunks = column.chunks
    return pa.concat_arrays(chunks) if chunks else pa.array([], column.type)


def _labels(column: pa.Array, name: str, source: str) -> BoolArray:
    """bool [t] from truth values, or from numbers that are 0 or 1."""
    kind = column.type
    if column.null_count == 0 and pa.types.is_boolean(kind):
        return np.asarray(column)
    if column.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        values = np.asarray(column)
        odd = (values != 0) & (values != 1)
        if not odd.any():
            return np.asarray(values == 1, np.bool_)
        row = int(np.argmax(odd))
    else:
        row = int(np.argmax(np.asarray(pc.is_null(column)))) if len(column) else 0
    raise GraphError(
        "a label is 0 or 1, or a truth value",
        code="bad_label",
        source=source,
        row=row,
        field=name,
        value=column[row].as_py() if len(column) else str(kind),
    )
