"""`DeepWalk` and `Node2Vec`: walks over all chosen edge types at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from graphemb.checks import check_int
from graphemb.embeddings import Embeddings
from graphemb.graph import HeteroGraph
from graphemb.trainers.base import EdgeTypeWeights, OnEpoch, embedded_types, provenance
from graphemb.trainers.walk.fields import SkipGramFields
from graphemb.trainers.walk.result import embeddings
from graphemb.trainers.walk.resume import checkpoints_of
from graphemb.trainers.walk.smoothing import smooth
from graphemb.trainers.walk.training import train
from graphemb.walks import Walker, WalkSpec


@dataclass(frozen=True, kw_only=True)
class GraphWalkFields(SkipGramFields):
    """What `DeepWalk` and `Node2Vec` share: walks over any chosen edge types.

    Attributes:
        walk_length: nodes in a walk.
        walks_per_node: walks from every node in an epoch.
        edge_types: which, or which with what weight; None: all, weight 1.
        directed: walk edges only as stored; else both ways.
        smoothing: times that each vector becomes the mean of itself and the weighted mean of its
            neighbours' (as walked) in the end; 0, as in the papers, leaves vectors as trained.
            Once costs a hundredth of a short training and averages out what few walks have left
            noisy: one walk a node finds as many communities as several, classes are told better
            and links no worse. More often tells classes better still, but ranks links worse.

    Nodes that no walk joins to another are missing. Node types at no end of the chosen edge types
    are left out.
    """

    walk_length: int = 80
    walks_per_node: int = 10
    edge_types: EdgeTypeWeights = None
    directed: bool = False
    smoothing: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("smoothing", self.smoothing, low=0, high=100)
        self.walks()

    def walks(self) -> WalkSpec:
        """The walks of the first epoch; later ones go on from there."""
        return WalkSpec(
            walk_length=self.walk_length,
            walks_per_node=self.walks_per_node,
            edge_types=self.edge_types,
            directed=self.directed,
            seed=self.seed,
        )

    def fit(
        self,
        graph: HeteroGraph,
        *,
        init: Embeddings | None = None,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> Embeddings:
        """One float32 vector [dim] per node that a walk joins to another.

        Args:
            init: older vectors to go on from; who has one there keeps it when no walk comes by.
            checkpoint: a folder to write checkpoints to, and to go on from when there are any.

        Raises:
            UnknownName: an edge type that is not in the graph.
            DimensionMismatch, ConfigError: `init` is of another dimension, or of other nodes.
            TrainingError: the loss is not a number, or diverges.
            ConfigError, StoreError: a checkpoint of another training, or a damaged one.
        """
        walker = Walker.of(graph, self.walks())
        made = provenance(self, graph)
        kept = checkpoints_of(checkpoint, made, init)
        trained = train(self, walker, init=init, on_epoch=on_epoch, checkpoints=kept)
        merged = graph.homogeneous(self.edge_types, directed=self.directed)
        for _ in range(self.smoothing):
            smooth(merged, trained.vectors)
        types = embedded_types(graph, self.edge_types)
        return embeddings(trained, walker.space, types, made)


@dataclass(frozen=True, kw_only=True)
class DeepWalk(GraphWalkFields):
    """DeepWalk: skip-gram over walks that go to any neighbour, by weight.

    Perozzi, Al-Rfou, Skiena 2014. Differs in weights and edge types, in smoothing, and in negative
    sampling unless `loss="hierarchical"`. Its fields are those of `GraphWalkFields` (the walks) and
    of `SkipGramFields` (the learning).

    Raises:
        ConfigError: a field out of its range.
    """


@dataclass(frozen=True, kw_only=True)
class Node2Vec(GraphWalkFields):
    """node2vec: skip-gram over walks that lean to where they come from (p) or away from it (q).

    Grover and Leskovec 2016, with weights, edge types and smoothing; steps are drawn by rejection,
    without tables over pairs of edges. The other fields are those of `GraphWalkFields` (the walks)
    and of `SkipGramFields` (the learning).

    Attributes:
        p: return parameter; the node before is weighed by 1/p.
        q: in-out parameter; nodes to which no edge leads from the node before by 1/q.

    Raises:
        ConfigError: a field out of its range.
    """

    p: float = 1.0
    q: float = 1.0

    def walks(self) -> WalkSpec:
        """As `GraphWalkFields.walks`, with p and q."""
        return replace(super().walks(), p=self.p, q=self.q)
