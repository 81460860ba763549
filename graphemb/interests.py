"""More than one vector per entity: the medoids of what it is joined to, as PinnerSage has them.

Who buys paint and running shoes is, in one vector, somebody between the two, near neither. Here a
user's products are clustered, and each cluster is spoken for by its medoid, a real product:

    interests = ge.interests(emb, graph, along=BUYS, k=3, weight={"recency": "30d"})
    interests["u42"]                                  # (medoid, weight), heaviest first
    ids, scores = interests.search(index, "u42", k=10)

Pal et al. 2020. As there: Ward clustering, medoids, and a cluster's weight is the decayed sum of
its members'. Differs in that the number of clusters is bounded by `k` instead of the height of the
dendrogram alone, and that vectors are brought to length 1 before they are clustered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from graphemb.checks import check_choice, check_int, check_number
from graphemb.derive.coefficients import weigh_edges
from graphemb.derive.weights import WeightLike, described, read_weighting
from graphemb.embeddings import Embeddings
from graphemb.errors import CorruptManifest
from graphemb.files import (
    atomic_folder,
    check_sha256,
    digest_tree,
    read_array,
    read_parquet,
    write_array,
    write_json,
    write_parquet,
)
from graphemb.graph import Adjacency, HeteroGraph
from graphemb.ids import Ids
from graphemb.kernels import ward
from graphemb.linalg import over_rows, unit_rows
from graphemb.manifest import MANIFEST, inside, read_manifest
from graphemb.types import EdgeType, FloatArray, IntArray, NodeId, NodeType

if TYPE_CHECKING:
    from graphemb.index import Index

Merge = Literal["best", "turns"]
_KIND, _FORMAT = "graphemb interests", 1


@dataclass(frozen=True, eq=False)
class Interests:
    """Up to k vectors for each entity, heaviest first.

    Attributes:
        node_type: whose interests.
        members: the node type that the medoids are of.
        ids: the n entities that have any, in graph order.
        offsets: int64 [n + 1]; entity r's interests are `offsets[r]:offsets[r + 1]`.
        matrix: float32 [m, dim], the medoids' vectors as they were given.
        weights: float32 [m], above or equal 0; an entity's sum to 1.
        medoids: the m ids whose vectors these are; an Arrow array, ids may repeat.
        missing: entities without a member that has a vector.
        provenance: JSON-able: how they were made.
    """

    node_type: NodeType
    members: NodeType
    ids: Ids
    offsets: IntArray
    matrix: FloatArray
    weights: FloatArray
    medoids: pa.Array
    missing: Ids = field(default_factory=lambda: Ids(pa.array([], pa.large_string())))
    provenance: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, node_id: NodeId) -> list[tuple[NodeId, float]]:
        """The medoid and the weight of each interest, heaviest first.

        Raises:
            UnknownNode: there is no such id, or it has no interest.
        """
        own = self._own(node_id)
        return list(zip(self.medoids[own].to_pylist(), self.weights[own].tolist(), strict=True))

    def vectors(self, node_id: NodeId) -> FloatArray:
        """float32 [interests, dim], heaviest first.

        Raises:
            UnknownNode: there is no such id, or it has no interest.
        """
        return self.matrix[self._own(node_id)]

    def search(
        self,
        index: Index,
        node_id: NodeId,
        k: int = 10,
        *,
        merge: Merge = "turns",
        exclude: Sequence[NodeId] | Ids | None = None,
    ) -> tuple[list[NodeId], FloatArray]:
        """The k nearest to any of an entity's interests, each found once.

        Args:
            index: of any node type whose vectors live in the same space.
            k: how many; fewer where no more are permitted.
            merge: `turns` gives each interest places by its weight, as seats are given to parties
                (Sainte-Lague); `best` takes the best scores whoever found them, which favours the
                interest in the denser part of the space.
            exclude: none of these ids.

        Returns:
            ids, best first, and float32 [k]: each one's score by the interest that found it.

        Raises:
            UnknownNode: there is no such id, or it has no interest.
            ConfigError, DimensionMismatch: as `Index.search`.
        """
        check_choice("merge", merge, ("best", "turns"))
        own = self._own(node_id)
        ids, scores = index.search(self.matrix[own], k, exclude=exclude)
        if merge == "best":
            return _by_score(ids, scores, k, larger=index.metric != "l2")
        return _by_turns(ids, scores, self.weights[own], k)

    def save(self, folder: str | Path) -> None:
        """Write a folder with a manifest and checksums, all or nothing.

        Raises:
            StoreError: the folder exists already and is not one of ours; no space.
        """
        with atomic_folder(folder, replace=True, needed=self.matrix.nbytes) as temporary:
            for name in ("offsets", "matrix", "weights"):
                write_array(temporary / f"{name}.npy", getattr(self, name))
            for name, ids in (("ids", self.ids.array), ("missing", self.missing.array)):
                write_parquet(temporary / f"{name}.parquet", pa.table({"id": ids}))
            write_parquet(temporary / "medoids.parquet", pa.table({"id": self.medoids}))
            manifest: dict[str, Any] = {
                "kind": _KIND,
                "format": _FORMAT,
                "node_type": self.node_type,
                "members": self.members,
                "provenance": self.provenance,
                "files": digest_tree(temporary),
            }
            write_json(temporary / MANIFEST, manifest)

    @classmethod
    def load(cls, folder: str | Path, *, mmap: bool = False) -> Interests:
        """Read what `save` wrote.

        Raises:
            StoreError: no such folder; a file that is not what the manifest says.
        """
        folder = Path(folder)
        manifest = read_manifest(folder, _KIND, _FORMAT)
        try:
            for name, facts in manifest["files"].items():
                check_sha256(inside(folder, name), facts["sha256"], name=str(folder / name))
            arrays = (
                read_array(inside(folder, f"{name}.npy"), mmap=mmap)
                for name in ("offsets", "matrix", "weights")
            )
            ids, medoids, missing = (
                read_parquet(inside(folder, f"{name}.parquet"))["id"].combine_chunks()
                for name in ("ids", "medoids", "missing")
            )
            offsets, matrix, weights = arrays
            names = (manifest["node_type"], manifest["members"], Ids(ids))
            told = (Ids(missing), manifest["provenance"])
        except (KeyError, AttributeError, TypeError) as error:
            raise CorruptManifest("not a manifest of interests", source=folder) from error
        return cls(*names, offsets, matrix, weights, medoids, *told)

    def _own(self, node_id: NodeId) -> slice:
        row = int(self.ids.rows([node_id], source=self.node_type)[0])
        return slice(int(self.offsets[row]), int(self.offsets[row + 1]))

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f"Interests({self.node_type!r}, {len(self):,} with {len(self.weights):,} "
            f"medoids of {self.members!r})"
        )


def interests(
    embeddings: Embeddings,
    graph: HeteroGraph,
    *,
    along: EdgeType,
    k: int = 3,
    weight: WeightLike = "edge",
    most: int = 200,
    alike: float | None = None,
) -> Interests:
    """Cluster what each entity is joined to, and keep each cluster's medoid.

    Args:
        embeddings: with vectors of the members' node type.
        graph: to take the edges from.
        along: from the entities to their members; a reverse one leads from dst to src.
        k: interests of an entity at most.
        weight: what an edge counts in a cluster's weight, as in `derive`: `{"recency": "30d"}`
            lets old interests fade.
        most: members of an entity that are looked at, the heaviest ones; time grows with its
            third power.
        alike: also make one interest of two whose mean vectors have a cosine above this; None
            keeps k wherever there are as many members.

    Raises:
        ConfigError: a number out of its range.
        UnknownName: no such edge type; no vectors of the members' type.
        GraphError: a weight that needs times on edges without; weights that cannot be.
        UnknownNode: an embedded member that is not in the graph.
    """
    check_int("k", k, low=1, high=100)
    check_int("most", most, low=1, high=2_000)
    if alike is not None:
        check_number("alike", alike, low=-1.0, high=1.0)
    weighting = read_weighting(weight)
    vectors, ids = embeddings[along.dst], graph.ids(along.src)
    hop = weigh_edges(graph, along, weighting, relative=True)
    row_of = np.full(graph.num_nodes(along.dst), -1, np.int64)
    row_of[graph.rows(along.dst, vectors.ids)] = np.arange(len(vectors))
    offsets, members, weights = _distinct_members(hop.adjacency, hop.weights, row_of)
    medoid, share = np.empty((len(ids), k), np.int64), np.empty((len(ids), k), np.float32)
    units, limit = unit_rows(vectors.matrix), 2.0 if alike is None else float(alike)
    run = partial(ward.medoids, offsets, members, weights, units, most, limit, medoid, share)
    over_rows(run, offsets)
    counts = (medoid >= 0).sum(axis=1)
    rows = members[medoid[medoid >= 0]]
    told = {"k": k, "weight": described(weighting), "most": most, "alike": alike}
    return Interests(
        along.src,
        along.dst,
        ids.take(np.flatnonzero(counts)),
        np.concatenate([[0], np.cumsum(counts[counts > 0])]).astype(np.int64),
        vectors.matrix[rows],
        share[medoid >= 0],
        vectors.ids.array.take(pa.array(rows)),
        ids.take(np.flatnonzero(counts == 0)),
        {
            "interests": {"along": str(along), **told},
            "graph": graph.fingerprint,
            "embeddings": embeddings.provenance,
        },
    )


def _distinct_members(
    adjacency: Adjacency, weights: FloatArray, row_of: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Each entity's embedded members once, heaviest first, parallel edges summed.

    Returns:
        offsets int64 [n + 1], rows of the members' vectors int64 [m], weights float32 [m].
    """
    first = adjacency.distinct()
    group = np.cumsum(first) - 1
    each = np.ones(adjacency.num_edges, np.float32) if weights.size == 0 else weights
    summed = np.bincount(group, each, int(first.sum())).astype(np.float32)
    source, member = adjacency.sources()[first], row_of[adjacency.neighbors[first]]
    there = member >= 0
    counts = np.bincount(source[there], minlength=adjacency.num_src)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    source, member, summed = source[there], member[there], summed[there]
    order = np.lexsort((-summed, source))
    return offsets, member[order], summed[order]


