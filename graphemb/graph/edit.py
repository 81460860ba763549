"""New graphs out of old ones: filtered, cut in time, restricted to nodes, extended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphemb.arrow import from_numpy
from graphemb.errors import GraphError
from graphemb.graph.adjacency import Adjacency, row_dtype
from graphemb.graph.build import NO_COLUMNS, Edges, Nodes, keep_edges
from graphemb.graph.columns import TableLike, as_table, micros
from graphemb.types import BoolArray, EdgeType, NodeType

if TYPE_CHECKING:
    from graphemb.graph.hetero import HeteroGraph


def with_masks(graph: HeteroGraph, keep: Mapping[EdgeType, BoolArray]) -> HeteroGraph:
    """The graph with the named edge types filtered, each by a bool mask in CSR order."""
    edges = {
        edge_type: keep_edges(group, keep[edge_type]) if edge_type in keep else group
        for edge_type, group in graph._edges.items()
    }
    return graph._with_edges(edges)


def with_adjacencies(graph: HeteroGraph, parts: Iterable[Adjacency]) -> HeteroGraph:
    """The same nodes with other edges, which have no columns."""
    return graph._with_edges({part.edge_type: Edges(part, NO_COLUMNS) for part in parts})


def filter_edges(
    graph: HeteroGraph,
    edge_type: EdgeType,
    min_weight: float | None,
    since: str | int | date | datetime | None,
    until: str | int | date | datetime | None,
) -> HeteroGraph:
    """See `HeteroGraph.filter_edges`."""
    adjacency = graph[edge_type.stored]
    keep = np.ones(adjacency.num_edges, np.bool_)
    if min_weight is not None:
        if adjacency.weights is None:
            raise GraphError("these edges have no weights to filter by", source=edge_type)
        keep &= adjacency.weights >= np.float32(min_weight)
    if since is not None or until is not None:
        if adjacency.times is None:
            raise GraphError("these edges have no times to filter by", source=edge_type)
        if since is not None:
            keep &= adjacency.times >= micros(since)
        if until is not None:
            keep &= adjacency.times < micros(until)
    return with_masks(graph, {edge_type.stored: keep})


def as_of(graph: HeteroGraph, time: str | int | date | datetime) -> HeteroGraph:
    """See `HeteroGraph.as_of`."""
    limit = micros(time)
    masks = {}
    for edge_type in graph.edge_types:
        times = graph[edge_type].times
        if times is not None:
            masks[edge_type] = times < limit
    return with_masks(graph, masks)


def subgraph(graph: HeteroGraph, nodes: Mapping[NodeType, Any]) -> HeteroGraph:
    """See `HeteroGraph.subgraph`."""
    new_row: dict[NodeType, Any] = {}
    kept: dict[NodeType, Nodes] = {}
    for node_type in graph.node_types:
        part = graph._node_part(node_type)
        if node_type not in nodes:
            kept[node_type] = part
            continue
        rows = np.unique(graph.rows(node_type, nodes[node_type]))
        numbers = np.full(len(part.ids), -1, np.int64)
        numbers[rows] = np.arange(rows.size)
        new_row[node_type] = numbers
        columns = part.columns
        columns = columns.take(from_numpy(rows)) if columns.num_columns else columns
        kept[node_type] = Nodes(part.ids.take(rows), columns)
    for node_type in nodes:
        graph._node_part(node_type)  # refuses a name that is not there
    edges = {
        edge_type: _renumbered(group, new_row, kept) for edge_type, group in graph._edges.items()
    }
    return type(graph)(kept, edges, graph.policies, graph.notes)


def _renumbered(
    group: Edges, new_row: Mapping[NodeType, Any], kept: Mapping[NodeType, Nodes]
) -> Edges:
    """Edges among kept nodes, in new rows; their order, and so the CSR, stays."""
    old = group.adjacency
    src_type, dst_type = old.edge_type.src, old.edge_type.dst
    src_of, dst_of = new_row.get(src_type), new_row.get(dst_type)
    if src_of is None and dst_of is None:
        return group
    keep = np.ones(old.num_edges, np.bool_)
    if src_of is not None:
        keep &= src_of[old.sources()] >= 0
    if dst_of is not None:
        keep &= dst_of[old.neighbors] >= 0
    left = keep_edges(group, keep)
    offsets = left.adjacency.offsets
    if src_of is not None:
        degrees = left.adjacency.degrees[np.flatnonzero(src_of >= 0)]
        offsets = np.concatenate([[0], np.cumsum(degrees, dtype=np.int64)])
    neighbors = left.adjacency.neighbors
    num_dst = len(kept[dst_type].ids)
    if dst_of is not None:
        neighbors = dst_of[neighbors].astype(row_dtype(num_dst))
    own = left.adjacency
    adjacency = Adjacency(old.edge_type, num_dst, offsets, neighbors, own.weights, own.times)
    return Edges(adjacency, left.columns)


def extend(
    graph: HeteroGraph, nodes: Mapping[NodeType, TableLike], edges: Mapping[EdgeType, TableLike]
) -> HeteroGraph:
    """See `HeteroGraph.extend`."""
    node_tables = {name: graph.node_table(name) for name in graph.node_types}
    edge_tables = {name: graph.edge_table(name) for name in graph.edge_types}
    for name, table in nodes.items():
        more = as_table(table, name)
        node_tables[name] = _stacked(node_tables[name], more) if name in node_tables else more
    for edge_type, table in edges.items():
        more = as_table(table, str(edge_type))
        old = edge_tables.get(edge_type)
        if old is not None and ("weight" in old.column_names) != ("weight" in more.column_names):
            missing = "new" if "weight" in old.column_names else "old"
            raise GraphError(f"the {missing} edges have no weight", source=edge_type)
        edge_tables[edge_type] = more if old is None else _stacked(old, more)
    return type(graph).from_tables(node_tables, edge_tables, policies=graph.policies)


def _stacked(old: pa.Table, more: pa.Table) -> pa.Table:
    """Both, one under the other; what one lacks is null there."""
    more = pa.table(
        {
            name: more[name].cast(old.schema.field(name).type)
            if name in old.column_names and name not in ("weight", "time")
            else more[name]
            for name in more.column_names
        }
    )
    if "time" in old.column_names and "time" in more.column_names:
        kind = more.schema.field("time").type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            at = more.schema.get_field_index("time")
            stamped = more["time"].cast(pa.timestamp("us", getattr(kind, "tz", None)))
            more = more.set_column(at, "time", stamped.cast(pa.timestamp("us", "UTC")))
    return pa.concat_tables([old, more], promote_options="permissive")
