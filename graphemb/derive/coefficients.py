"""From a weighting and a graph to one float32 number per edge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graphemb.derive.weights import (
    Column,
    Discount,
    EdgeWeight,
    Idf,
    Log1p,
    One,
    Rank,
    Recency,
    Sif,
    Values,
    Weighting,
    described,
)
from graphemb.errors import ConfigError, GraphError, UnknownName, VectorError
from graphemb.graph import Adjacency, HeteroGraph
from graphemb.graph.columns import micros
from graphemb.kernels import weigh
from graphemb.linalg import over_rows
from graphemb.types import EdgeType, FloatArray, IntArray

DoubleArray: TypeAlias = npt.NDArray[np.float64]

_ONES = np.zeros(0, np.float32)
"""No array: every edge weighs 1."""


@dataclass(frozen=True, eq=False)
class Hop:
    """One edge type of a derivation with its weights.

    Attributes:
        adjacency: from the derived side to the members.
        weights: float32 [m], finite and at least 0, or empty when every edge weighs 1.
    """

    adjacency: Adjacency
    weights: FloatArray


def weigh_edges(
    graph: HeteroGraph, edge_type: EdgeType, weighting: Weighting, *, relative: bool
) -> Hop:
    """The edges of one type with their weights.

    Args:
        graph: to take edges and their columns from.
        edge_type: from the derived side to the members.
        weighting: a base and discounts.
        relative: weights only matter within an entity, so ages may count from its newest edge.

    Raises:
        UnknownName: no such edge type or edge column.
        GraphError: a scheme by time on edges without times; weights that are negative or not
            finite.
        VectorError: an array that has not one number per edge.
    """
    adjacency = graph[edge_type]
    base, discounts = weighting[0], weighting[1:]
    weights = _base(graph, adjacency, base)
    if discounts:
        weights = np.ones(adjacency.num_edges, np.float32) if weights is _ONES else weights.copy()
    for discount in discounts:
        _discount(graph, adjacency, discount, weights, relative)  # type: ignore[arg-type]
    return Hop(adjacency, weights)


def _base(graph: HeteroGraph, adjacency: Adjacency, base: object) -> FloatArray:
    if isinstance(base, One) or (adjacency.weights is None and isinstance(base, EdgeWeight)):
        return _ONES
    if isinstance(base, Column):
        return _checked(_column(graph, adjacency, base.name), adjacency, base.name)
    if isinstance(base, Values):
        return _checked(_in_order(np.asarray(base.array), adjacency), adjacency, "values")
    weights = np.ones(adjacency.num_edges, np.float32)
    if adjacency.weights is not None:
        weights = adjacency.weights
    return np.log1p(weights) if isinstance(base, Log1p) else weights


def _in_order(values: npt.NDArray[np.generic], adjacency: Adjacency) -> DoubleArray:
    """float64 [m] in the order of the adjacency, from the order of the stored direction."""
    if values.shape != (adjacency.num_edges,) or values.dtype.kind not in "fiub":
        raise VectorError(
            f"one number per edge is wanted: {adjacency.num_edges}",
            source=adjacency.edge_type,
            value=f"{values.dtype} {list(values.shape)}",
            hint="in the order of graph.edge_table(edge_type)",
        )
    ordered = values if adjacency.edges is None else values[adjacency.edges]
    return ordered.astype(np.float64)


def _column(graph: HeteroGraph, adjacency: Adjacency, name: str) -> DoubleArray:
    table = graph.edge_columns(adjacency.edge_type)
    if name not in table.column_names:
        raise UnknownName("edge column", name, table.column_names, source=adjacency.edge_type)
    column = table[name]
    if column.null_count:
        raise GraphError(
            f"{column.null_count} edges have no value",
            code="missing_weight",
            source=adjacency.edge_type,
            field=name,
            hint="give a default in the query, for example coalesce(x, 0)",
        )
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise GraphError(
            f"weights must be numbers, not {column.type}", source=adjacency.edge_type, field=name
        )
    return _in_order(np.asarray(column), adjacency)


def _checked(values: DoubleArray, adjacency: Adjacency, field: str) -> FloatArray:
    bad = ~(np.isfinite(values) & (values >= 0) & (values <= np.finfo(np.float32).max))
    if bad.any():
        place = int(np.argmax(bad))
        row = place if adjacency.edges is None else int(adjacency.edges[place])
        raise GraphError(
            f"{int(bad.sum())} weights are negative, not finite or too large for float32",
            code="bad_weight",
            source=adjacency.edge_type,
            row=row,
            field=field,
            value=float(values[place]),
            hint="rows are counted as in graph.edge_table(edge_type)",
        )
    return values.astype(np.float32)


def _discount(
    graph: HeteroGraph,
    adjacency: Adjacency,
    discount: Discount,
    weights: FloatArray,
    relative: bool,
) -> None:
    """Multiply `weights` in place."""
    offsets = adjacency.offsets
    if isinstance(discount, Recency):
        times, now = _times(adjacency, discount), _now(graph, adjacency, discount)
        run = partial(weigh.decay_by_age, offsets, times, discount.micros, now, relative, weights)
        over_rows(run, offsets)
    elif isinstance(discount, Rank):
        keys = _rank_keys(graph, adjacency, discount)
        run = partial(weigh.decay_by_rank, offsets, keys, float(discount.decay), weights)
        over_rows(run, offsets)
    elif isinstance(discount, Idf):
        weights *= _idf(adjacency)[adjacency.neighbors]
    else:
        weights *= _sif(adjacency, weights, discount)[adjacency.neighbors]


def _times(adjacency: Adjacency, scheme: Recency | Rank) -> IntArray:
    if adjacency.times is None:
        raise GraphError(
            "these edges have no times",
            code="no_times",
            source=adjacency.edge_type,
            field="weight",
            value=described((scheme,)),
            hint="load them with a `time`, or use another weight",
        )
    return adjacency.times


def _now(graph: HeteroGraph, adjacency: Adjacency, recency: Recency) -> int:
    """int microseconds: the stated time, or the newest in the graph."""
    if recency.now is None:
        times = (graph[edge_type].times for edge_type in graph.edge_types)
        return max((int(part.max()) for part in times if part is not None and part.size), default=0)
    now = micros(recency.now)
    if (_times(adjacency, recency) > now).any():
        raise ConfigError(
            "edges are later than `now`",
            field="now",
            value=recency.now,
            source=adjacency.edge_type,
            hint="graph.as_of(now) leaves them out",
        )
    return now


def _rank_keys(graph: HeteroGraph, adjacency: Adjacency, rank: Rank) -> DoubleArray:
    """float64 [m], larger comes first."""
    if rank.by == "time":
        times = _times(adjacency, rank)
        return np.asarray(times - times[:1].sum(), np.float64)
    if rank.by == "weight":
        weights = adjacency.weights
        return np.zeros(adjacency.num_edges) if weights is None else weights.astype(np.float64)
    keys = _column(graph, adjacency, rank.by)
    if not np.isfinite(keys).all():
        raise GraphError("not every value is finite", source=adjacency.edge_type, field=rank.by)
    return keys


def _idf(adjacency: Adjacency) -> FloatArray:
    """float32 [members]; parallel edges count once."""
    entities = np.count_nonzero(adjacency.degrees)
    linked = np.bincount(adjacency.neighbors[adjacency.distinct()], minlength=adjacency.num_dst)
    return np.log1p(entities / np.maximum(linked, 1)).astype(np.float32)


def _sif(adjacency: Adjacency, weights: FloatArray, sif: Sif) -> FloatArray:
    """float32 [members]."""
    mass = np.bincount(adjacency.neighbors, weights, adjacency.num_dst)
    share = mass / max(mass.sum(), np.finfo(np.float64).tiny)
    return np.asarray(sif.a / (sif.a + share), np.float32)
