"""`SequenceSkipGram`: item2vec and its like, over sequences that nobody walks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphemb.checks import check_positive
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.trainers.base import OnEpoch, describe, provenance
from graphemb.trainers.walk.fields import SkipGramFields
from graphemb.trainers.walk.result import embeddings
from graphemb.trainers.walk.resume import checkpoints_of
from graphemb.trainers.walk.training import train
from graphemb.types import EdgeType, NodeId, NodeType, check_name
from graphemb.walks import SequenceSource, graph_sequences, id_sequences


@dataclass(frozen=True, kw_only=True)
class SequenceSkipGram(SkipGramFields):
    """Skip-gram over sequences: what somebody bought in order of time, sessions, playlists.

    item2vec (Barkan and Koenigstein 2016), with windows instead of whole sets. Learning is
    described by `SkipGramFields`.

    Attributes:
        along: an edge type whose edges have times: one sequence per source node, of the nodes
            its edges lead to, in order of time. Only these nodes get vectors.
        session_gap: seconds; a longer pause starts a new sequence. None: one per source node.

    Nodes that stand next to no other in a sequence are missing.

    Raises:
        ConfigError: a field out of its range.
    """

    along: EdgeType | None = None
    session_gap: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.along is not None:
            object.__setattr__(self, "along", EdgeType(*self.along))
        if self.session_gap is not None:
            check_positive("session_gap", self.session_gap)

    def fit(
        self,
        graph: HeteroGraph,
        *,
        init: Embeddings | None = None,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> Embeddings:
        """One float32 vector [dim] per node that `along` leads to.

        Args:
            init: older vectors to go on from; who has one there keeps it when it is in no
                sequence.
            checkpoint: a folder to write checkpoints to, and to go on from when there are any.

        Raises:
            ConfigError: `along` is None; `init` is of other nodes.
            UnknownName: an edge type that is not in the graph.
            GraphError: its edges have no times.
            DimensionMismatch: `init` is of another dimension.
            TrainingError: the loss is not a number, or diverges.
            ConfigError, StoreError: a checkpoint of another training, or a damaged one.
        """
        if self.along is None:
            raise ConfigError(
                "no edge type says what the sequences are",
                field="along",
                hint="for example along=EdgeType('user', 'buys', 'product'), or fit_sequences",
            )
        corpus = graph_sequences(graph, self.along, session_gap=self.session_gap)
        source = SequenceSource(corpus, self.seed)
        made = provenance(self, graph)
        kept = checkpoints_of(checkpoint, made, init)
        trained = train(self, source, init=init, on_epoch=on_epoch, checkpoints=kept)
        return embeddings(trained, corpus.space, [self.along.dst], made)

    def fit_sequences(
        self,
        sequences: Iterable[Sequence[NodeId]],
        *,
        node_type: NodeType = "item",
        init: Embeddings | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Embeddings:
        """One float32 vector [dim] per id in sequences that come from anywhere.

        Args:
            sequences: of ids, all strings or all integers.
            node_type: what the ids are called.
            init: older vectors to go on from.

        Raises:
            GraphError: ids that are null, empty, or of mixed types.
            DimensionMismatch, ConfigError: `init` is of another dimension, or of other ids.
            TrainingError: the loss is not a number, or diverges.
        """
        check_name(node_type, "node type")
        corpus = id_sequences(sequences, node_type=node_type)
        source = SequenceSource(corpus, self.seed)
        trained = train(self, source, init=init, on_epoch=on_epoch)
        return embeddings(trained, corpus.space, [node_type], {"fit": describe(self)})
