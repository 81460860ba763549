"""`Route`: one metapath of a derivation made ready to run: edges, weights and members' vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphemb.derive.coefficients import DoubleArray, Hop, weigh_edges
from graphemb.derive.derivation import Derivation
from graphemb.embeddings import Embeddings
from graphemb.graph import HeteroGraph
from graphemb.ids import Ids
from graphemb.kernels import aggregate
from graphemb.linalg import over_rows
from graphemb.types import FloatArray, IntArray, Metapath


@dataclass(frozen=True, eq=False)
class Route:
    """One metapath, ready to run.

    Attributes:
        path: its edge types.
        share: its weight among the paths of the derivation.
        hops: its edges, from the derived type to the members.
        places: int64 [nodes of the member type], each node's row in `matrix`, or -1.
        matrix: float32 [n, dim], the members' vectors.
    """

    path: Metapath
    share: float
    hops: tuple[Hop, ...]
    places: IntArray
    matrix: FloatArray

    def support(self, rows: IntArray) -> tuple[DoubleArray, IntArray]:
        """The weight and the number of paths from each of `rows` to members with vectors.

        Returns:
            total float64 [len(rows)], count int64 [len(rows)].
        """
        mass, paths = (self.places >= 0).astype(np.float64), (self.places >= 0).astype(np.int64)
        for hop in self.hops[:0:-1]:
            mass, paths = _support(hop, np.arange(hop.adjacency.num_src), mass, paths)
        return _support(self.hops[0], rows, mass, paths)

    def add_sums(self, rows: IntArray, scale: DoubleArray, unit: bool, out: FloatArray) -> None:
        """Add scale[i] x (the weighted sum of the members of rows[i]) to out[i].

        Args:
            rows: int64 [n] of the derived type.
            scale: float64 [n].
            unit: bring each sum to length 1 before it is scaled.
            out: float32 [n, dim].
        """
        matrix, places = _inner(self.hops, self.places, self.matrix, rows)
        _add(self.hops[0], rows, (places, matrix), scale, unit, out)


def make_routes(derivation: Derivation, emb: Embeddings, graph: HeteroGraph) -> list[Route]:
    """All metapaths of a derivation over one graph and its embeddings.

    Raises:
        UnknownName: an edge type or edge column that is not there, or members without vectors.
        GraphError: see `weigh_edges`.
    """
    routes = []
    for path, share in derivation.paths.items():
        hops = tuple(
            weigh_edges(
                graph,
                edge_type,
                derivation.weightings[edge_type],
                relative=number == 0 and derivation.normalise != "sum",
            )
            for number, edge_type in enumerate(path)
        )
        members = emb[path[-1].dst]
        places = places_of(members.ids, graph.ids(path[-1].dst))
        routes.append(Route(path, share, hops, places, members.matrix))
    return routes


def places_of(embedded: Ids, nodes: Ids) -> IntArray:
    """int64 [nodes]: the row of each node's vector, -1 where it has none."""
    if embedded == nodes:
        return np.arange(len(nodes))
    return embedded.find(nodes)


def reached(hop: Hop, rows: IntArray) -> IntArray:
    """int64: the nodes that the edges of `rows` lead to, ascending."""
    offsets = hop.adjacency.offsets
    seen = np.zeros(hop.adjacency.num_dst, np.bool_)
    if rows.size == hop.adjacency.num_src:
        seen[hop.adjacency.neighbors] = True
    else:
        seen[hop.adjacency.neighbors[edges_of(offsets, rows)]] = True
    return np.flatnonzero(seen)


def edges_of(offsets: IntArray, rows: IntArray) -> IntArray:
    """int64: the places of the edges of `rows`, row after row."""
    sizes = offsets[rows + 1] - offsets[rows]
    starts = np.repeat(offsets[rows] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    return starts + np.arange(starts.size)


def _work(hop: Hop, rows: IntArray) -> IntArray:
    sizes = hop.adjacency.offsets[rows + 1] - hop.adjacency.offsets[rows]
    return np.concatenate([[0], np.cumsum(sizes)])


def _support(
    hop: Hop, rows: IntArray, mass: DoubleArray, paths: IntArray
) -> tuple[DoubleArray, IntArray]:
    total, count = np.empty(rows.size), np.empty(rows.size, np.int64)

    def run(low: int, high: int) -> None:
        aggregate.support(
            rows,
            hop.adjacency.offsets,
            hop.adjacency.neighbors,
            hop.weights,
            mass,
            paths,
            total,
            count,
            low,
            high,
        )

    over_rows(run, _work(hop, rows))
    return total, count


def _inner(
    hops: Sequence[Hop], places: IntArray, matrix: FloatArray, rows: IntArray
) -> tuple[FloatArray, IntArray]:
    """What the first hop sums for `rows`: a matrix, and the row of each of its members in it."""
    if len(hops) == 1:
        return matrix, places
    needed = reached(hops[0], rows)
    members, member_places = _inner(hops[1:], places, matrix, needed)
    out = np.zeros((needed.size, matrix.shape[1]), np.float32)
    _add(hops[1], needed, (member_places, members), np.ones(needed.size), False, out)
    new_places = np.full(hops[0].adjacency.num_dst, -1, np.int64)
    new_places[needed] = np.arange(needed.size)
    return out, new_places


def _add(
    hop: Hop,
    rows: IntArray,
    members: tuple[IntArray, FloatArray],
    scale: DoubleArray,
    unit: bool,
    out: FloatArray,
) -> None:
    places, matrix = members

    def run(low: int, high: int) -> None:
        aggregate.weighted_sums(
            rows,
            hop.adjacency.offsets,
            hop.adjacency.neighbors,
            hop.weights,
            places,
            matrix,
            scale,
            unit,
            out,
            low,
            high,
        )

    over_rows(run, _work(hop, rows))
