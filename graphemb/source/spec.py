"""`GraphSpec`: which queries make a graph, checked before anything is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from graphemb.errors import ConfigError, SourceError, UnknownName, nearest
from graphemb.types import EdgeType, NodeType, check_name

Parameter: TypeAlias = Any
"""A parameter's value: str, int, float, bool, None, or a list of these."""

RESERVED_PARAMETERS = ("part", "parts")
"""Set by the loader when it reads a large result in parts."""

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Query:
    """One query of a spec.

    Attributes:
        target: the node type or edge type that its rows are.
        text: Cypher, without a closing semicolon.
    """

    target: NodeType | EdgeType
    text: str

    @property
    def name(self) -> str:
        """Where it stands in a TOML file: `nodes.user`, `edges.user-buys-product`."""
        return f"{'edges' if isinstance(self.target, EdgeType) else 'nodes'}.{self.target}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of ids that it must return: `id`, or `src` and `dst`."""
        return ("src", "dst") if isinstance(self.target, EdgeType) else ("id",)

    def check_columns(self, found: Sequence[str]) -> None:
        """Refuse an answer that lacks a key column or holds a column twice.

        Raises:
            SourceError: names the column wanted, those found and the nearest of them.
        """
        twice = sorted({name for name in found if list(found).count(name) > 1})
        if twice:
            raise SourceError(
                "a column stands twice", code="doubled_column", source=self.name, field=twice[0]
            )
        for wanted in self.keys:
            if wanted not in found:
                like = nearest(wanted, found)
                near = f"; nearest: {like[0]!r} (RETURN {like[0]} AS {wanted})" if like else ""
                raise SourceError(
                    f"the query returns no column {wanted!r}",
                    code="missing_column",
                    source=self.name,
                    field=wanted,
                    value=", ".join(found),
                    hint=f"expected: {', '.join(self.keys)}{near}",
                )


@dataclass(frozen=True)
class GraphSpec:
    """Which queries make a graph. In TOML: `[graph.nodes]`, `[graph.edges]`, `[graph.parameters]`.

    Attributes:
        nodes: per node type a Cypher query that returns `id` and any columns.
        edges: per edge type (or its text, `user-buys-product`) a query that returns `src`, `dst`,
            optionally `weight` and `time`, and any columns.
        parameters: values for `$name` in the queries; values never become part of a query.

    Raises:
        ConfigError: a name that cannot be, an empty query, an edge type between node types that
            have no query, a parameter that no query uses.
    """

    nodes: Mapping[NodeType, str]
    edges: Mapping[EdgeType, str] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ConfigError("a graph needs at least one node type", field="nodes")
        nodes = {check_name(name, "node type"): self.nodes[name] for name in self.nodes}
        edges = {_edge_type(key): text for key, text in self.edges.items()}
        for edge_type in edges:
            for node_type in (edge_type.src, edge_type.dst):
                if node_type not in nodes:
                    raise UnknownName("node type", node_type, nodes, source=f"edges.{edge_type}")
        object.__setattr__(self, "nodes", {k: _text(f"nodes.{k}", v) for k, v in nodes.items()})
        object.__setattr__(self, "edges", {k: _text(f"edges.{k}", v) for k, v in edges.items()})
        object.__setattr__(self, "parameters", dict(self.parameters))
        self._check_parameters()

    def _check_parameters(self) -> None:
        texts = "\n".join([*self.nodes.values(), *self.edges.values()])
        for name, value in self.parameters.items():
            if not isinstance(name, str) or not _PARAMETER.match(name):
                raise ConfigError("not a name for a parameter", field="parameters", value=name)
            if name in RESERVED_PARAMETERS:
                raise ConfigError(
                    "this parameter is set by the loader", field="parameters", value=name
                )
            if not _is_value(value):
                raise ConfigError(
                    "a parameter is a string, number, boolean or list of these",
                    field=f"parameters.{name}",
                    value=value,
                )
            if not re.search(rf"\${name}\b", texts):
                used = set(re.findall(r"\$([A-Za-z_][A-Za-z0-9_]*)", texts))
                unset = used - set(self.parameters) - set(RESERVED_PARAMETERS)
                raise UnknownName("parameter: no query uses it", name, unset, source="parameters")

    @property
    def queries(self) -> tuple[Query, ...]:
        """All queries, node types first, each in the order given."""
        nodes = [Query(name, text) for name, text in self.nodes.items()]
        return (*nodes, *(Query(edge_type, text) for edge_type, text in self.edges.items()))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """As in TOML: the three tables, edge types as text."""
        return {
            "nodes": dict(self.nodes),
            "edges": {str(edge_type): text for edge_type, text in self.edges.items()},
            "parameters": dict(self.parameters),
        }


def _edge_type(key: object) -> EdgeType:
    given = EdgeType(*key) if isinstance(key, tuple) else EdgeType.parse(cast(str, key))
    if given.is_reverse:
        raise ConfigError(
            "edges are read in their own direction",
            field="edges",
            value=key,
            hint=str(given.stored),
        )
    return given


def _text(name: str, text: object) -> str:
    bare = text.strip().rstrip(";").rstrip() if isinstance(text, str) else ""
    if not bare:
        raise ConfigError("a query is a non-empty string of Cypher", field=name, value=text)
    return bare


def _is_value(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_value(one) and not isinstance(one, list | tuple) for one in value)
    return value is None or isinstance(value, str | int | float | bool)
