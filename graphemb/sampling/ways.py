"""The edges of a graph as the sampler walks them: from the node that gathers to its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphemb.graph import Adjacency, HeteroGraph
from graphemb.kernels import csr, subset
from graphemb.kernels.neighbor import Ways
from graphemb.types import EdgeType, IntArray


def ways_of(graph: HeteroGraph, edge_type: EdgeType, *, timed: bool, weighted: bool) -> Ways:
    """One edge type from dst (which gathers) to src; weights and times only where wanted.

    Edges are called by their place in the stored direction.

    Raises:
        UnknownName: no such edge type.
    """
    adjacency = graph[edge_type.reverse]
    neighbors, weights, names = adjacency.neighbors, adjacency.weights, adjacency.edges
    times = np.empty(0, np.int64)
    if timed and adjacency.times is not None:
        order = _by_time(adjacency, adjacency.times)
        neighbors, times = neighbors[order], adjacency.times[order]
        weights = None if weights is None else weights[order]
        names = order if names is None else names[order]
    cumulated = np.empty(0, np.float64)
    if weighted and weights is not None:
        cumulated = np.empty(weights.size, np.float64)
        subset.cumulate(adjacency.offsets, weights, cumulated)
    if names is None:
        names = np.empty(0, np.int64)
    return Ways(
        _plain(adjacency.offsets),
        _plain(neighbors),
        _plain(times),
        _plain(cumulated),
        _plain(names),
    )


def _by_time(adjacency: Adjacency, times: IntArray) -> IntArray:
    """int64 [m]: the edges in order of time within each row."""
    order = np.empty(times.size, np.int64)
    first = np.argsort(times, kind="stable")
    csr.stable_order_by(first, adjacency.sources(), adjacency.offsets, order)
    return order


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Read-only, not memory-mapped: kernels are compiled once per kind of array."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
