"""What all walk models are configured by, whatever their sequences come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphemb.checks import check_choice, check_int, check_number, check_positive
from graphemb.errors import ConfigError
from graphemb.linalg import num_threads

Objective = Literal["skipgram", "cbow"]
Loss = Literal["negative", "hierarchical"]


@dataclass(frozen=True, kw_only=True)
class SkipGramFields:
    """How to learn from sequences: skip-gram or CBOW.

    Mikolov et al. 2013. Differs in that the contexts of a center share its negatives and move
    together (Ji et al. 2016), which is several times faster and no worse.

    Attributes:
        dim: components of a vector.
        context_size: radius of the window; each center draws its own from 1 to this.
        loss: `negative`: tell a center from some drawn at random (negative sampling); or
            `hierarchical`: from all others, by its way through Huffman's tree of them. That takes
            two to three times as long, for skip-gram only; on graphs of a few thousand nodes it
            told classes better. The three fields of negatives are then not looked at.
        num_negatives: per center.
        negative_exponent: nodes are drawn as negatives by (visits in walks)^this; .75 as in
            word2vec, 0 uniformly, below 0 rare ones more often than popular ones.
        negatives_by_type: draw negatives of the center's own node type (metapath2vec++).
        epochs: each with walks of its own.
        learning_rate: at the start; falls linearly.
        min_learning_rate: at the end.
        objective: `skipgram`, or `cbow`: predict a node from the mean of those around it.
        threads: at most; None: one per core.
        deterministic: the same vectors every time, on one thread; else threads share the
            matrices without locks (Hogwild), and small differences remain.
        seed: of walks, negatives and first vectors.

    Raises:
        ConfigError: a field out of its range.
    """

    dim: int = 128
    context_size: int = 5
    loss: Loss = "negative"
    num_negatives: int = 5
    negative_exponent: float = 0.75
    negatives_by_type: bool = False
    epochs: int = 1
    learning_rate: float = 0.05
    min_learning_rate: float = 0.0001
    objective: Objective = "skipgram"
    threads: int | None = None
    deterministic: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_int("dim", self.dim, low=1, high=65_536)
        check_int("context_size", self.context_size, low=1, high=10_000)
        check_int("num_negatives", self.num_negatives, low=1, high=10_000)
        check_number("negative_exponent", self.negative_exponent, low=-10.0, high=10.0)
        check_choice("negatives_by_type", self.negatives_by_type, (False, True))
        check_int("epochs", self.epochs, low=1)
        check_positive("learning_rate", self.learning_rate)
        check_number("min_learning_rate", self.min_learning_rate, low=0.0, high=self.learning_rate)
        check_choice("objective", self.objective, ("skipgram", "cbow"))
        check_choice("loss", self.loss, ("negative", "hierarchical"))
        if self.objective == "cbow" and self.loss == "hierarchical":
            raise ConfigError("CBOW learns by negative sampling", field="loss", value=self.loss)
        check_choice("deterministic", self.deterministic, (False, True))
        check_int("seed", self.seed, low=0, high=2**63 - 1)
        if self.threads is not None:
            check_int("threads", self.threads, low=1)

    @property
    def threads_used(self) -> int:
        """Threads that a fit runs on."""
        return 1 if self.deterministic else self.threads or num_threads()
