"""`derive_update`: after a change of graph or vectors, only what it touched is derived anew."""

from __future__ import annotations

import numpy as np

from graphemb.derive.coefficients import Hop
from graphemb.derive.derivation import Derivation
from graphemb.derive.routes import Route, make_routes, places_of
from graphemb.derive.run import compute, packed, run
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.kernels import aggregate
from graphemb.linalg import over_rows
from graphemb.types import BoolArray, IntArray, NodeType

_BLOCK = 65_536


def derive_update(
    derived: Embeddings,
    derivation: Derivation,
    *,
    before: tuple[Embeddings, HeteroGraph],
    after: tuple[Embeddings, HeteroGraph],
) -> Embeddings:
    """What `derive` gives after a change, bit for bit, computing only the rows that changed.

    A row is taken over when its members, their order, their weights and their vectors are what
    they were. Weights that hang on the whole graph (`idf`, `sif`) change with every edge, and
    SIF's common component is one of all rows: then everything is derived anew.

    Args:
        derived: what the same derivation gave for `before`.
        derivation: as it was run then; a stated `now` must be the same.
        before: the embeddings and the graph that it was run on.
        after: the embeddings and the graph as they are now.

    Raises:
        ConfigError: `derived` was made by another derivation.
        UnknownName, GraphError: as `derive`.
    """
    if derived.provenance.get("derive") != derivation.describe():
        raise ConfigError(
            "these vectors were derived in another way",
            field="derivation",
            value=derived.provenance.get("derive"),
            hint=f"wanted: {derivation.describe()}",
        )
    if derivation.removes_component:
        return run(derivation, *after)
    graphs = (before[1], after[1])
    old_routes, routes = make_routes(derivation, *before), make_routes(derivation, *after)
    if routes[0].matrix.shape[1] != old_routes[0].matrix.shape[1]:
        return run(derivation, *after)
    changed = np.logical_or.reduce(
        [_changed(*pair, graphs) for pair in zip(old_routes, routes, strict=True)]
    )
    name = derivation.derived_type
    old_rows = _old_rows(graphs, name)
    places = places_of(derived[name].ids, graphs[0].ids(name))
    places = np.where(changed, -1, places[old_rows]) if places.size else old_rows
    kept = np.flatnonzero(places >= 0)
    fresh_rows, fresh = compute(derivation, routes, np.flatnonzero(changed))
    rows = np.concatenate([fresh_rows, kept])
    matrix = np.concatenate([fresh, derived[name].matrix[places[kept]]])
    order = np.argsort(rows)
    return packed(derivation, graphs[1], rows[order], matrix[order])


def _changed(old: Route, new: Route, graphs: tuple[HeteroGraph, HeteroGraph]) -> BoolArray:
    """bool [derived type]: which rows may differ, found hop by hop from the members back."""
    fresh = _fresh_members(old, new, _old_rows(graphs, new.path[-1].dst))
    for edge_type, old_hop, new_hop in zip(
        new.path[::-1], old.hops[::-1], new.hops[::-1], strict=True
    ):
        moved = _old_rows(graphs[::-1], edge_type.dst)
        fresh = _changed_sources(old_hop, new_hop, _old_rows(graphs, edge_type.src), moved, fresh)
    return fresh


def _old_rows(graphs: tuple[HeteroGraph, ...], node_type: NodeType) -> IntArray:
    """int64: the row in the first graph of every node of the second, -1 where there is none."""
    return places_of(graphs[0].ids(node_type), graphs[1].ids(node_type))


def _fresh_members(old: Route, new: Route, old_rows: IntArray) -> BoolArray:
    """bool [members]: whose vector came, went or changed."""
    before = np.full(old_rows.size, -1, np.int64)
    before[old_rows >= 0] = old.places[old_rows[old_rows >= 0]]
    fresh: BoolArray = np.not_equal(before >= 0, new.places >= 0)
    both = np.flatnonzero((before >= 0) & (new.places >= 0))
    for start in range(0, both.size, _BLOCK):
        rows = both[start : start + _BLOCK]
        differ = old.matrix[before[rows]] != new.matrix[new.places[rows]]
        fresh[rows] = differ.any(axis=1)
    return fresh


def _changed_sources(
    old: Hop, new: Hop, old_rows: IntArray, moved: IntArray, fresh: BoolArray
) -> BoolArray:
    """bool [sources of the hop]: whose edges, weights or members differ."""
    rows, out = np.arange(old_rows.size), np.empty(old_rows.size, np.bool_)

    def compare(low: int, high: int) -> None:
        aggregate.changed_rows(
            rows,
            new.adjacency.offsets,
            new.adjacency.neighbors,
            new.weights,
            old_rows,
            old.adjacency.offsets,
            old.adjacency.neighbors,
            old.weights,
            moved,
            fresh,
            out,
            low,
            high,
        )

    over_rows(compare, new.adjacency.offsets)
    return out
