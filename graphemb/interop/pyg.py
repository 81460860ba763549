"""PyTorch Geometric in and out: `HeteroData`, with the ids that its rows stand for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphemb.errors import GraphError, MissingDependency
from graphemb.graph import HeteroGraph, Policies
from graphemb.ids import Ids
from graphemb.interop.scipy import take_ids
from graphemb.types import EdgeType, NodeType

if TYPE_CHECKING:
    from torch_geometric.data import Data, HeteroData

_WEIGHTS = ("edge_weight", "edge_attr")
_TIMES = ("time", "edge_time")


def from_pyg(
    data: HeteroData | Data,
    ids: Mapping[NodeType, Any] | None = None,
    *,
    policies: Policies | None = None,
) -> HeteroGraph:
    """A graph from `HeteroData`, or from `Data` as `node-to-node`.

    Node attributes with one entry per node become columns (a matrix becomes a column of lists);
    `edge_weight`, or `edge_attr` where it holds one number per edge, becomes the weight; `time`
    or `edge_time` the time; other edge attributes become columns. Reverse edge types that
    `ToUndirected` added are edge types like any other: leave them out, ours are made on demand.

    Args:
        data: every node type with `num_nodes`, `x` or `y`, or with ids given.
        ids: per node type the ids of its rows, as `to_pyg` returns them; default 0, 1, 2, ...
        policies: as for `HeteroGraph.from_tables`; integer times need `time_unit`, unless
            `to_pyg` wrote it into the data.

    Raises:
        GraphError: an `edge_index` that is not integer [2, m], negative or past the last node; a
            node type of unknown size; ids that do not fit it.
        ConfigError: a name that is not letters, digits and `_`.
    """
    node_stores, edge_stores = _stores(data)
    given = ids or {}
    keys = {name: _ids(given.get(name), store, name) for name, store in node_stores.items()}
    nodes = {
        name: {"id": keys[name].array, **_columns(store, len(keys[name]))}
        for name, store in node_stores.items()
    }
    edges = {kind: _edges(store, kind, keys) for kind, store in edge_stores.items()}
    policies = policies or Policies()
    if policies.time_unit is None and "time_unit" in data:
        policies = replace(policies, time_unit=data["time_unit"])
    return HeteroGraph.from_tables(nodes, edges, policies=policies)


def to_pyg(graph: HeteroGraph) -> tuple[HeteroData, dict[NodeType, Ids]]:
    """`HeteroData` of the graph, and per node type the ids of its rows.

    Per node type: `num_nodes` and the numeric columns as tensors (a column of equally long lists
    as a matrix; nulls as NaN). Per edge type: `edge_index` int64 [2, m] in CSR order,
    `edge_weight` float32 and `time` int64 (microseconds since 1970 UTC) where it has them, and the
    numeric columns. Text and other columns are left out, since tensors cannot hold them.

    Raises:
        MissingDependency: PyTorch Geometric is not installed.
    """
    torch, data = _empty()
    data["time_unit"] = "us"
    for node_type in graph.node_types:
        data[node_type].num_nodes = graph.num_nodes(node_type)
        for name, array in _numeric(graph.columns(node_type)):
            data[node_type][name] = torch.from_numpy(array)
    for edge_type in graph.edge_types:
        adjacency, store = graph[edge_type], data[tuple(edge_type)]
        ends = np.stack([adjacency.sources(), adjacency.neighbors]).astype(np.int64)
        store.edge_index = torch.from_numpy(ends)
        if adjacency.weights is not None:
            store.edge_weight = torch.from_numpy(adjacency.weights.copy())
        if adjacency.times is not None:
            store.time = torch.from_numpy(adjacency.times.copy())
        for name, array in _numeric(graph.edge_columns(edge_type)):
            store[name] = torch.from_numpy(array)
    return data, {node_type: graph.ids(node_type) for node_type in graph.node_types}


def _empty() -> tuple[Any, HeteroData]:
    """torch, and a `HeteroData` without content."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyG's own use of what torch deprecates
            import torch
            from torch_geometric.data import HeteroData
    except ImportError as error:
        raise MissingDependency("torch-geometric", "to_pyg") from error
    data = HeteroData()
    data["time_unit"] = "us"
    return torch, data


