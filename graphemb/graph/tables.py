"""A graph's nodes and edges as the Arrow tables that it could be built from again."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from graphemb.arrow import from_numpy
from graphemb.graph.build import Edges, Nodes
from graphemb.ids import Ids


def node_table(part: Nodes) -> pa.Table:
    """`id` and all columns of one node type."""
    return _with_columns({"id": part.ids.array}, part.columns)


def edge_table(group: Edges, src: Ids, dst: Ids) -> pa.Table:
    """`src`, `dst`, `weight` and `time` where there are any, and all columns, in CSR order.

    Args:
        src, dst: the ids of the node types at both ends.
    """
    adjacency = group.adjacency
    fields: dict[str, Any] = {
        "src": src.array.take(from_numpy(adjacency.sources())),
        "dst": dst.array.take(from_numpy(adjacency.neighbors)),
    }
    if adjacency.weights is not None:
        fields["weight"] = from_numpy(adjacency.weights)
    if adjacency.times is not None:
        fields["time"] = from_numpy(adjacency.times).cast(pa.timestamp("us", "UTC"))
    return _with_columns(fields, group.columns)


def _with_columns(fields: dict[str, Any], columns: pa.Table) -> pa.Table:
    return pa.table(fields | {name: columns[name] for name in columns.column_names})
