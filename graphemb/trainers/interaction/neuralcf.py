"""`NeuralCF`: interactions scored by a product, a network, or both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from graphemb.checks import check_choice, check_int
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.learning import LinkFields
from graphemb.progress import OnEpoch

if TYPE_CHECKING:
    from graphemb.trainers.interaction.scorer import NeuralScorer

Model = Literal["gmf", "mlp", "neumf"]


@dataclass(frozen=True, kw_only=True)
class NeuralCF(LinkFields):
    """Neural collaborative filtering (He et al. 2017); chosen edge types share the network.

    `gmf`: the product of two vectors, whose weights are left to the vectors themselves. `mlp`: a
    network over both vectors, one after the other. `neumf`: the sum of both, each with half of the
    components, the product's weighted; trained together from scratch. Differs from the paper in
    that validation edges may stop the training, and that of `neumf` only the product can be
    pre-trained, by the `init` of `fit`. The other fields are those of `LinkFields`; the loss is
    `bce` with `num_negatives` of each positive's own.

    The score of `mlp` and `neumf` is no dot product: `fit_scorer` gives it, and `evaluate_links`
    takes it in place of embeddings. That of `gmf` is one, of the vectors that `fit` gives; a run
    file, which knows vectors alone, says so of the other two.

    Attributes:
        model: `gmf`, `mlp` or `neumf`.
        hidden: widths of the network's layers.
        num_negatives: drawn uniformly for each positive in each epoch.
        l2: penalty on the squared lengths of a step's vectors.

    Nodes without edges are missing.

    Raises:
        ConfigError: a field out of its range, or one that is not used here.
    """

    model: Model = "gmf"
    hidden: tuple[int, ...] = (64, 32, 16)
    num_negatives: int = 4
    batch_size: int = 2048
    learning_rate: float = 0.002

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("model", self.model, ("gmf", "mlp", "neumf"))
        check_choice("decoder", self.decoder, ("dot",))
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for number, width in enumerate(self.hidden):
            check_int(f"hidden[{number}]", width, low=1)
        if not self.hidden and self.model != "gmf":
            raise ConfigError("a network needs a hidden layer", field="hidden", value=self.hidden)
        if self.model == "neumf" and self.dim % 2:
            raise ConfigError("neumf gives half to each part", field="dim", value=self.dim)

    @property
    def ranks_by_product(self) -> bool:
        """Of `gmf` alone."""
        return self.model == "gmf"

    @property
    def product_dim(self) -> int:
        """Components that the product takes; the network takes the rest."""
        return {"gmf": self.dim, "mlp": 0, "neumf": self.dim // 2}[self.model]

    def fit(
        self,
        graph: HeteroGraph,
        *,
        init: Embeddings | None = None,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> Embeddings:
        """One float32 vector [dim] per node with edges.

        Args:
            init: vectors that the product's components begin with, `product_dim` of them, such
                as another trainer's; the network's begin at random.
            checkpoint: a folder to write checkpoints to, and to go on from when there are any.

        Raises:
            UnknownName: an edge type that is not in the graph.
            DimensionMismatch: `init` is of another dimension.
            TrainingError: the loss is not finite, or diverges.
            ConfigError, StoreError: a checkpoint of another training, or a damaged one; `init`
                holds none of the nodes.
        """
        return self.fit_scorer(
            graph, init=init, on_epoch=on_epoch, checkpoint=checkpoint
        ).embeddings

    def fit_scorer(
        self,
        graph: HeteroGraph,
        *,
        init: Embeddings | None = None,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> NeuralScorer:
        """The vectors as `fit` gives them, with the score of any two.

        Raises:
            As `fit`.
        """
        from graphemb.trainers.interaction.networks import fit_neural

        return fit_neural(self, graph, init, on_epoch, checkpoint)