def _by_score(
    ids: list[list[NodeId]], scores: FloatArray, k: int, *, larger: bool
) -> tuple[list[NodeId], FloatArray]:
    """The best score of each id, whichever interest gave it."""
    best: dict[NodeId, float] = {}
    for found, closeness in zip(ids, scores.tolist(), strict=True):
        for node_id, score in zip(found, closeness, strict=True):
            known = best.setdefault(node_id, score)
            best[node_id] = max(known, score) if larger else min(known, score)
    ranked = sorted(best.items(), key=lambda pair: -pair[1] if larger else pair[1])[:k]
    return [node_id for node_id, _ in ranked], np.array([score for _, score in ranked], np.float32)


def _by_turns(
    ids: list[list[NodeId]], scores: FloatArray, weights: FloatArray, k: int
) -> tuple[list[NodeId], FloatArray]:
    """Places by weight: next is the interest with the largest weight / (2 places + 1)."""
    waiting = [iter(zip(found, row, strict=True)) for found, row in zip(ids, scores, strict=True)]
    places = np.zeros(len(ids))
    claims = weights.astype(np.float64) + 1e-9  # an interest of weight 0 comes last
    chosen: dict[NodeId, float] = {}
    while len(chosen) < k and (claims > 0).any():
        turn = int(np.argmax(claims / (2 * places + 1)))
        found = next((pair for pair in waiting[turn] if pair[0] not in chosen), None)
        if found is None:
            claims[turn] = 0.0
            continue
        chosen[found[0]] = float(found[1])
        places[turn] += 1
    return list(chosen), np.array(list(chosen.values()), np.float32)
