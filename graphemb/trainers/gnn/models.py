"""The graph neural networks: each is its layer and the fields of that layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from graphemb.checks import check_choice, check_int
from graphemb.embeddings import Embeddings
from graphemb.graph import HeteroGraph
from graphemb.progress import OnEpoch
from graphemb.trainers.gnn.fields import GNNFields
from graphemb.types import EdgeType

if TYPE_CHECKING:
    from graphemb.trainers.gnn.inductive import Encoder
    from graphemb.trainers.gnn.layers import MakeLayer


@dataclass(frozen=True, kw_only=True)
class GNN(GNNFields):
    """What the networks share: fitting. A subclass says what its layer is."""

    def fit(
        self,
        graph: HeteroGraph,
        *,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> Embeddings:
        """One float32 vector [dim] per node that has edges, or columns that are looked at.

        Args:
            checkpoint: a folder to write checkpoints to, and to go on from when there are any.

        Raises:
            UnknownName: an edge type or column that is not in the graph.
            TrainingError: the loss is not finite, or diverges.
            ConfigError, StoreError: a checkpoint of another training, or a damaged one.
        """
        return self.fit_encoder(graph, on_epoch=on_epoch, checkpoint=checkpoint).vectors

    def fit_encoder(
        self,
        graph: HeteroGraph,
        *,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> Encoder:
        """As `fit`; what comes back can embed nodes that come later, too."""
        from graphemb.trainers.gnn.fitting import fit_encoder

        return fit_encoder(self, graph, on_epoch, checkpoint)

    def make_layer(self) -> MakeLayer:
        """What makes one layer for a schema."""
        raise NotImplementedError

    def carrier(self, graph: HeteroGraph) -> tuple[HeteroGraph, tuple[EdgeType, ...]]:
        """The graph whose edges carry messages, and which way they go."""
        used = [edge_type for edge_type in graph.edge_types if graph.num_edges(edge_type)]
        return graph, tuple(way for edge_type in used for way in (edge_type, edge_type.reverse))


@dataclass(frozen=True, kw_only=True)
class GraphSAGE(GNN):
    """GraphSAGE: a node's vector from its own and the mean, maximum or sum of its neighbours'.

    Hamilton, Ying, Leskovec 2017, with a convolution per edge type, summed. Differs in that a
    layer's output is added to its input. The other fields are those of `GNNFields`.

    Attributes:
        aggregate: of neighbours: `mean`, `max` or `sum`.

    Raises:
        ConfigError: a field out of its range.
    """

    aggregate: Literal["mean", "max", "sum"] = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("aggregate", self.aggregate, ("mean", "max", "sum"))

    def make_layer(self) -> MakeLayer:
        from graphemb.trainers.gnn.layers import sage

        return partial(sage, dim=self.dim, aggregate=self.aggregate)


@dataclass(frozen=True, kw_only=True)
class GAT(GNN):
    """Graph attention: neighbours are weighed by how they fit the node.

    Veličković et al. 2018, with a convolution per edge type, summed. The other fields are those
    of `GNNFields`.

    Attributes:
        heads: attentions beside each other; a divisor of `dim`.

    Raises:
        ConfigError: a field out of its range.
    """

    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_heads(self.heads)

    def make_layer(self) -> MakeLayer:
        from graphemb.trainers.gnn.layers import attention

        return partial(attention, dim=self.dim, heads=self.heads)


@dataclass(frozen=True, kw_only=True)
class RGCN(GNN):
    """R-GCN: a linear map per edge type and direction, the mean over neighbours of each.

    Schlichtkrull et al. 2018. The other fields are those of `GNNFields`; `decoder="distmult"` is
    the paper's.

    Attributes:
        bases: maps that those of all edge types are mixed from; None: each has its own.

    Raises:
        ConfigError: a field out of its range.
    """

    bases: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bases is not None:
            check_int("bases", self.bases, low=1)

    def make_layer(self) -> MakeLayer:
        from graphemb.trainers.gnn.layers import Relational

        return partial(Relational, dim=self.dim, bases=self.bases)


@dataclass(frozen=True, kw_only=True)
class HGT(GNN):
    """The heterogeneous graph transformer: attention by node and edge types.

    Hu et al. 2020. The other fields are those of `GNNFields`.

    Attributes:
        heads: attentions beside each other; a divisor of `dim`.

    Raises:
        ConfigError: a field out of its range.
    """

    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_heads(self.heads)

    def make_layer(self) -> MakeLayer:
        from graphemb.trainers.gnn.layers import Transformer

        return partial(Transformer, dim=self.dim, heads=self.heads)
