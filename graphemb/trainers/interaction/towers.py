"""`BPR` and `TwoTower`: a vector per node by what it is told of it, learned from links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphemb.checks import check_choice, check_int, check_number
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.graph.homogeneous import chosen_weights
from graphemb.learning import LinkFields
from graphemb.learning.fields import DecoderName, Inputs, Loss, Negatives, check_inputs
from graphemb.progress import OnEpoch
from graphemb.types import NodeType


@dataclass(frozen=True, kw_only=True)
class BPR(LinkFields):
    """Matrix factorisation by pairwise comparisons (Rendle et al. 2009), of any edge types.

    A vector for every node; the product of a pair with an edge should be above that of its source
    with a node drawn at random. Differs from the paper in Adam instead of plain descent, and in
    that several edge types share the vectors of a node type. The other fields are those of
    `LinkFields`; the loss can be another one, the score stays the dot product.

    Attributes:
        loss: `bpr`.
        l2: penalty on the squared lengths of a step's vectors.

    Nodes without edges are missing.

    Raises:
        ConfigError: a field out of its range; another decoder than `dot`.
    """

    loss: Loss = "bpr"
    l2: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("decoder", self.decoder, ("dot",))

    def fit(
        self,
        graph: HeteroGraph,
        *,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> Embeddings:
        """One float32 vector [dim] per node with edges.

        Args:
            checkpoint: a folder to write checkpoints to, and to go on from when there are any.

        Raises:
            UnknownName: an edge type that is not in the graph.
            TrainingError: the loss is not finite, or diverges.
            ConfigError, StoreError: a checkpoint of another training, or a damaged one.
        """
        from graphemb.trainers.interaction.fitting import Shape, fit_towers

        return fit_towers(self, Shape("ids"), graph, on_epoch, checkpoint)


@dataclass(frozen=True, kw_only=True)
class TwoTower(LinkFields):
    """Two towers: each node's vector is a network over its own id and columns alone.

    Covington et al. 2016; Yi et al. 2019. A tower per node type: a learned vector for the id and a
    projection of the columns are added, go through the hidden layers, and become the vector.
    Nothing flows along edges, so a node that comes later has a vector at once if it has columns;
    the id of a node without edges counts as unknown. The other fields are those of `LinkFields`.

    Attributes:
        inputs: `ids`, `features` (columns), or `both`. A node type without columns always has ids.
        columns: which, per node type; None, or a type not named: all that tell something.
        hidden: widths of the hidden layers, with ReLU after each; () is a linear tower.
        skip: each hidden layer's output is joined by its input, so that the last layer sees all.
        normalize: vectors have length 1, so that dot products are cosines.
        unknown: the chance that training takes a node's own vector away and puts the one of all
            unknown nodes there, which nodes without edges have.
        decoder: `dot`, or `distmult`: a logistic regression on the product component by component
            (with `loss="bce"`, `calibrated=True`); its weights are then part of the sources'
            vectors, so that their dot product is the score. It takes one edge type.

    Nodes without edges are missing unless columns tell of them.

    Raises:
        ConfigError: a field out of its range.
    """

    inputs: Inputs = "both"
    columns: Mapping[NodeType, tuple[str, ...]] | None = None
    hidden: tuple[int, ...] = ()
    skip: bool = False
    normalize: bool = False
    unknown: float = 0.1
    loss: Loss = "softmax"
    negatives: Negatives = "mixed"
    num_negatives: int = 512
    decoder: DecoderName = "dot"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_inputs(self.inputs, self.columns)
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for number, width in enumerate(self.hidden):
            check_int(f"hidden[{number}]", width, low=1)
        check_choice("skip", self.skip, (False, True))
        check_choice("normalize", self.normalize, (False, True))
        check_number("unknown", self.unknown, low=0.0, high=0.9)
        check_choice("decoder", self.decoder, ("dot", "distmult"))

    @property
    def ranks_by_product(self) -> bool:
        """Always: `distmult`'s weights become part of the vectors."""
        return True

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
        from graphemb.trainers.interaction.fitting import Shape, fit_towers

        chosen = chosen_weights(self.edge_types, graph.edge_types) if graph.edge_types else {}
        if self.decoder == "distmult" and any(len(chosen) > 1 or e.src == e.dst for e in chosen):
            raise ConfigError(
                "distmult's weights become part of the sources' vectors: one edge type between "
                "two node types is wanted",
                field="edge_types",
                value=[str(edge_type) for edge_type in chosen],
                hint="choose one, or decoder='dot'",
            )
        shape = Shape(
            self.inputs, self.columns, self.hidden, self.skip, self.normalize, self.unknown
        )
        return fit_towers(self, shape, graph, on_epoch, checkpoint)
