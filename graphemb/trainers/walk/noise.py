"""What negatives are drawn from: how often walks visit a node, to a power."""

from __future__ import annotations

import threading

import numpy as np

from graphemb.kernels import alias
from graphemb.kernels import corpus as kernel
from graphemb.kernels.skipgram import Noise
from graphemb.linalg import over_rows
from graphemb.trainers.walk.fields import SkipGramFields
from graphemb.types import IntArray
from graphemb.walks import Source

_SEQUENCES_PER_BLOCK = 256


def make_noise(config: SkipGramFields, source: Source) -> Noise:
    """Negatives by visits^exponent; nodes that no walk visits are never drawn.

    On an undirected graph visits are in proportion to weighted degrees.
    """
    visits = count_visits(source, config.threads_used)
    chances = np.zeros(visits.size, np.float64)
    there = visits > 0
    chances[there] = visits[there].astype(np.float64) ** config.negative_exponent
    by_type = config.negatives_by_type
    segments = source.space.offsets.copy() if by_type else np.array([0, visits.size])
    table = np.empty(visits.size, np.uint64)
    alias.fill(segments, chances, table, 0, segments.size - 1)
    return Noise(table, segments, config.num_negatives)


def count_visits(source: Source, threads: int) -> IntArray:
    """int64 [N]: how often each node stands in one round of sequences, single nodes left out."""
    size, number = _SEQUENCES_PER_BLOCK, source.round_size
    blocks = -(-number // size)
    visits = np.zeros(source.space.num_rows, np.int64)
    lock = threading.Lock()

    def count(low: int, high: int) -> None:
        own = np.zeros_like(visits)
        for first in range(low * size, min(high * size, number), size):
            kernel.count_rows(*source.block(first, min(size, number - first)), own)
        with lock:
            np.add(visits, own, out=visits)

    over_rows(count, np.arange(blocks + 1), threads=threads)
    return visits
