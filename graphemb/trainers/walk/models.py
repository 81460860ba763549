"""`DeepWalk` and `Node2Vec`: walks over all chosen edge types at once."""

from __future__ import annotations

from dataclasses import dataclass

from graphemb.embeddings import Embeddings
from graphemb.graph import HeteroGraph
from graphemb.trainers.base import EdgeTypeWeights, OnEpoch, provenance
from graphemb.trainers.walk.fields import SkipGramFields
from graphemb.trainers.walk.result import embeddings
from graphemb.trainers.walk.training import train
from graphemb.walks import Walker, WalkSpec, node_types_of


@dataclass(frozen=True, kw_only=True)
class DeepWalk(SkipGramFields):
    """DeepWalk: skip-gram over walks that go to any neighbour, by weight.

    Perozzi, Al-Rfou, Skiena 2014. Differs in negative sampling for hierarchical softmax, and in
    weights and edge types. Learning is described by `SkipGramFields`.

    Attributes:
        walk_length: nodes in a walk.
        walks_per_node: walks from every node in an epoch.
        edge_types: which, or which with what weight; None: all, weight 1.
        directed: walk edges only as stored; else both ways.

    Nodes that no walk joins to another are missing. Node types at no end of the chosen edge types
    are left out.

    Raises:
        ConfigError: a field out of its range.
    """

    walk_length: int = 80
    walks_per_node: int = 10
    edge_types: EdgeTypeWeights = None
    directed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
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
    ) -> Embeddings:
        """One float32 vector [dim] per node that a walk joins to another.

        Args:
            init: older vectors to go on from; who has one there keeps it when no walk comes by.

        Raises:
            UnknownName: an edge type that is not in the graph.
            DimensionMismatch, ConfigError: `init` is of another dimension, or of other nodes.
            TrainingError: the loss is not a number, or diverges.
        """
        return _fit(self, self.walks(), graph, init, on_epoch)


@dataclass(frozen=True, kw_only=True)
class Node2Vec(SkipGramFields):
    """node2vec: skip-gram over walks that lean to where they come from (p) or away from it (q).

    Grover and Leskovec 2016, with weights and edge types; steps are drawn by rejection, without
    tables over pairs of edges. Learning is described by `SkipGramFields`.

    Attributes:
        walk_length: nodes in a walk.
        walks_per_node: walks from every node in an epoch.
        p: return parameter; the node before is weighed by 1/p.
        q: in-out parameter; nodes to which no edge leads from the node before by 1/q.
        edge_types: which, or which with what weight; None: all, weight 1.
        directed: walk edges only as stored; else both ways.

    Nodes that no walk joins to another are missing. Node types at no end of the chosen edge types
    are left out.

    Raises:
        ConfigError: a field out of its range.
    """

    walk_length: int = 80
    walks_per_node: int = 10
    p: float = 1.0
    q: float = 1.0
    edge_types: EdgeTypeWeights = None
    directed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.walks()

    def walks(self) -> WalkSpec:
        """The walks of the first epoch; later ones go on from there."""
        return WalkSpec(
            walk_length=self.walk_length,
            walks_per_node=self.walks_per_node,
            edge_types=self.edge_types,
            directed=self.directed,
            p=self.p,
            q=self.q,
            seed=self.seed,
        )

    def fit(
        self,
        graph: HeteroGraph,
        *,
        init: Embeddings | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Embeddings:
        """One float32 vector [dim] per node that a walk joins to another.

        Args:
            init: older vectors to go on from; who has one there keeps it when no walk comes by.

        Raises:
            UnknownName: an edge type that is not in the graph.
            DimensionMismatch, ConfigError: `init` is of another dimension, or of other nodes.
            TrainingError: the loss is not a number, or diverges.
        """
        return _fit(self, self.walks(), graph, init, on_epoch)


def _fit(
    trainer: DeepWalk | Node2Vec,
    spec: WalkSpec,
    graph: HeteroGraph,
    init: Embeddings | None,
    on_epoch: OnEpoch | None,
) -> Embeddings:
    walker = Walker.of(graph, spec)
    trained = train(trainer, walker, init=init, on_epoch=on_epoch)
    chosen = graph.node_types if spec.edge_types is None else node_types_of(spec.edge_types)
    return embeddings(trained, walker.space, chosen, provenance(trainer, graph))
