"""Node columns as one float32 matrix: numbers standardised, categories one-hot or hashed.

    encoder = TabularEncoder.fit(graph, "product", categories=("brand_id",))
    features = encoder.encode(graph)            # features.matrix float32 [n, f], features.names
    later = encoder.encode(graph_of_tomorrow)   # the same components, new nodes and all

What was fitted (means, categories) is a value of its own: it is applied to other graphs with the
same columns, so that a new node's features mean what the old ones' do, and it is saved as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphemb import files
from graphemb.checks import check_int
from graphemb.errors import ConfigError, CorruptManifest, GraphEmbError, GraphError, UnknownName
from graphemb.features.codings import (
    CODINGS,
    Categories,
    Coding,
    Number,
    Scale,
    Vector,
    plain,
    reading_of,
)
from graphemb.graph import HeteroGraph
from graphemb.manifest import JSON, json_bytes, read_json
from graphemb.types import FloatArray, NodeType, check_name

_FORMAT = 1
_TELLING = 0.5


@dataclass(frozen=True, eq=False)
class Features:
    """The encoded columns of one node type.

    Attributes:
        node_type: whose.
        matrix: float32 [n, f], finite, in graph order.
        names: what each of the f components is called.
    """

    node_type: NodeType
    matrix: FloatArray
    names: tuple[str, ...]

    def __repr__(self) -> str:
        rows, width = self.matrix.shape
        return f"Features({self.node_type!r}, {rows:,} x {width})"


@dataclass(frozen=True)
class TabularEncoder:
    """What was fitted on the columns of one node type. Make one with `fit` or `load`.

    Attributes:
        node_type: whose columns.
        codings: one per column, in the order of their components.
        left_out: columns that were not asked for by name and say nothing here, with the reason.
    """

    node_type: NodeType
    codings: tuple[Coding, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        graph: HeteroGraph,
        node_type: NodeType,
        columns: Sequence[str] | None = None,
        *,
        categories: Sequence[str] = (),
        max_categories: int = 256,
        buckets: int = 64,
    ) -> TabularEncoder:
        """Look at the columns of all nodes of one type.

        Numbers and times are standardised, truth values are 0 and 1, texts are categories, lists
        of texts or integers are sets of categories, fixed-size lists of numbers (and float lists
        of one length) are vectors. See `Number`, `Categories` and `Vector` for what is missing.

        Args:
            columns: which, in this order; None: all that tell something. A text that differs on
                more than half of the nodes is a name rather than a category, and left out.
            categories: columns to read as categories although they hold numbers.
            max_categories: categories of a column with a component of their own, the most
                frequent ones.
            buckets: components that the other categories of a column share by their hash.

        Raises:
            UnknownName: no such node type or column.
            GraphError: a column named holds something that has no coding; an infinite number.
            ConfigError: a number out of its range, or a column named twice.
        """
        check_int("max_categories", max_categories, low=0)
        check_int("buckets", buckets, low=1)
        table = graph.columns(node_type)
        wanted = _wanted(table, columns, categories, node_type)
        codings: list[Coding] = []
        left_out: dict[str, str] = {}
        for name in wanted:
            column = plain(table[name])
            reads = "categories" if name in categories else reading_of(column)
            named = columns is not None or name in categories
            reason = _untold(column, reads, named=named)
            if reason is None:
                codings.append(_fitted(name, column, reads, max_categories, buckets))
            elif named:
                raise GraphError(
                    f"the column cannot be encoded: {reason}", source=node_type, field=name
                )
            else:
                left_out[name] = reason
        return cls(node_type, tuple(codings), left_out)

    @property
    def names(self) -> tuple[str, ...]:
        """What each component is called: `price`, `price missing`, `color=red`, ..."""
        return tuple(name for coding in self.codings for name in coding.names)

    @property
    def dim(self) -> int:
        """Components of a row."""
        return len(self.names)

    def encode(self, graph: HeteroGraph) -> Features:
        """The columns of a graph's nodes, whether or not it is the one that was fitted.

        Raises:
            UnknownName: a column is not there.
            GraphError: a column holds another kind of values; an infinite number.
            DimensionMismatch: vectors of another length.
        """
        table = graph.columns(self.node_type)
        matrix = np.zeros((graph.num_nodes(self.node_type), self.dim), np.float32)
        start = 0
        for coding in self.codings:
            if coding.name not in table.column_names:
                raise UnknownName("column", coding.name, table.column_names, source=self.node_type)
            end = start + len(coding.names)
            coding.encode(plain(table[coding.name]), matrix[:, start:end])
            start = end
        return Features(self.node_type, matrix, self.names)

    def to_json(self) -> JSON:
        """Everything that was fitted, JSON-able."""
        parts = [{"kind": coding.kind, **asdict(coding)} for coding in self.codings]
        plain = [{k: list(v) if isinstance(v, tuple) else v for k, v in p.items()} for p in parts]
        return {
            "format": _FORMAT,
            "node_type": self.node_type,
            "codings": cast("list[JSON]", plain),
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_json(cls, value: JSON, *, source: object = None) -> TabularEncoder:
        """What `to_json` gave.

        Raises:
            CorruptManifest: something else.
        """
        try:
            given = cast("dict[str, Any]", value)
            if given["format"] != _FORMAT:
                raise ValueError(f"format {given['format']}")
            codings = tuple(_read_coding(part) for part in given["codings"])
            left_out = {str(name): str(why) for name, why in given["left_out"].items()}
            return cls(check_name(given["node_type"], "node type"), codings, left_out)
        except (KeyError, TypeError, ValueError, AttributeError, GraphEmbError) as error:
            raise CorruptManifest("not a tabular encoder", source=source, value=error) from error

    def save(self, path: str | Path) -> None:
        """Write one JSON file, whole or not at all; a file of that name is replaced."""
        files.replace_file(Path(path), json_bytes(self.to_json(), source=path))

    @classmethod
    def load(cls, path: str | Path) -> TabularEncoder:
        """Read what `save` wrote.

        Raises:
            CorruptManifest: not there, damaged, or something else.
        """
        return cls.from_json(read_json(Path(path)), source=path)


def encode_columns(
    graph: HeteroGraph,
    node_type: NodeType,
    columns: Sequence[str] | None = None,
    *,
    categories: Sequence[str] = (),
    max_categories: int = 256,
    buckets: int = 64,
) -> Features:
    """Fit on one graph and encode it; see `TabularEncoder.fit` for arguments and errors."""
    encoder = TabularEncoder.fit(
        graph,
        node_type,
        columns,
        categories=categories,
        max_categories=max_categories,
        buckets=buckets,
    )
    return encoder.encode(graph)


def _wanted(
    table: pa.Table, columns: Sequence[str] | None, categories: Sequence[str], node_type: NodeType
) -> list[str]:
    wanted = list(table.column_names if columns is None else columns)
    for name in (*wanted, *categories):
        if name not in table.column_names:
            raise UnknownName("column", name, table.column_names, source=node_type)
        if wanted.count(name) != 1:
            raise ConfigError(
                "a column stands in `columns` exactly once", source=node_type, value=name
            )
    return wanted


def _untold(column: pa.Array, reads: str, *, named: bool) -> str | None:
    """Why a column is not encoded, or None; who names a column gets all that has a coding."""
    if column.null_count == len(column):
        return None if named and reads != "other" else "no node has a value"
    if reads == "other":
        return f"{column.type} has no coding"
    if reads == "categories" and not named:
        there = len(column) - column.null_count
        distinct = pc.count_distinct(column).as_py()
        if distinct > max(_TELLING * there, 1) and distinct > 2:
            return f"{distinct:,} different texts on {there:,} nodes: a name, not a category"
    return None


def _fitted(name: str, column: pa.Array, reads: str, most: int, buckets: int) -> Coding:
    if reads in ("categories", "sets"):
        return Categories.fit(name, column, many=reads == "sets", most=most, buckets=buckets)
    if reads == "vector":
        return Vector.fit(name, column)
    return Number.fit(name, column, cast("Scale", reads))


def _read_coding(given: Mapping[str, Any]) -> Coding:
    """A coding from JSON, every field of its own type."""
    kind = CODINGS[given["kind"]]
    values = {part.name: given[part.name] for part in fields(kind)}
    if set(given) != {"kind", *values}:
        raise ValueError("unknown fields")
    if kind is Categories:
        values["values"] = tuple(values["values"])
    made = kind(**values)
    types = {"mean": (float, int), "scale": (float, int), "values": tuple, "name": str}
    types |= {"reads": str, "buckets": int, "width": int, "many": bool, "tells_missing": bool}
    for name, value in values.items():
        if not isinstance(value, types[name]):  # type: ignore[arg-type]
            raise TypeError(f"{name} is {type(value).__name__}")
    return made
