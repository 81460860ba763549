"""One measured process of `python -m benchmarks scale`; prints one line of JSON.

python -m benchmarks.scale.one fit FOLDER DIM WALK_LENGTH THREADS
python -m benchmarks.scale.one reads BYTES THREADS
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.roofline import random_reads
from graphemb import DeepWalk, HeteroGraph
from graphemb.pipeline import memory
from graphemb.pipeline.estimates import Fit
from graphemb.walks import Walker

_WALKS_PER_BLOCK = 1024
_WALKS_TIMED = 2_000_000


def fit(folder: Path, dim: int, walk_length: int, threads: int) -> dict[str, float]:
    """Load the mapped graph, walk on it, and train one walk a node, from what is on the disk."""
    trainer = DeepWalk(
        dim=dim, walk_length=walk_length, walks_per_node=1, directed=True, threads=threads
    )
    small = HeteroGraph.load(folder.parent / "warm")
    trainer.fit(small)
    own = memory.resident()
    memory.reset_peak()
    begin = time.perf_counter()
    graph = HeteroGraph.load(folder, verify=False)
    loaded = time.perf_counter()
    estimate = memory.resident() + sum(Fit(trainer, graph).needs(fresh=False).values())
    steps = _steps_per_second(Walker.of(graph, trainer.walks()), threads)
    fitting = time.perf_counter()
    vectors = trainer.fit(graph)
    done = time.perf_counter()
    (adjacency,) = (graph[one] for one in graph.edge_types)
    return {
        "nodes": graph.num_nodes(),
        "edges": adjacency.num_edges // 2,
        "graph_bytes": adjacency.offsets.nbytes + adjacency.neighbors.nbytes,
        "matrix_bytes": 2 * graph.num_nodes() * dim * 4,
        "load_seconds": loaded - begin,
        "steps_per_second": steps,
        "fit_seconds": done - fitting,
        "tokens_per_second": vectors.provenance["training"]["tokens"] / (done - fitting),
        "vectors": sum(len(part) for part in vectors.values()),
        "own_bytes": own,
        "peak_bytes": memory.peak(),
        "estimate_bytes": estimate,
    }


def _steps_per_second(walker: Walker, threads: int) -> float:
    """Walk steps a second over all threads, without keeping the walks."""
    walks = min(_WALKS_TIMED, walker.num_sequences)
    firsts = range(0, walks - _WALKS_PER_BLOCK + 1, _WALKS_PER_BLOCK)
    walker.block(0, _WALKS_PER_BLOCK)
    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        tokens = sum(pool.map(lambda first: walker.block(first, _WALKS_PER_BLOCK)[0].size, firsts))
    return tokens / (time.perf_counter() - begin)


def reads(size: int, threads: int) -> dict[str, float]:
    """The machine's random reads a second over so many bytes."""
    return {"reads_per_second": random_reads(np.ones(size // 64 * 8, np.uint64), threads)}


def main(argv: list[str]) -> None:
    """Run what the command line names."""
    task, *rest = argv
    if task == "fit":
        print(json.dumps(fit(Path(rest[0]), *map(int, rest[1:]))))
    else:
        print(json.dumps(reads(*map(int, rest))))


if __name__ == "__main__":
    main(sys.argv[1:])
