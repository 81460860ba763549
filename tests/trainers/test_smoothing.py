"""Smoothing of walk models' vectors, against the mean written out in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.trainers.walk import DeepWalk, Node2Vec
from graphemb.types import EdgeType

TO = EdgeType("node", "to", "node")


def weighted(size: int = 40) -> HeteroGraph:
    generator = np.random.default_rng(5)
    src = generator.integers(0, size, 4 * size)
    dst = (src + generator.integers(1, size, 4 * size)) % size
    weight = generator.choice([0.5, 1.0, 8.0], 4 * size)
    edges = {"src": src, "dst": dst, "weight": weight}
    return HeteroGraph.from_tables({"node": {"id": np.arange(size)}}, {TO: edges})


def adjacency(graph: HeteroGraph, *, directed: bool) -> npt.NDArray[np.float64]:
    table = graph.edge_table(TO)
    dense = np.zeros((graph.num_nodes("node"),) * 2)
    src, dst, weight = (table[name].to_numpy() for name in ("src", "dst", "weight"))
    np.add.at(dense, (src, dst), weight)
    if not directed:
        np.add.at(dense, (dst, src), weight)
    return dense


@pytest.mark.parametrize("model", [DeepWalk, Node2Vec])
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_smoothing_is_the_mean_of_a_vector_and_its_neighbours(
    model: type[DeepWalk | Node2Vec], directed: bool, steps: int
) -> None:
    graph = weighted()
    trainer = model(dim=8, walk_length=5, walks_per_node=4, directed=directed, deterministic=True)
    before, after = (replace(trainer, smoothing=times).fit(graph)["node"] for times in (0, steps))
    assert len(before.ids) == graph.num_nodes("node")
    dense = adjacency(graph, directed=directed)
    sums = dense.sum(axis=1, keepdims=True)
    expected = before.matrix.astype(np.float64)
    for _ in range(steps):
        around = np.where(sums > 0, dense @ expected / np.maximum(sums, 1e-9), expected)
        expected = (expected + around) / 2
    np.testing.assert_allclose(after.matrix, expected, atol=1e-6)
    assert not np.allclose(after.matrix, before.matrix, atol=1e-4)


def test_steps_of_smoothing_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="smoothing"):
        DeepWalk(smoothing=-1)
