"""Context pairs of a corpus: what skip-gram learns from, for those who train it elsewhere."""

from __future__ import annotations

import numpy as np

from graphemb.checks import check_int
from graphemb.kernels import corpus as kernel
from graphemb.types import RowArray
from graphemb.walks import Corpus


def context_pairs(
    corpus: Corpus, *, context_size: int, seed: int | None = None
) -> tuple[RowArray, RowArray]:
    """Every center with the nodes around it, in the order of the corpus.

    Args:
        context_size: radius of the window.
        seed: each center draws its own radius from 1 to `context_size`, as word2vec does, so
            that near nodes count more; None: all windows are whole.

    Returns:
        Centers and contexts, int32 or int64 [pairs], rows of `corpus.space`.

    Raises:
        ConfigError: a radius or seed out of its range.
    """
    check_int("context_size", context_size, low=1)
    if seed is not None:
        check_int("seed", seed, low=0, high=2**63 - 1)
    reach = np.empty(corpus.num_tokens, np.int64)
    count = kernel.reaches(corpus.offsets, context_size, -1 if seed is None else seed, reach)
    centers = np.empty(count, corpus.rows.dtype)
    contexts = np.empty(count, corpus.rows.dtype)
    kernel.pairs(corpus.rows, corpus.offsets, reach, centers, contexts)
    return centers, contexts
