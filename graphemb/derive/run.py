"""`derive`: vectors for entities without behaviour of their own, from those of their members."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

import numpy as np

from graphemb.derive.coefficients import DoubleArray
from graphemb.derive.derivation import AlongLike, Derivation, Normalise, WeightChoice
from graphemb.derive.routes import Route, make_routes
from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.linalg import first_direction, remove_direction, unit_rows
from graphemb.types import FloatArray, IntArray

_RESIDUE = 1e-5


def derive(
    emb: Embeddings,
    graph: HeteroGraph,
    *,
    along: AlongLike,
    weight: WeightChoice = "edge",
    normalise: Normalise = "mean",
    min_support: int = 1,
) -> Embeddings:
    """Vectors of one node type from the vectors of its neighbours; see `Derivation`.

    A derived entity whose members have no vectors, or cancel out, is missing: never zeros.
    Members without a vector count neither in the sum nor in the weights.

    Args:
        emb: holds the members' vectors; matched by id.
        graph: gives the edges.

    Returns:
        Embeddings of the derived type alone; `emb.merge(...)` puts both together.

    Raises:
        ConfigError, UnknownName: as `Derivation`; or `emb` lacks the members' node type.
        GraphError: a scheme by time on edges without times; a weight that cannot be.
    """
    derivation = Derivation(
        along=along, weight=weight, normalise=normalise, min_support=min_support
    )
    return run(derivation, emb, graph)


def derive_chain(
    emb: Embeddings, graph: HeteroGraph, derivations: Sequence[Derivation]
) -> Embeddings:
    """Several derivations, each after those it builds on (product -> seller -> city).

    Args:
        emb: holds the vectors that the first of them start from.
        graph: gives the edges.
        derivations: in any order; a node type that is derived here is taken from here.

    Returns:
        Embeddings of the derived types alone, in the order they were derived.

    Raises:
        ConfigError: a node type is derived twice, or by way of itself (the cycle is shown).
    """
    known = emb
    derived: list[Vectors] = []
    told = []
    for derivation in in_order(derivations):
        made = run(derivation, known, graph)
        known = known.merge(made)
        derived += made.values()
        told.append(made.provenance["derive"])
    return Embeddings(derived, {"derive": told, "graph": graph.fingerprint})


def in_order(derivations: Sequence[Derivation]) -> list[Derivation]:
    """Each after those it builds on.

    Raises:
        ConfigError: as `derive_chain`.
    """
    by_type: dict[str, Derivation] = {}
    for derivation in derivations:
        if derivation.derived_type in by_type:
            raise ConfigError(
                "a node type is derived twice",
                field="derive",
                value=derivation.derived_type,
                hint="give one derivation several edge types: along = {EDGE: weight, ...}",
            )
        by_type[derivation.derived_type] = derivation
    needs = {
        name: [member for member in derivation.member_types if member in by_type]
        for name, derivation in by_type.items()
    }
    try:
        return [by_type[name] for name in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        raise ConfigError(
            "a node type is derived by way of itself",
            code="cycle",
            field="derive",
            value=" -> ".join(error.args[1]),
            hint="leave one of these derivations out",
        ) from None


def run(derivation: Derivation, emb: Embeddings, graph: HeteroGraph) -> Embeddings:
    """Run one derivation over every node of its type."""
    routes = make_routes(derivation, emb, graph)
    rows, matrix = compute(derivation, routes, np.arange(graph.num_nodes(derivation.derived_type)))
    return packed(derivation, graph, rows, matrix)


def compute(
    derivation: Derivation, routes: Sequence[Route], rows: IntArray
) -> tuple[IntArray, FloatArray]:
    """The vectors of some rows of the derived type; every row as if it were alone.

    Returns:
        The rows that have a vector, and float32 [those, dim]. SIF's common component is still
        in it: that is no matter of single rows.
    """
    totals, counts = zip(*(route.support(rows) for route in routes), strict=True)
    present = [total > 0 for total in totals]
    keep = (sum(counts) >= derivation.min_support) & np.logical_or.reduce(present)
    kept = rows[keep]
    out = np.zeros((kept.size, routes[0].matrix.shape[1]), np.float32)
    scales = _scales(derivation, routes, [total[keep] for total in totals])
    for route, scale in zip(routes, scales, strict=True):
        route.add_sums(kept, scale, derivation.normalise == "l2", out)
    if derivation.normalise == "l2" and len(routes) > 1:
        out = unit_rows(out)
    alive = out.any(axis=1)
    return (kept, out) if alive.all() else (kept[alive], out[alive])


def _scales(
    derivation: Derivation, routes: Sequence[Route], totals: Sequence[DoubleArray]
) -> list[DoubleArray]:
    """float64 [rows] per route: what its sums are multiplied by."""
    if derivation.normalise != "mean":
        return [
            np.full(total.size, route.share) for route, total in zip(routes, totals, strict=True)
        ]
    whole = sum(route.share for route in routes)
    return [
        np.where(total > 0, route.share / whole / np.where(total > 0, total, 1.0), 0.0)
        for route, total in zip(routes, totals, strict=True)
    ]


def packed(
    derivation: Derivation, graph: HeteroGraph, rows: IntArray, matrix: FloatArray
) -> Embeddings:
    """Rows and vectors as embeddings, SIF's common component removed where it is asked for."""
    if derivation.removes_component and rows.size > 1:
        before = np.linalg.norm(matrix, axis=1)
        remove_direction(matrix, first_direction(matrix))
        alive = np.linalg.norm(matrix, axis=1) > _RESIDUE * before
        rows, matrix = rows[alive], matrix[alive]
    ids = graph.ids(derivation.derived_type)
    without = np.ones(len(ids), np.bool_)
    without[rows] = False
    missing = ids.take(np.flatnonzero(without))
    named = ids if rows.size == len(ids) else ids.take(rows)
    vectors = Vectors(derivation.derived_type, named, matrix, missing)
    return Embeddings([vectors], {"derive": derivation.describe(), "graph": graph.fingerprint})
