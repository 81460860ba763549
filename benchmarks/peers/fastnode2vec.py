"""fastnode2vec: walks by rejection sampling in Numba; its walks run on threads (nogil)."""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from fastnode2vec import Graph
from measure import Meter, main


def _load(meter: Meter, weighted: bool = False) -> Any:
    table = pq.read_table(meter.folder / ("typed.parquet" if weighted else "edges.parquet"))
    columns = [table["src"].to_pylist(), table["dst"].to_pylist()]
    if weighted:
        columns.append(table["weight"].to_pylist())
    return Graph(zip(*columns, strict=True), directed=False, weighted=weighted)


def _walks(meter: Meter, graph: Any, starts: Any, p: float, q: float) -> int:
    length = meter.plan["walk_length"]

    def walk(part: Any) -> int:
        return sum(len(graph.generate_random_walk(length, p, q, start)) for start in part)

    with ThreadPoolExecutor(meter.plan["threads"]) as pool:
        return sum(pool.map(walk, np.array_split(starts, 16 * meter.plan["threads"])))


def _rate(p: float, q: float, weighted: bool = False) -> Any:
    def task(meter: Meter) -> None:
        graph = _load(meter, weighted)
        rng = np.random.default_rng(0)
        nodes = np.arange(len(graph.node_names))
        starts = np.concatenate([rng.permutation(nodes) for _ in range(meter.plan["rounds"])])
        meter.warm(lambda: graph.generate_random_walk(10, p, q, starts[0]))
        meter.counted(meter.timed(lambda: _walks(meter, graph, starts, p, q)))

    return task


def _loading(meter: Meter) -> None:
    meter.timed(lambda: _load(meter), meter.plan["num_edges"])


if __name__ == "__main__":
    main(
        {
            "load": _loading,
            "walks.deepwalk": _rate(1.0, 1.0),
            "walks.node2vec": _rate(0.5, 2.0),
            "walks.weighted": _rate(0.5, 2.0, weighted=True),
        }
    )