def _stores(data: Any) -> tuple[dict[NodeType, Any], dict[EdgeType, Any]]:
    if not hasattr(data, "node_types"):  # homogeneous Data
        return {"node": data}, {EdgeType("node", "to", "node"): data}
    nodes = {name: data[name] for name in data.node_types}
    return nodes, {EdgeType(*kind): data[kind] for kind in data.edge_types}


def _ids(given: Any, store: Any, node_type: NodeType) -> Ids:
    held = dict(store.items())
    size = held.get("num_nodes")
    for name in ("x", "y"):
        if size is None and name in held:
            size = len(held[name])
    if size is None and given is None:
        raise GraphError(
            "how many nodes there are is not said",
            code="num_nodes",
            source=node_type,
            hint=f"set data[{node_type!r}].num_nodes; the largest row misses isolated last nodes",
        )
    ids = Ids.of(range(size or 0) if given is None else given, source=node_type)
    if size is not None and len(ids) != size:
        raise GraphError(f"{size} ids are wanted, one per row", source=node_type, value=len(ids))
    return ids


def _edges(store: Any, edge_type: EdgeType, keys: Mapping[NodeType, Ids]) -> dict[str, Any]:
    ends = _edge_index(store, edge_type)
    source = str(edge_type)
    table: dict[str, Any] = {
        "src": take_ids(keys[edge_type.src], ends[0], source, "edge_index[0]"),
        "dst": take_ids(keys[edge_type.dst], ends[1], source, "edge_index[1]"),
    }
    columns = _columns(store, ends.shape[1], edges=True)
    for field, names in (("weight", _WEIGHTS), ("time", _TIMES)):
        for name in names:
            if field not in table and name in columns and not _is_list(columns[name]):
                table[field] = columns.pop(name)
    return table | columns


def _edge_index(store: Any, edge_type: EdgeType) -> Any:
    found = dict(store.items()).get("edge_index")
    if found is None or found.ndim != 2 or found.shape[0] != 2:
        what = "nothing" if found is None else f"shape {list(found.shape)}"
        raise GraphError(
            "edge_index of shape [2, m] is wanted", code="edge_index", source=edge_type, value=what
        )
    ends = np.asarray(found.detach().cpu())
    if ends.dtype.kind not in "iu":
        raise GraphError(
            "edge_index must hold integers",
            code="edge_index",
            source=edge_type,
            value=str(found.dtype),
        )
    return ends


def _columns(store: Any, size: int, *, edges: bool = False) -> dict[str, pa.Array]:
    """The attributes with one entry per node, or per edge; `Data` holds both kinds."""
    columns = {}
    for name, value in store.items():
        if name in ("num_nodes", "edge_index") or edges != bool(store.is_edge_attr(name)):
            continue
        if hasattr(value, "detach") and value.ndim in (1, 2) and value.shape[0] == size:
            columns[name] = _arrow(np.asarray(value.detach().cpu()))
        elif isinstance(value, list) and len(value) == size:
            columns[name] = pa.array(value)
    return columns


def _arrow(array: Any) -> pa.Array:
    if array.ndim == 1 or array.shape[1] == 1:
        return pa.array(array.reshape(-1))
    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _is_list(column: pa.Array) -> bool:
    return bool(pa.types.is_fixed_size_list(column.type) or pa.types.is_list(column.type))


def _numeric(table: pa.Table) -> Iterator[tuple[str, Any]]:
    """Name and NumPy array of every column that a tensor can hold."""
    for name in table.column_names:
        column = table[name].combine_chunks()
        kind, width = column.type, None
        if pa.types.is_fixed_size_list(kind) and not column.null_count:
            column, width = column.flatten(), kind.list_size
            kind = column.type
        if not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        ):
            continue
        if column.null_count:
            column = column.cast(pa.float32(), safe=False)
        array = np.array(column.to_numpy(zero_copy_only=False))
        yield name, array if width is None else array.reshape(-1, width)
