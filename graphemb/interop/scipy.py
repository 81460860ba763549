"""SciPy sparse matrices in and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphemb.errors import ConfigError, GraphError
from graphemb.graph import HeteroGraph, Policies
from graphemb.ids import Ids
from graphemb.types import EdgeType, NodeType

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_DEFAULT = EdgeType("node", "to", "node")


def from_scipy(
    matrix: Any,
    *,
    edge_type: EdgeType | None = None,
    ids: Any = None,
    policies: Policies | None = None,
) -> HeteroGraph:
    """A graph of one edge type: entry (i, j) is an edge from row i to column j.

    Values become weights; a boolean matrix has none. An entry stored as zero is an edge of weight
    zero, which is dropped and counted. A symmetric matrix holds every undirected edge twice: pass
    `scipy.sparse.triu(matrix)` to store it once.

    Args:
        matrix: sparse matrix or array [n_src, n_dst], any format.
        edge_type: default `node-to-node`; a rectangular matrix needs two node types.
        ids: of the rows, where both ends are of one type; else a mapping of node type to ids.
            Default: 0, 1, 2, ...
        policies: as for `HeteroGraph.from_tables`.

    Raises:
        GraphError: not a real sparse matrix; ids that do not fit its shape; rows past its end.
        ConfigError: a rectangular matrix and one node type.
    """
    edge_type = EdgeType(*edge_type) if edge_type else _DEFAULT
    entries = _entries(matrix, edge_type)
    shape = {edge_type.src: entries.shape[0], edge_type.dst: entries.shape[1]}
    if edge_type.src == edge_type.dst and entries.shape[0] != entries.shape[1]:
        raise ConfigError(
            f"a matrix of {entries.shape[0]} x {entries.shape[1]} joins two node types",
            source=edge_type,
            field="edge_type",
            hint='for example EdgeType("user", "buys", "product")',
        )
    by_type = ids if isinstance(ids, Mapping) else dict.fromkeys(shape, ids)
    keys = {name: _ids(by_type.get(name), size, name) for name, size in shape.items()}
    edges = {
        "src": take_ids(keys[edge_type.src], entries.row, str(edge_type), "row"),
        "dst": take_ids(keys[edge_type.dst], entries.col, str(edge_type), "column"),
    }
    if entries.dtype != np.bool_:
        edges["weight"] = pa.array(np.asarray(entries.data))
    nodes = {name: {"id": part.array} for name, part in keys.items()}
    return HeteroGraph.from_tables(nodes, {edge_type: edges}, policies=policies)


def to_scipy(graph: HeteroGraph, edge_type: EdgeType | None = None) -> csr_matrix:
    """float32 [n_src, n_dst] of one edge type (or a reverse); ones where it has no weights.

    Rows and columns are in the order of `graph.ids`; parallel edges are summed.

    Args:
        edge_type: may be left out when the graph has one.

    Raises:
        ConfigError: left out, and the graph has none or several.
        UnknownName: no such edge type.
    """
    if edge_type is None:
        if len(graph.edge_types) != 1:
            raise ConfigError(
                f"the graph has {len(graph.edge_types)} edge types: which one?",
                field="edge_type",
                hint=f"known: {', '.join(map(str, graph.edge_types))}",
            )
        edge_type = graph.edge_types[0]
    return graph[edge_type].to_scipy()


def take_ids(ids: Ids, rows: Any, source: str, field: str) -> pa.Array:
    """The id of each row, checked before anything is looked up; rows may repeat.

    Raises:
        GraphError: a negative row, or one past the last node.
    """
    places = np.asarray(rows)
    bad = (places < 0) | (places >= len(ids))
    if bad.any():
        where = int(np.argmax(bad))
        raise GraphError(
            f"{int(bad.sum())} edges lead past the {len(ids)} nodes there are",
            code="row_range",
            source=source,
            row=where,
            field=field,
            value=int(places[where]),
        )
    return ids.array.take(pa.array(places))


def _entries(matrix: Any, edge_type: EdgeType) -> Any:
    from scipy.sparse import issparse

    sparse, dtype = issparse(matrix), getattr(matrix, "dtype", None)
    if not sparse or matrix.ndim != 2 or getattr(dtype, "kind", "") not in "biuf":
        raise GraphError(
            "a sparse matrix of real numbers is wanted",
            source=edge_type,
            value=f"{type(matrix).__name__} of {dtype}",
            hint="scipy.sparse.csr_array(array) makes one of a dense array",
        )
    try:
        return matrix.tocoo()
    except ValueError as error:  # compressed formats are not checked before
        raise GraphError(
            f"the matrix is broken: {error}", code="row_range", source=edge_type
        ) from error


def _ids(given: Any, size: int, node_type: NodeType) -> Ids:
    ids = Ids.of(np.arange(size) if given is None else given, source=node_type)
    if len(ids) != size:
        raise GraphError(
            f"{size} ids are wanted, one per row of the matrix", source=node_type, value=len(ids)
        )
    return ids
