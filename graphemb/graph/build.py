"""From tables to rows and CSR: map the ids, apply the policies, group by counting sorts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphemb.arrow import from_numpy
from graphemb.errors import SAMPLE_LIMIT, GraphError, UnknownName, UnknownNode, shown
from graphemb.graph.adjacency import Adjacency, masked, row_dtype
from graphemb.graph.columns import TableLike, as_table, read_times, read_weights, require
from graphemb.graph.compressed import first_of_each, fixed
from graphemb.graph.policies import Policies
from graphemb.ids import Ids, key_array
from graphemb.kernels import csr
from graphemb.types import BoolArray, EdgeType, FloatArray, IntArray, NodeType, RowArray, check_name

EDGE_FIELDS = ("src", "dst", "weight", "time")
NO_COLUMNS = pa.table({})


@dataclass(frozen=True, eq=False)
class Nodes:
    """One node type: its ids and its columns, row by row."""

    ids: Ids
    columns: pa.Table


@dataclass(frozen=True, eq=False)
class Edges:
    """One edge type: its CSR and its columns, in CSR order."""

    adjacency: Adjacency
    columns: pa.Table


@dataclass(frozen=True, eq=False)
class _EdgeList:
    """Edges before they are grouped; all arrays as long, any order."""

    src: RowArray
    dst: RowArray
    weights: FloatArray | None
    times: IntArray | None
    columns: pa.Table

    def take(self, chosen: IntArray | BoolArray) -> _EdgeList:
        places = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return _EdgeList(
            self.src[places],
            self.dst[places],
            None if self.weights is None else self.weights[places],
            None if self.times is None else self.times[places],
            self.columns.take(from_numpy(places)) if self.columns.num_columns else self.columns,
        )


def build(
    nodes: Mapping[NodeType, TableLike],
    edges: Mapping[EdgeType, TableLike],
    policies: Policies,
) -> tuple[dict[NodeType, Nodes], dict[EdgeType, Edges], list[str]]:
    """Nodes, edges, and notes on what the policies did.

    Raises:
        GraphError: rows that cannot be, as the policies say.
        UnknownName: an edge type between node types that are not there.
    """
    notes: list[str] = []
    made = {name: _nodes(name, table) for name, table in nodes.items()}
    for name, part in made.items():
        if alike := part.ids.look_alikes():
            notes.append(f"{name}: {alike:,} ids differ from another one only in Unicode form")
    tables: dict[EdgeType, pa.Table] = {}
    for edge_type, table in edges.items():
        stored = _checked_type(edge_type, made, policies)
        tables[stored] = as_table(table, str(stored))
        require(tables[stored], ("src", "dst"), str(stored))
    if policies.unknown_nodes == "create":
        made = _create_nodes(made, tables, notes)
    grouped = {
        edge_type: _edges(edge_type, table, made, policies, notes)
        for edge_type, table in tables.items()
    }
    return made, grouped, notes


def _nodes(node_type: NodeType, given: TableLike) -> Nodes:
    check_name(node_type, "node type")
    table = as_table(given, node_type)
    require(table, ("id",), node_type)
    ids = Ids.of(table["id"], source=node_type)
    pa.default_memory_pool().release_unused()  # Arrow keeps its hash tables' pages otherwise
    columns = table.drop_columns(["id"])
    return Nodes(ids, columns.combine_chunks() if columns.num_columns else NO_COLUMNS)


def _checked_type(given: EdgeType, nodes: Mapping[NodeType, Nodes], policies: Policies) -> EdgeType:
    edge_type = EdgeType(*given)
    if edge_type.is_reverse:
        raise GraphError(
            "edges are given in their own direction", source=edge_type, hint=str(edge_type.reverse)
        )
    for node_type in (edge_type.src, edge_type.dst):
        if node_type not in nodes and policies.unknown_nodes != "create":
            raise UnknownName("node type", node_type, nodes, source=edge_type)
    return edge_type


def _create_nodes(
    nodes: Mapping[NodeType, Nodes], tables: Mapping[EdgeType, pa.Table], notes: list[str]
) -> dict[NodeType, Nodes]:
    made = dict(nodes)
    for edge_type, table in tables.items():
        for node_type, end in ((edge_type.src, "src"), (edge_type.dst, "dst")):
            keys = pc.unique(key_array(table[end], source=edge_type, field=end))
            old = made.get(node_type, Nodes(Ids(keys[:0]), NO_COLUMNS))
            new = keys.filter(from_numpy(old.ids.find_keys(keys) < 0))
            if node_type in made and not len(new):
                continue
            ids = Ids.of(pa.concat_arrays([old.ids.array.cast(new.type), new]), source=node_type)
            columns = old.columns
            if columns.num_columns:
                nulls = {one.name: pa.nulls(len(new), one.type) for one in columns.schema}
                columns = pa.concat_tables([columns, pa.table(nulls)]).combine_chunks()
            made[node_type] = Nodes(ids, columns)
            notes.append(f"{edge_type}: {len(new):,} {node_type} nodes created from column {end}")
    return made


def _edges(
    edge_type: EdgeType,
    table: pa.Table,
    nodes: Mapping[NodeType, Nodes],
    policies: Policies,
    notes: list[str],
) -> Edges:
    source = str(edge_type)
    names = table.column_names
    listed = _EdgeList(
        _end_rows(table, "src", nodes[edge_type.src].ids, source),
        _end_rows(table, "dst", nodes[edge_type.dst].ids, source),
        read_weights(table["weight"], policies, source) if "weight" in names else None,
        read_times(table["time"], policies, source) if "time" in names else None,
        table.drop_columns([name for name in EDGE_FIELDS if name in names]).combine_chunks(),
    )
    listed = _without_unknown(listed, table, edge_type, policies, notes)
    listed = _without_refused(listed, edge_type, policies, notes)
    num_src, num_dst = len(nodes[edge_type.src].ids), len(nodes[edge_type.dst].ids)
    return group_edges(edge_type, listed, num_src, num_dst, policies, notes)


def _end_rows(table: pa.Table, end: str, ids: Ids, source: str) -> RowArray:
    keys = key_array(table[end], source=source, field=end)
    if len(keys) and len(ids) and pa.types.is_int64(keys.type) != (ids.kind == "int"):
        raise GraphError(
            f"column {end} holds {keys.type}, but that node type's ids are {ids.kind}",
            code="id_type",
            source=source,
            row=0,
            field=end,
            value=keys[0].as_py(),
            hint="ids are never converted; cast one of the two in its query",
        )
    rows: RowArray = ids.find_keys(keys).astype(row_dtype(len(ids)), copy=False)
    del keys
    pa.default_memory_pool().release_unused()
    return rows


def _without_unknown(
    listed: _EdgeList, table: pa.Table, edge_type: EdgeType, policies: Policies, notes: list[str]
) -> _EdgeList:
    unknown = (listed.src < 0) | (listed.dst < 0)
    count = int(np.count_nonzero(unknown))
    if not count:
        return listed
    if policies.unknown_nodes == "error":
        rows = np.flatnonzero(unknown)[:SAMPLE_LIMIT]
        pairs = [(table["src"][int(row)].as_py(), table["dst"][int(row)].as_py()) for row in rows]
        missing_src = bool(listed.src[rows[0]] < 0)
        raise UnknownNode(
            f"{count} of {listed.src.size} edges lead to nodes that are not there",
            source=edge_type,
            row=int(rows[0]),
            field="src" if missing_src else "dst",
            value=pairs[0][0 if missing_src else 1],
            hint='Policies(unknown_nodes="drop") or "create"; first edges: '
            + ", ".join(shown(pair) for pair in pairs),
        )
    notes.append(f"{edge_type}: {count:,} edges to unknown nodes dropped")
    return listed.take(~unknown)


def _without_refused(
    listed: _EdgeList, edge_type: EdgeType, policies: Policies, notes: list[str]
) -> _EdgeList:
    if listed.weights is not None and not listed.weights.all():
        keep = listed.weights > 0
        notes.append(f"{edge_type}: {int((~keep).sum()):,} edges of weight 0 dropped")
        listed = listed.take(keep)
    if edge_type.src == edge_type.dst:
        loops = listed.src == listed.dst
        count = int(np.count_nonzero(loops))
        if count:
            done = "dropped" if policies.self_loops == "drop" else "kept"
            notes.append(f"{edge_type}: {count:,} self loops {done}")
            if policies.self_loops == "drop":
                listed = listed.take(~loops)
    return listed


def group_edges(
    edge_type: EdgeType,
    listed: _EdgeList,
    num_src: int,
    num_dst: int,
    policies: Policies,
    notes: list[str],
) -> Edges:
    """CSR of an edge list: two stable counting sorts, then the policy for parallel edges.

    Parallel edges come in the order of their times, or else as they were given.
    """
    offsets = csr.count_offsets(fixed(listed.src), num_src)
    order = _csr_order(listed, offsets, num_dst)
    neighbors = listed.dst[order]
    first = first_of_each(offsets, neighbors)
    parallel = int(first.size - np.count_nonzero(first))
    if parallel and listed.times is not None:
        order = order[np.lexsort((listed.times[order], _group_numbers(first)))]
    weights = None if listed.weights is None else listed.weights[order]
    times = None if listed.times is None else listed.times[order]
    columns = listed.columns
    if columns.num_columns:
        columns = columns.take(from_numpy(order))
    grouped = Edges(Adjacency(edge_type, num_dst, offsets, neighbors, weights, times), columns)
    if not parallel or policies.parallel_edges == "keep":
        return grouped
    notes.append(
        f"{edge_type}: {parallel:,} parallel edges merged ({policies.parallel_edges} of weights)"
    )
    return _merge_parallel(grouped, first, policies)


def _csr_order(listed: _EdgeList, offsets: IntArray, num_dst: int) -> RowArray:
    src, dst = fixed(listed.src), fixed(listed.dst)
    by_dst: RowArray = np.empty(src.size, row_dtype(src.size))
    csr.stable_order(dst, csr.count_offsets(dst, num_dst), by_dst)
    order = np.empty_like(by_dst)
    csr.stable_order_by(by_dst, src, offsets, order)
    return order


def _group_numbers(first: BoolArray) -> IntArray:
    return np.cumsum(first, dtype=np.int64)


def _merge_parallel(edges: Edges, first: BoolArray, policies: Policies) -> Edges:
    old = edges.adjacency
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], first.size)
    weights, times = old.weights, old.times
    one = np.ones(first.size, np.float32) if weights is None else weights
    if policies.parallel_edges == "max":
        ranked = np.lexsort((one, _group_numbers(first)))
        chosen = ranked[ends - 1]
    else:
        chosen = ends - 1
    merged: FloatArray | None
    if policies.parallel_edges == "sum":
        merged = np.add.reduceat(one, starts) if starts.size else one
    else:
        merged = None if weights is None else weights[chosen]
    counts = np.zeros(old.num_src + 1, np.int64)
    np.cumsum(first, out=(passed := np.empty(first.size, np.int64)))
    counts[1:] = np.where(old.offsets[1:] > 0, passed[old.offsets[1:] - 1], 0)
    adjacency = replace(
        old,
        offsets=counts,
        neighbors=old.neighbors[starts],
        weights=merged,
        times=None if times is None else times[chosen],
    )
    columns = edges.columns
    return Edges(adjacency, columns.take(from_numpy(chosen)) if columns.num_columns else columns)


def keep_edges(edges: Edges, keep: BoolArray) -> Edges:
    """The edges where `keep` bool [m] (in CSR order) is True."""
    columns = edges.columns
    return Edges(
        masked(edges.adjacency, keep),
        columns.filter(from_numpy(keep)) if columns.num_columns else columns,
    )
