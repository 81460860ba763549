"""A step of smoothing: vectors move halfway to the mean of their neighbours'."""

from __future__ import annotations

from functools import partial

import numpy as np

from graphemb.graph import HomogeneousCSR
from graphemb.kernels import aggregate
from graphemb.linalg import over_rows
from graphemb.types import FloatArray

_NO_WEIGHTS = np.zeros(0, np.float32)


def smooth(graph: HomogeneousCSR, vectors: FloatArray) -> None:
    """Make each row of `vectors` float32 [n, dim] the mean of itself and its neighbours' mean.

    What few walks have left noisy is averaged out; a row without edges stays.
    """
    around = vectors.copy()
    weights = _NO_WEIGHTS if graph.weights is None else graph.weights
    edges = (graph.offsets, graph.neighbors, weights)
    over_rows(
        partial(aggregate.propagate, *edges, 0.0, 0.0, vectors, around, around), graph.offsets
    )
    vectors += around
    vectors *= np.float32(0.5)
