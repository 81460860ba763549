"""fastnode2vec: walks by rejection sampling in Numba; its walks run on threads (nogil)."""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from fastnode2vec import Graph
from inputs import undirected
from measure import Meter, main


def _loading(meter: Meter) -> None:
    def load() -> Any:
        table = pq.read_table(meter.folder / "edges.parquet")
        columns = (table["src"].to_pylist(), table["dst"].to_pylist())
        return Graph(zip(*columns, strict=True), directed=False, weighted=False)

    meter.timed(load, meter.plan["num_edges"])


def _graph(meter: Meter, weighted: bool) -> Any:
    """Its graph from a matrix, since its own loading is a row for itself and takes a minute."""
    matrix = undirected(meter, weighted)
    matrix.sort_indices()
    graph = Graph([(0, 1, 1.0)] if weighted else [(0, 1)], directed=False, weighted=weighted)
    graph.indptr, graph.indices = matrix.indptr, matrix.indices
    graph.node_names = np.arange(matrix.shape[0])
    if weighted:
        sums = np.concatenate([[0.0], np.cumsum(matrix.data, dtype=np.float64)])
        starts = np.repeat(sums[matrix.indptr[:-1]], np.diff(matrix.indptr))
        totals = np.repeat(np.diff(sums[matrix.indptr]), np.diff(matrix.indptr))
        graph.data = (sums[1:] - starts) / totals
        ends = matrix.indptr[1:][np.diff(matrix.indptr) > 0] - 1
        graph.data[ends] = 1.0
    return graph


def _rate(p: float, q: float, weighted: bool = False) -> Any:
    def task(meter: Meter) -> None:
        graph, length = _graph(meter, weighted), meter.plan["walk_length"]
        rng = np.random.default_rng(0)
        nodes = np.arange(len(graph.node_names))
        starts = np.concatenate([rng.permutation(nodes) for _ in range(meter.plan["rounds"])])
        meter.warm(lambda: graph.generate_random_walk(10, p, q, starts[0]))

        def walk(part: Any) -> int:
            return sum(len(graph.generate_random_walk(length, p, q, start)) for start in part)

        def run() -> int:
            with ThreadPoolExecutor(meter.plan["threads"]) as pool:
                return sum(pool.map(walk, np.array_split(starts, 16 * meter.plan["threads"])))

        meter.counted(meter.timed(run))

    return task


if __name__ == "__main__":
    main(
        {
            "load": _loading,
            "walks.deepwalk": _rate(1.0, 1.0),
            "walks.node2vec": _rate(0.5, 2.0),
            "walks.weighted": _rate(0.5, 2.0, weighted=True),
        }
    )
