"""`explain`: whose vectors a derived vector is made of, and how much of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphemb.derive.coefficients import DoubleArray
from graphemb.derive.derivation import AlongLike, Derivation, Normalise, WeightChoice
from graphemb.derive.routes import Route, edges_of, make_routes
from graphemb.embeddings import Embeddings
from graphemb.graph import HeteroGraph
from graphemb.types import IntArray, Metapath, NodeId, NodeType


@dataclass(frozen=True)
class Contribution:
    """One member's part in a derived vector.

    Attributes:
        node_type: of the member.
        node_id: of the member.
        share: its weight over the weights of all members; all shares sum to 1.
        path: the edge types it is reached by.
    """

    node_type: NodeType
    node_id: NodeId
    share: float
    path: Metapath


def explain(
    emb: Embeddings,
    graph: HeteroGraph,
    node_id: NodeId,
    *,
    along: AlongLike,
    weight: WeightChoice = "edge",
    normalise: Normalise = "mean",
    k: int | None = 5,
) -> list[Contribution]:
    """The k members that weigh most in what `derive` gives `node_id`, heaviest first.

    Parallel edges, and paths of one metapath to the same member, are added up. Under `mean` the
    vector is the sum of share x member. SIF's common component is not taken into account.

    Args:
        node_id: of the node type where `along` starts.
        k: how many; None for all.

    Returns:
        Nothing when the entity has no member with a vector.

    Raises:
        UnknownNode: there is no such node.
        ConfigError, UnknownName, GraphError: as `derive`.
    """
    derivation = Derivation(along=along, weight=weight, normalise=normalise)
    row = graph.rows(derivation.derived_type, [node_id])
    routes = make_routes(derivation, emb, graph)
    parts = [_members(route, row) for route in routes]
    totals = [float(weights.sum()) for _, weights in parts]
    scale = [1.0 if normalise == "sum" or total == 0.0 else 1.0 / total for total in totals]
    found = []
    for route, (rows, weights), factor in zip(routes, parts, scale, strict=True):
        ids = graph.ids(route.path[-1].dst).take(rows).to_list()
        shares = (weights * (route.share * factor)).tolist()
        found += [
            Contribution(route.path[-1].dst, member, share, route.path)
            for member, share in zip(ids, shares, strict=True)
        ]
    whole = sum(part.share for part in found)
    found.sort(key=lambda part: -part.share)
    return [
        Contribution(part.node_type, part.node_id, part.share / whole, part.path)
        for part in found[: len(found) if k is None else k]
    ]


def _members(route: Route, row: IntArray) -> tuple[IntArray, DoubleArray]:
    """The members with vectors that one entity's paths end in, and the weight of those paths."""
    rows: IntArray = row
    weights: DoubleArray = np.ones(1)
    for hop in route.hops:
        adjacency = hop.adjacency
        edges = edges_of(adjacency.offsets, rows)
        each = np.repeat(weights, adjacency.degrees[rows])
        if hop.weights.size:
            each = each * hop.weights[edges]
        ends = adjacency.neighbors[edges].astype(np.int64)
        rows, place = np.unique(ends, return_inverse=True)
        weights = np.asarray(np.bincount(place, each, rows.size), np.float64)
    known = (route.places[rows] >= 0) & (weights > 0)
    return rows[known], weights[known]
