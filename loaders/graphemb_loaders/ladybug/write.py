"""Writing a graph to Ladybug: COPY into tables that are empty, MERGE into those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa

from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.source import Report
from graphemb.types import EdgeType, NodeType, check_name
from graphemb_loaders.cypher import PARALLEL, edge_properties, pair_numbers, quoted

_TYPES = (
    (pa.types.is_boolean, "BOOL"),
    (pa.types.is_int8, "INT8"),
    (pa.types.is_int16, "INT16"),
    (pa.types.is_int32, "INT32"),
    (pa.types.is_int64, "INT64"),
    (pa.types.is_uint8, "UINT8"),
    (pa.types.is_uint16, "UINT16"),
    (pa.types.is_uint32, "UINT32"),
    (pa.types.is_uint64, "UINT64"),
    (pa.types.is_float32, "FLOAT"),
    (pa.types.is_float64, "DOUBLE"),
    (pa.types.is_string, "STRING"),
    (pa.types.is_large_string, "STRING"),
    (pa.types.is_date32, "DATE"),
    (pa.types.is_timestamp, "TIMESTAMP"),
)
"""Times are stored in UTC and read back without a zone, which means UTC to a graph."""


def table_names(graph: HeteroGraph) -> tuple[dict[NodeType, str], dict[EdgeType, str]]:
    """The table of each node type and edge type: its name, or its relation's.

    Tables of both kinds share one set of names, which knows no upper and lower case: a name that
    is taken gets a `_`.
    """
    taken: set[str] = set()
    nodes = {node_type: _free(node_type, taken) for node_type in graph.node_types}
    relations: dict[str, str] = {}
    for edge_type in graph.edge_types:
        if edge_type.relation not in relations:
            relations[edge_type.relation] = _free(edge_type.relation, taken)
    return nodes, {edge_type: relations[edge_type.relation] for edge_type in graph.edge_types}


def _free(name: str, taken: set[str]) -> str:
    while name.lower() in taken:
        name += "_"
    taken.add(name.lower())
    return name


def write_tables(connection: Any, graph: HeteroGraph, report: Report) -> None:
    """Write everything in one transaction: all of it is there afterwards, or nothing."""
    labels, relations = table_names(graph)
    nodes = {name: _storable(graph.node_table(name), name) for name in graph.node_types}
    edges = {name: _edge_table(graph, name) for name in graph.edge_types}
    connection.execute("BEGIN TRANSACTION")
    try:
        for node_type, table in nodes.items():
            report(f"nodes.{node_type}", 0, table.num_rows)
            _write_nodes(connection, labels[node_type], table)
            report(f"nodes.{node_type}", table.num_rows, table.num_rows)
        for edge_type, table in edges.items():
            report(f"edges.{edge_type}", 0, table.num_rows)
            ends = labels[edge_type.src], labels[edge_type.dst]
            _write_edges(connection, relations[edge_type], ends, table)
            report(f"edges.{edge_type}", table.num_rows, table.num_rows)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(RuntimeError):  # a statement that failed may have ended the transaction
            connection.execute("ROLLBACK")
        raise


def _edge_table(graph: HeteroGraph, edge_type: EdgeType) -> pa.Table:
    names = edge_properties(graph, edge_type)
    table = _storable(graph.edge_table(edge_type), edge_type)
    numbers = pair_numbers(graph[edge_type])
    if numbers.any() or not names:  # COPY wants at least one column by name
        table = table.append_column(PARALLEL, pa.array(numbers, mask=numbers == 0))
    return table


def _storable(table: pa.Table, source: object) -> pa.Table:
    """Columns that Ladybug takes; a column of nulls alone is left out."""
    seen: set[str] = set()
    for place, column in reversed(list(enumerate(table.schema))):
        if pa.types.is_null(column.type):
            table = table.remove_column(place)
            continue
        if column.name.lower() in seen:
            raise ConfigError(
                "two columns differ only in upper and lower case", source=source, field=column.name
            )
        seen.add(column.name.lower())
        quoted(column.name)
        kind = column.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", kind.tz)
            table = table.set_column(place, column.name, table[place].cast(kind, safe=False))
            kind = pa.timestamp("us")
        if kind != column.type:
            table = table.set_column(place, column.name, table[place].cast(kind))
        _type_cypher(kind, source, column.name)
    return table


def _type_cypher(kind: pa.DataType, source: object, column: str) -> str:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner_cypher = _type_cypher(kind.value_type, source, column)
        return f"{inner_cypher}[]"
    for fits, name_cypher in _TYPES:
        if fits(kind):
            return name_cypher
    raise ConfigError(
        f"Ladybug takes no column of {kind} here",
        code="column_type",
        source=source,
        field=column,
        hint="cast it to text, a number or a timestamp, or leave it out",
    )


def _columns_cypher(table: pa.Table, skip: int) -> list[str]:
    columns = list(table.schema)[skip:]
    return [f"{quoted(one.name)} {_type_cypher(one.type, None, one.name)}" for one in columns]


def _write_nodes(connection: Any, label: str, table: pa.Table) -> None:
    id_cypher = _type_cypher(table.schema.field("id").type, label, "id")
    connection.execute(
        f"CREATE NODE TABLE IF NOT EXISTS {quoted(label)}(id {id_cypher}, PRIMARY KEY(id))"
    )
    _add_columns(connection, label, table, 1)
    if _is_empty(connection, f"MATCH (n:{quoted(label)}) RETURN count(*)"):
        names_cypher = ", ".join(quoted(name) for name in table.column_names)
        connection.execute(f"COPY {quoted(label)}({names_cypher}) FROM $rows", {"rows": table})
        return
    set_cypher = _set_cypher(table.column_names, 1)
    connection.execute(
        f"LOAD FROM $rows MERGE (it:{quoted(label)} {{id: c0}}){set_cypher}",
        {"rows": _numbered(table)},
    )


def _write_edges(connection: Any, relation: str, ends: tuple[str, str], table: pa.Table) -> None:
    src, dst = ends
    pair_cypher = f"FROM {quoted(src)} TO {quoted(dst)}"
    connection.execute(f"CREATE REL TABLE IF NOT EXISTS {quoted(relation)}({pair_cypher})")
    connection.execute(f"ALTER TABLE {quoted(relation)} ADD IF NOT EXISTS {pair_cypher}")
    _add_columns(connection, relation, table, 2)
    pattern_cypher = f"(:{quoted(src)})-[:{quoted(relation)}]->(:{quoted(dst)})"
    if not _is_empty(connection, f"MATCH {pattern_cypher} RETURN count(*)"):
        _merge_edges(connection, relation, ends, table)
        return
    names_cypher = ", ".join(quoted(name) for name in table.column_names[2:])
    columns_cypher = f"({names_cypher})" if names_cypher else ""
    connection.execute(
        f"COPY {quoted(relation)}{columns_cypher} FROM $rows "
        f"(from='{check_name(src, 'table')}', to='{check_name(dst, 'table')}')",
        {"rows": table},
    )


def _merge_edges(connection: Any, relation: str, ends: tuple[str, str], table: pa.Table) -> None:
    """The first edge of each pair of nodes, then those parallel to it by their number."""
    names = [name for name in table.column_names if name != PARALLEL]
    src, dst = ends
    match_cypher = (  # one after the other: a pattern of both is planned as their cross product
        f"MATCH (a:{quoted(src)}) WHERE a.id = c0 MATCH (b:{quoted(dst)}) WHERE b.id = c1"
    )
    set_cypher = _set_cypher(names, 2)
    parallel = np.zeros(table.num_rows, np.bool_)
    if PARALLEL in table.column_names:
        parallel = np.asarray(table[PARALLEL].is_valid())
    first_cypher = f"MERGE (a)-[it:{quoted(relation)}]->(b)"
    connection.execute(
        f"LOAD FROM $rows {match_cypher} {first_cypher}{set_cypher}",
        {"rows": _numbered(table.select(names).filter(pa.array(~parallel)))},
    )
    if not parallel.any():
        return
    number_cypher = quoted(f"c{len(names)}")
    next_cypher = f"MERGE (a)-[it:{quoted(relation)} {{{quoted(PARALLEL)}: {number_cypher}}}]->(b)"
    connection.execute(
        f"LOAD FROM $rows {match_cypher} {next_cypher}{set_cypher}",
        {"rows": _numbered(table.select([*names, PARALLEL]).filter(pa.array(parallel)))},
    )


def _add_columns(connection: Any, name: str, table: pa.Table, skip: int) -> None:
    for column in list(table.schema)[skip:]:
        type_cypher = _type_cypher(column.type, name, column.name)
        connection.execute(
            f"ALTER TABLE {quoted(name)} ADD IF NOT EXISTS {quoted(column.name)} {type_cypher}"
        )


def _numbered(table: pa.Table) -> pa.Table:
    """Columns c0, c1, ...: their own names could be those of variables in a query."""
    return table.rename_columns([f"c{place}" for place in range(table.num_columns)])


def _set_cypher(names: Sequence[str], skip: int) -> str:
    parts_cypher = ", ".join(
        f"it.{quoted(name)} = {quoted(f'c{place}')}"
        for place, name in enumerate(names)
        if place >= skip
    )
    return f" SET {parts_cypher}" if parts_cypher else ""


def _is_empty(connection: Any, count_cypher: str) -> bool:
    return not connection.execute(count_cypher).get_next()[0]
