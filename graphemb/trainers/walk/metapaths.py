"""`Metapath2Vec`: walks that follow given edge types in turn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.trainers.base import OnEpoch, provenance
from graphemb.trainers.walk.fields import SkipGramFields
from graphemb.trainers.walk.result import embeddings
from graphemb.trainers.walk.resume import checkpoints_of
from graphemb.trainers.walk.training import train
from graphemb.types import EdgeType, IntArray, RowArray
from graphemb.walks import Space, Walker, WalkSpec, node_types_of


@dataclass(frozen=True, kw_only=True)
class Metapath2Vec(SkipGramFields):
    """metapath2vec: skip-gram over walks along metapaths.

    Dong, Chawla, Swami 2017; with `negatives_by_type`, the default here, metapath2vec++. Differs
    in that there may be several metapaths, whose walks take turns. Learning is described by
    `SkipGramFields`.

    Attributes:
        metapaths: each a tuple of edge types; `~` before a relation walks it backwards. One that
            ends at the node type it starts at is followed over and over, any other once.
        walk_length: nodes in a walk.
        walks_per_node: walks per metapath from every node of the type it starts at, in an epoch.

    Nodes that no walk joins to another are missing. Node types on no metapath are left out.

    Raises:
        ConfigError: a field out of its range; no metapath, or hops that do not join.
    """

    metapaths: tuple[tuple[EdgeType, ...], ...]
    walk_length: int = 80
    walks_per_node: int = 10
    negatives_by_type: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "metapaths", tuple(tuple(path) for path in self.metapaths))
        if not self.metapaths:
            raise ConfigError(
                "at least one metapath is needed",
                field="metapaths",
                hint="for example (BUYS, BUYS.reverse)",
            )
        self.walks()

    def walks(self) -> tuple[WalkSpec, ...]:
        """The walks of the first epoch along each metapath; later ones go on from there."""
        return tuple(
            WalkSpec(
                walk_length=self.walk_length,
                walks_per_node=self.walks_per_node,
                metapath=metapath,
                seed=self.seed + number,
            )
            for number, metapath in enumerate(self.metapaths)
        )

    def fit(
        self,
        graph: HeteroGraph,
        *,
        init: Embeddings | None = None,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> Embeddings:
        """One float32 vector [dim] per node on a metapath that a walk joins to another.

        Args:
            init: older vectors to go on from; who has one there keeps it when no walk comes by.
            checkpoint: a folder to write checkpoints to, and to go on from when there are any.

        Raises:
            UnknownName: an edge type that is not in the graph.
            GraphError: a hop without edges; names it.
            DimensionMismatch, ConfigError: `init` is of another dimension, or of other nodes.
            TrainingError: the loss is not a number, or diverges.
            ConfigError, StoreError: a checkpoint of another training, or a damaged one.
        """
        types = node_types_of(hop for metapath in self.metapaths for hop in metapath)
        space = Space.of_graph(graph, types)
        source = _InTurn(tuple(Walker.of(graph, spec, space) for spec in self.walks()))
        made = provenance(self, graph)
        kept = checkpoints_of(checkpoint, made, init)
        trained = train(self, source, init=init, on_epoch=on_epoch, checkpoints=kept)
        return embeddings(trained, space, types, made)


@dataclass(frozen=True, eq=False)
class _InTurn:
    """Several walkers over one space, a round of each after the other; a `Source`."""

    walkers: tuple[Walker, ...]

    @property
    def space(self) -> Space:
        """What the rows mean."""
        return self.walkers[0].space

    @property
    def round_size(self) -> int:
        """Walks until every start of every walker has had its turn."""
        return sum(walker.round_size for walker in self.walkers)

    @property
    def num_sequences(self) -> int:
        """Walks in all rounds together."""
        return sum(walker.num_sequences for walker in self.walkers)

    @property
    def mean_length(self) -> float:
        """Nodes of a walk that does not end early."""
        return max(walker.mean_length for walker in self.walkers)

    def block(self, first: int, size: int) -> tuple[RowArray, IntArray]:
        """Walks `first` to `first + size - 1`; see `Source.block`."""
        parts = []
        ends = np.cumsum([walker.round_size for walker in self.walkers]).tolist()
        while size:
            turn, place = divmod(first, ends[-1])
            number = next(number for number, end in enumerate(ends) if place < end)
            walker = self.walkers[number]
            begin = ends[number] - walker.round_size
            part = min(size, ends[number] - place)
            parts.append(walker.block(turn * walker.round_size + place - begin, part))
            first, size = first + part, size - part
        tokens, lengths = zip(*parts, strict=True)
        return np.concatenate(tokens), np.concatenate(lengths)
