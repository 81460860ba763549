"""What models are trained by: the loop's fields, and those of learning from links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from graphemb.checks import check_choice, check_int, check_number, check_positive
from graphemb.errors import ConfigError
from graphemb.types import EdgeType, EdgeTypeWeights, NodeType

Device = Literal["auto", "cpu", "cuda"]
Schedule = Literal["constant", "linear", "cosine"]
Loss = Literal["bce", "bpr", "margin", "softmax", "decoupled"]
Negatives = Literal["own", "shared", "in_batch", "mixed"]
Hard = Literal["score", "ppr"]
Weights = Literal["ignore", "sample", "rank"]
DecoderName = Literal["dot", "distmult", "transe", "twhin", "mlp"]
Inputs = Literal["ids", "features", "both"]


@dataclass(frozen=True, kw_only=True)
class LoopFields:
    """How long and how fast to learn, and when to stop.

    Attributes:
        dim: components of a vector.
        epochs: at most; each goes once through all positives.
        batch_size: positives in a step.
        learning_rate: of Adam, at the start.
        beta2: of Adam, its memory of squared gradients.
        schedule: `constant`, or falling to 0: `linear`, `cosine`.
        weight_decay: of all parameters, decoupled from the gradient (AdamW).
        clip: the norm a step's gradient is cut to; None: not cut.
        valid: share of the positives held out of the given graph to tell when to stop: the last
            ones where edges have times, else at random. 0: none, train all epochs. Nobody loses
            their only edge to it.
        patience: stop after so many epochs without a better validation; the best is kept.
        threads: that torch works with on the CPU. With one the same seed gives the same vectors
            on any number of cores, and small steps are faster; more pay for large batches.
        device: `auto`: a GPU when there is one, and half precision (bfloat16) there.
        seed: of first weights, order of positives, negatives, dropout.

    Raises:
        ConfigError: a field out of its range.
    """

    dim: int = 64
    epochs: int = 50
    batch_size: int = 2048
    learning_rate: float = 0.01
    beta2: float = 0.999
    schedule: Schedule = "constant"
    weight_decay: float = 0.0
    clip: float | None = None
    valid: float = 0.05
    patience: int = 10
    threads: int = 1
    device: Device = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        check_int("dim", self.dim, low=1, high=65_536)
        check_int("epochs", self.epochs, low=1)
        check_int("batch_size", self.batch_size, low=1)
        check_positive("learning_rate", self.learning_rate)
        check_number("beta2", self.beta2, low=0.0, high=0.999999)
        check_choice("schedule", self.schedule, ("constant", "linear", "cosine"))
        check_number("weight_decay", self.weight_decay, low=0.0)
        if self.clip is not None:
            check_positive("clip", self.clip)
        check_number("valid", self.valid, low=0.0, high=0.5)
        check_int("patience", self.patience, low=1)
        check_int("threads", self.threads, low=1)
        check_choice("device", self.device, ("auto", "cpu", "cuda"))
        check_int("seed", self.seed, low=0, high=2**63 - 1)


@dataclass(frozen=True, kw_only=True)
class LinkFields(LoopFields):
    """How to learn from links: an edge should score higher than pairs that are not joined.

    Negatives keep a positive's source and replace its target by a node of the same type; known
    positives are avoided, or masked where negatives are shared. The other fields are those of
    `LoopFields`.

    Attributes:
        edge_types: whose edges are positives, or with what weight in the loss; None: all.
        loss: `bce`: logistic loss of edge or no edge. `bpr`: an edge before a negative, logistic
            (Rendle et al. 2009). `margin`: before it by `margin`. `softmax`: the edge among its
            negatives (sampled softmax). `decoupled`: the same without the edge's own term below
            the line (Yeh et al. 2022).
        margin: of the loss `margin`, and between heavier and lighter edges.
        temperature: scores are divided by it in `softmax` and `decoupled`.
        log_q: correct `softmax` for how often each candidate is drawn (Yi et al. 2019).
        negatives: `own`: each positive has `num_negatives` of its own. `shared`: all positives
            of a step have the same `num_negatives`. `in_batch`: the other positives' targets.
            `mixed`: those and `num_negatives` shared ones (Yang et al. 2020).
        num_negatives: of each positive, or of each step where they are shared.
        negative_exponent: candidates are drawn by degree to the power of this; 0 uniformly.
        negative_edges: for an edge type, another one between the same node types whose edges are
            negatives that the user gives, drawn before any others.
        hard: where hard negatives come from: `score`: what the model ranks high among random
            candidates. `ppr`: what short walks from the source often end at.
        num_hard: hard negatives of a positive, beside the others; in epoch e (from 0) at most e
            of them, as in PinSage (Ying et al. 2018).
        hard_window: ranks that hard negatives are drawn from, first and one past the last.
        hard_pool: random candidates that are ranked for `score`.
        weights: of edges: `ignore`; `sample`: they multiply the loss; `rank`: besides, a
            heavier edge must outrank a lighter one of its source by `margin`.
        decoder: what makes a score of two vectors: `dot`; `distmult`, weighted by relation;
            `transe`, minus the distance from source + relation; `twhin`, the dot product with
            source + relation; `mlp`.
        calibrated: learn a scale and a bias of the scores, one of each per edge type.
        l2: penalty on the squared lengths of a step's vectors, per positive.

    Raises:
        ConfigError: a field out of its range, or fields that contradict each other.
    """

    edge_types: EdgeTypeWeights = None
    loss: Loss = "bce"
    margin: float = 1.0
    temperature: float = 1.0
    log_q: bool = True
    negatives: Negatives = "own"
    num_negatives: int = 1
    negative_exponent: float = 0.0
    negative_edges: Mapping[EdgeType, EdgeType] | None = None
    hard: Hard = "score"
    num_hard: int = 0
    hard_window: tuple[int, int] = (0, 5)
    hard_pool: int = 50
    weights: Weights = "ignore"
    decoder: DecoderName = "dot"
    calibrated: bool = False
    l2: float = 0.0

    @property
    def ranks_by_product(self) -> bool:
        """Whether the dot product of two vectors ranks pairs as the learned score does."""
        return self.decoder == "dot"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("loss", self.loss, ("bce", "bpr", "margin", "softmax", "decoupled"))
        check_positive("margin", self.margin)
        check_positive("temperature", self.temperature)
        check_choice("log_q", self.log_q, (False, True))
        check_choice("negatives", self.negatives, ("own", "shared", "in_batch", "mixed"))
        check_int("num_negatives", self.num_negatives, low=1)
        check_number("negative_exponent", self.negative_exponent, low=-10.0, high=10.0)
        check_choice("hard", self.hard, ("score", "ppr"))
        check_int("num_hard", self.num_hard, low=0)
        check_int("hard_pool", self.hard_pool, low=1)
        check_choice("weights", self.weights, ("ignore", "sample", "rank"))
        check_choice("decoder", self.decoder, ("dot", "distmult", "transe", "twhin", "mlp"))
        check_choice("calibrated", self.calibrated, (False, True))
        check_number("l2", self.l2, low=0.0)
        self._check_window()
        self._check_negative_edges()

    def _check_window(self) -> None:
        low, high = self.hard_window
        check_int("hard_window[0]", low, low=0)
        limit = self.hard_pool if self.hard == "score" else None
        check_int("hard_window[1]", high, low=low + 1, high=limit)

    def _check_negative_edges(self) -> None:
        for edge_type, other in (self.negative_edges or {}).items():
            if (edge_type.src, edge_type.dst) != (other.src, other.dst) or edge_type == other:
                raise ConfigError(
                    "negatives are edges of another type between the same node types",
                    field="negative_edges",
                    value=str(other),
                    hint=f"for {edge_type}",
                )


def check_inputs(inputs: Inputs, columns: Mapping[NodeType, tuple[str, ...]] | None) -> None:
    """Check the fields `inputs` and `columns` of a trainer that is told of nodes by them.

    Raises:
        ConfigError: an unknown kind of inputs, or columns that would not be looked at.
    """
    check_choice("inputs", inputs, ("ids", "features", "both"))
    if columns and inputs == "ids":
        raise ConfigError(
            "columns are named, and nodes are told by their ids alone",
            field="inputs",
            value=inputs,
            hint="inputs='features' or 'both' looks at columns",
        )
