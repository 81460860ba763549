"""Sequences that nobody walks: purchases in order of time, sessions, lists of ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from graphemb.errors import GraphError
from graphemb.graph import HeteroGraph
from graphemb.ids import Ids, key_array
from graphemb.kernels import corpus as kernel
from graphemb.kernels import rng
from graphemb.types import EdgeType, IntArray, NodeId, NodeType, RowArray
from graphemb.walks.corpus import Corpus, Space

_MICROSECONDS = 1_000_000


def graph_sequences(
    graph: HeteroGraph, along: EdgeType, *, session_gap: float | None = None
) -> Corpus:
    """For each source node of an edge type, the nodes its edges lead to in order of time.

    Edges of the same time stay in the order of their target's rows.

    Args:
        along: an edge type whose edges have times, or its reverse.
        session_gap: seconds; a longer pause starts a new sequence. None: one per source node.

    Raises:
        UnknownName: no such edge type.
        GraphError: its edges have no times.
    """
    edges = graph[along]
    if edges.times is None:
        raise GraphError(
            "sequences are put in order of time, but these edges have none",
            code="no_times",
            source=along,
            field="along",
            hint="return a column 'time' for this edge type",
        )
    sources = edges.sources()
    order = np.lexsort((edges.times, sources))
    times, sources = edges.times[order], sources[order]
    new = np.ones(order.size, np.bool_)
    new[1:] = sources[1:] != sources[:-1]
    if session_gap is not None:
        new[1:] |= np.diff(times) > session_gap * _MICROSECONDS
    offsets = np.append(np.flatnonzero(new), order.size).astype(np.int64)
    return Corpus(edges.neighbors[order], offsets, Space.of_graph(graph, [along.dst]))


def id_sequences(
    sequences: Iterable[Sequence[NodeId]], *, node_type: NodeType, ids: Ids | None = None
) -> Corpus:
    """Given sequences of ids.

    Args:
        node_type: what the ids are called.
        ids: all of them, in the order of their rows; None: in order of first appearance.

    Raises:
        GraphError: ids that are null, empty, or of mixed types.
        UnknownNode: an id that is not among `ids`.
    """
    parts = [list(sequence) for sequence in sequences]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    tokens = key_array(list(chain.from_iterable(parts)), source=node_type)
    if ids is None:
        ids = Ids.of(tokens.unique(), source=node_type)
    rows = ids.rows(tokens, source=node_type)
    return Corpus(rows.astype(np.int32), offsets, Space.of_ids({node_type: ids}))


@dataclass(frozen=True, eq=False)
class SequenceSource:
    """A corpus to learn from, its sequences shuffled anew in every round; a `Source`.

    Attributes:
        corpus: the sequences.
        seed: of the order.
    """

    corpus: Corpus
    seed: int

    @property
    def space(self) -> Space:
        """What the rows mean."""
        return self.corpus.space

    @property
    def round_size(self) -> int:
        """Sequences of the corpus."""
        return len(self.corpus)

    @property
    def num_sequences(self) -> int:
        """Sequences of the corpus."""
        return len(self.corpus)

    @property
    def mean_length(self) -> float:
        """Nodes of a sequence."""
        return self.corpus.num_tokens / max(len(self.corpus), 1)

    def block(self, first: int, size: int) -> tuple[RowArray, IntArray]:
        """Sequences `first` to `first + size - 1`; see `Source.block`."""
        corpus = self.corpus
        order = np.empty(size, np.int64)
        rng.rounds_in_order(first, len(corpus), self.seed, order)
        lengths = corpus.offsets[order + 1] - corpus.offsets[order]
        tokens = np.empty(int(lengths.sum()), corpus.rows.dtype)
        kernel.gather(corpus.rows, corpus.offsets, order, tokens)
        return tokens, lengths
