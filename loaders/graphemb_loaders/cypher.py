"""What the Cypher databases share: names in queries, parameters, and reading back what was written.

Only names ever become part of a query, and only through `quoted`; values travel as parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from graphemb.errors import ConfigError, SourceError, UnknownName
from graphemb.graph import Adjacency, HeteroGraph
from graphemb.source import RESERVED_PARAMETERS, GraphSpec, Parameter, Query
from graphemb.types import EdgeType, IntArray, NodeType

PARALLEL = "_n"
"""Property that tells parallel edges apart: 1, 2, ... on all but the first of a pair of nodes."""

_MAX_NAME = 1_000
_NOT_CODE = re.compile(
    r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`(?:``|[^`])*`|//[^\n]*|/\*.*?\*/", re.DOTALL
)
_RETURN = re.compile(r"\bRETURN\b", re.IGNORECASE)
_UNION = re.compile(r"\bUNION\b", re.IGNORECASE)
_LIMIT = re.compile(r"\bLIMIT\b", re.IGNORECASE)
_CHANGES_ROWS = re.compile(
    r"\b(DISTINCT|LIMIT|SKIP|(count|collect|sum|min|max|avg|st[dD]ev\w*)\s*\()", re.IGNORECASE
)
_NAME_IN_USE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_INTERNAL_ID = re.compile(r"\b(?:elementId|id)\s*\([^()]*\)\s+AS\s+`?(id|src|dst)\b", re.IGNORECASE)
_ELEMENT_ID = re.compile(r"\d+:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:\d+\Z")


def quoted(name: str) -> str:
    """A label, relationship type, property or column name, as it may stand in a query.

    Backslashes are refused, because Cypher reads `\\u0060` as a backtick before it parses.

    Raises:
        ConfigError: empty, overlong, or with a backslash or control character.
    """
    if not name or len(name) > _MAX_NAME or "\\" in name or not _printable(name):
        raise ConfigError(
            "this cannot be a name in a database",
            code="bad_name",
            value=name,
            hint=f"1 to {_MAX_NAME} characters, no backslash, no control character",
        )
    return "`" + name.replace("`", "``") + "`"


def _printable(name: str) -> bool:
    return not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in name)


def code_of(text: str) -> str:
    """A query without its texts, quoted names and comments."""
    return _NOT_CODE.sub(lambda match: "" if match.group()[0] == "/" else "''", text)


def counting_cypher(query: Query, name: str) -> str | None:
    """The query with its rows counted in a column `name`; None where that is not plain.

    Databases count matches and the rows of a file without reading them, unless rows are made
    distinct, grouped or cut off: then they are made and counted.
    """
    masked = _NOT_CODE.sub(lambda match: " " * len(match.group()), query.text)
    returns = list(_RETURN.finditer(masked))
    if not returns or _UNION.search(masked):
        return None
    start, end = returns[-1].span()
    head_cypher, columns_cypher = query.text[:start], query.text[end:]
    if _CHANGES_ROWS.search(masked[end:]):
        head_cypher = f"{head_cypher}WITH{columns_cypher}\n"
    return f"{head_cypher}RETURN count(*) AS {quoted(name)}"


def sampling_cypher(query: Query, rows: int) -> str | None:
    """The first rows of a query; None where it says itself how many it wants."""
    text_cypher = query.text
    return None if _LIMIT.search(code_of(text_cypher)) else f"{text_cypher}\nLIMIT {int(rows)}"


def used_parameters(query: Query, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Those of the parameters that the query uses.

    Raises:
        UnknownName: it uses one that is not there.
    """
    used = list(dict.fromkeys(_NAME_IN_USE.findall(code_of(query.text))))
    for name in used:
        if name not in parameters:
            known = set(parameters) - set(RESERVED_PARAMETERS)
            raise UnknownName("parameter", name, known, source=query.name)
    return {name: parameters[name] for name in used}


def uses_parts(query: Query) -> bool:
    """Whether the query lets itself be read in parts, by `$part` and `$parts`."""
    return {"part", "parts"} <= set(_NAME_IN_USE.findall(code_of(query.text)))


def internal_keys(query: Query) -> list[str]:
    """The key columns that the query takes straight from the database's own element ids."""
    return [
        name for name in _INTERNAL_ID.findall(code_of(query.text)) if name.lower() in query.keys
    ]


def looks_internal(values: Sequence[object]) -> bool:
    """Whether these are element ids as Neo4j writes them: `4:<uuid>:123`."""
    texts = [value for value in values if isinstance(value, str)]
    return bool(texts) and all(_ELEMENT_ID.match(text) for text in texts)


def refuse_internal_key(query: Query, column: str) -> SourceError:
    """The error for an element id used as a key."""
    return SourceError(
        "the database's own element id is no key: it changes when data is copied or restored",
        code="internal_id",
        source=query.name,
        field=column,
        hint='return a property of yours, or allow it: Source(..., internal_ids="allow")',
    )


def pair_numbers(adjacency: Adjacency) -> IntArray:
    """int64 [m]: 0 for the first edge between two nodes, 1, 2, ... for those parallel to it."""
    places = np.arange(adjacency.num_edges)
    src, dst = adjacency.sources(), adjacency.neighbors
    first = np.ones(places.size, np.bool_)
    first[1:] = (src[1:] != src[:-1]) | (dst[1:] != dst[:-1])
    return np.asarray(places - np.maximum.accumulate(np.where(first, places, 0)), np.int64)


def read_back(
    graph: HeteroGraph,
    labels: Mapping[NodeType, str],
    relations: Mapping[EdgeType, str],
    *,
    in_parts: bool = False,
) -> GraphSpec:
    """The spec that reads a graph written under these labels and relationship types."""
    nodes, edges = {}, {}
    for node_type in graph.node_types:
        columns_cypher = "".join(
            f", n.{quoted(name)} AS {quoted(name)}"
            for name in graph.columns(node_type).column_names
        )
        nodes[node_type] = (
            f"MATCH (n:{quoted(labels[node_type])}) RETURN n.id AS id{columns_cypher}"
        )
    for edge_type in graph.edge_types:
        src, dst = labels[edge_type.src], labels[edge_type.dst]
        columns_cypher = "".join(
            f", r.{quoted(name)} AS {quoted(name)}" for name in edge_properties(graph, edge_type)
        )
        part_cypher = " WHERE id(a) % $parts = $part" if in_parts else ""
        edges[edge_type] = (
            f"MATCH (a:{quoted(src)})-[r:{quoted(relations[edge_type])}]->(b:{quoted(dst)})"
            f"{part_cypher} RETURN a.id AS src, b.id AS dst{columns_cypher}"
        )
    return GraphSpec(nodes, edges)


def edge_properties(graph: HeteroGraph, edge_type: EdgeType) -> list[str]:
    """What an edge of this type carries: weight, time and columns.

    Raises:
        ConfigError: a column has the name that tells parallel edges apart.
    """
    adjacency = graph[edge_type]
    names = ["weight"] if adjacency.weights is not None else []
    names += ["time"] if adjacency.times is not None else []
    names += graph.edge_columns(edge_type).column_names
    if PARALLEL in names:
        raise ConfigError(
            f"the column name {PARALLEL!r} is taken: it tells parallel edges apart",
            source=edge_type,
            field=PARALLEL,
        )
    return names
