"""NetworkX in and out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphemb.errors import GraphError
from graphemb.graph import HeteroGraph, Policies
from graphemb.ids import Ids, key_array
from graphemb.types import EdgeType, NodeId, NodeType

if TYPE_CHECKING:
    import networkx as nx

_Row = dict[str, Any]


def from_networkx(
    graph: nx.Graph,
    *,
    node_type: NodeType = "node",
    relation: str = "to",
    node_type_key: str = "node_type",
    relation_key: str = "relation",
    policies: Policies | None = None,
) -> HeteroGraph:
    """A graph from any NetworkX graph; node and edge attributes become columns.

    An undirected edge is stored once, in the direction in which NetworkX lists it or the one its
    edge type already has. The edge attributes `weight` and `time` become weights and times, in
    the unit that `policies` declares. A node's id is its attribute `id` where it has one, else
    the node itself.

    Args:
        graph: Graph, DiGraph, MultiGraph or MultiDiGraph.
        node_type: type of all nodes, when none has the attribute `node_type_key`.
        relation: relation of all edges, when none has the attribute `relation_key`.
        node_type_key: node attribute that holds the node's type.
        relation_key: edge attribute that holds the edge's relation.
        policies: as for `HeteroGraph.from_tables`.

    Raises:
        GraphError: a node that is neither string nor integer, or both kinds in one node type; a
            type or relation on some nodes or edges only; attribute values of mixed types.
    """
    listed = list(graph.nodes(data=True))
    kinds = _marks((values for _, values in listed), node_type_key, node_type, "node")
    type_of = dict(zip(graph.nodes, kinds, strict=True))
    id_of: dict[object, NodeId] = {}
    nodes: dict[NodeType, list[_Row]] = {}
    for row, (node, values) in enumerate(listed):
        id_of[node] = _checked_id(values.get("id", node), row)
        columns = _columns(values, {node_type_key, "id"})
        nodes.setdefault(type_of[node], []).append({"id": id_of[node], **columns})

    links = list(graph.edges(data=True))
    relations = _marks((values for *_, values in links), relation_key, relation, "edge")
    edges: dict[EdgeType, list[_Row]] = {}
    for (src, dst, values), name in zip(links, relations, strict=True):
        edge_type = EdgeType(type_of[src], name, type_of[dst])
        turned = EdgeType(edge_type.dst, name, edge_type.src)
        if not graph.is_directed() and edge_type not in edges and turned in edges:
            edge_type, src, dst = turned, dst, src
        columns = _columns(values, {relation_key})
        edges.setdefault(edge_type, []).append({"src": id_of[src], "dst": id_of[dst], **columns})
    return HeteroGraph.from_tables(
        {name: _table(rows, name) for name, rows in nodes.items()},
        {kind: _table(rows, str(kind)) for kind, rows in edges.items()},
        policies=policies,
    )


def to_networkx(graph: HeteroGraph) -> nx.MultiDiGraph:
    """A NetworkX graph that `from_networkx` turns back into the same content.

    With one node type the nodes are its ids. With several they are the strings `<type>:<id>`,
    because two types may hold the same id. Node attributes: `node_type`, `id` and the columns.
    Edge attributes: `relation`, `weight` and `time` (datetime, UTC) where the edge type has them,
    and the columns. Null values are left out.
    """
    import networkx as nx

    several = len(graph.node_types) > 1

    def node(node_type: NodeType, node_id: NodeId) -> NodeId:
        return f"{node_type}:{node_id}" if several else node_id

    out = nx.MultiDiGraph()
    for node_type in graph.node_types:
        for row in graph.node_table(node_type).to_pylist():
            name = node(node_type, row["id"])
            out.add_node(name)
            out.nodes[name].update(node_type=node_type, **_known(row))
    for edge_type in graph.edge_types:
        for row in graph.edge_table(edge_type).to_pylist():
            src, dst = node(edge_type.src, row.pop("src")), node(edge_type.dst, row.pop("dst"))
            key = out.add_edge(src, dst)
            out.edges[src, dst, key].update(relation=edge_type.relation, **_known(row))
    return out


def _marks(rows: Iterable[Mapping[str, Any]], key: str, default: str, what: str) -> list[str]:
    """The attribute `key` of every row; `default` for all when none has it."""
    values = [row.get(key) for row in rows]
    lacking = [number for number, value in enumerate(values) if value is None]
    if len(lacking) == len(values):
        return [default] * len(values)
    if lacking:
        raise GraphError(
            f"{len(lacking)} of {len(values)} {what}s have no attribute {key!r}, the others do",
            source="NetworkX graph",
            row=lacking[0],
            field=key,
        )
    return [str(value) for value in values]


def _checked_id(node: object, row: int) -> NodeId:
    if isinstance(node, str):
        return node
    if isinstance(node, int | np.integer) and not isinstance(node, bool):
        return int(node)
    raise GraphError(
        f"a NetworkX node must be a string or an integer, not {type(node).__name__}",
        code="id_type",
        source="NetworkX graph",
        row=row,
        field="id",
        value=node,
        hint='relabel the nodes (networkx.relabel_nodes), or give each an attribute "id"',
    )


def _columns(values: Mapping[Any, Any], taken: set[str]) -> _Row:
    columns = {str(key): value for key, value in values.items() if key not in taken}
    for reserved in ("src", "dst"):
        if reserved in columns:
            raise GraphError(
                f"an attribute cannot be called {reserved!r}",
                source="NetworkX graph",
                field=reserved,
                value=columns[reserved],
                hint=f"rename it: {reserved!r} is where an edge's end is kept",
            )
    return columns


def _table(rows: list[_Row], source: str) -> pa.Table:
    """Rows of unequal keys as one table; what a row lacks is null."""
    table = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if name == "id":
            table[name] = Ids.of(values, source=source).array
        elif name in ("src", "dst"):
            table[name] = key_array(values, source=source, field=name)
        else:
            table[name] = _column(values, source, name)
    return pa.table(table)


def _column(values: list[Any], source: str, name: str) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise GraphError(
            f"attribute {name!r} cannot be one column: {error}", source=source, field=name
        ) from error


def _known(row: _Row) -> _Row:
    return {name: value for name, value in row.items() if value is not None}
