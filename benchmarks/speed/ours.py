"""What graphemb does in each row, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import graphemb as ge
from benchmarks.peers.shared.measure import Meter, Task, main
from graphemb.negatives import NegativeKind, NegativeSampler
from graphemb.sampling import NeighborSampler
from graphemb.walks import WalkSpec, generate_walks

_EARLY = (ge.DeepWalk, ge.FastRP, ge.SVD, ge.ProNE, ge.Index, ge.derive, ge.Embeddings, pd.Series)
"""Names of graphemb load late, and pandas when PyArrow reads a file; here they load as the peers'
imports do, before what is measured."""

LINKS = ge.EdgeType("node", "links", "node")
KINDS = [ge.EdgeType("node", f"kind{kind}", "node") for kind in range(3)]


def load(meter: Meter) -> ge.HeteroGraph:
    """From Parquet to a graph; ids are 0 to n - 1."""
    edges = pq.read_table(meter.folder / "edges.parquet")
    nodes = {"node": {"id": np.arange(meter.plan["num_nodes"])}}
    return ge.HeteroGraph.from_tables(nodes, {LINKS: edges})


def load_typed(meter: Meter) -> ge.HeteroGraph:
    """The same edges, weighted, each of one of three types."""
    edges = pq.read_table(meter.folder / "typed.parquet")
    kinds = edges["kind"].to_numpy()
    edges = edges.select(["src", "dst", "weight"])
    tables = {kind: edges.filter(kinds == number) for number, kind in enumerate(KINDS)}
    nodes = {"node": {"id": np.arange(meter.plan["num_nodes"])}}
    return ge.HeteroGraph.from_tables(nodes, tables)


def tiny(*edge_types: ge.EdgeType) -> ge.HeteroGraph:
    """A ring to warm on; weighted where there are several edge types."""
    ends = np.arange(64)
    edges: dict[str, Any] = {"src": ends, "dst": (ends + 1) % 64}
    if len(edge_types) > 1:
        edges["weight"] = np.ones(64)
    return ge.HeteroGraph.from_tables({"node": {"id": ends}}, dict.fromkeys(edge_types, edges))


def _loading(meter: Meter) -> None:
    meter.warm(lambda: tiny(LINKS))
    meter.timed(lambda: load(meter), meter.plan["num_edges"])


def _named(meter: Meter) -> None:
    def build() -> ge.HeteroGraph:
        edges = pq.read_table(meter.folder / "named.parquet")
        ends = pa.chunked_array([*edges["src"].chunks, *edges["dst"].chunks])
        return ge.HeteroGraph.from_tables({"node": {"id": pc.unique(ends)}}, {LINKS: edges})

    meter.warm(lambda: tiny(LINKS))
    meter.timed(build, meter.plan["num_edges"])


def _walks(typed: bool, spec: Callable[..., WalkSpec], threads: int | None = None) -> Task:
    def task(meter: Meter) -> None:
        graph = load_typed(meter) if typed else load(meter)
        small = tiny(*(KINDS if typed else [LINKS]))
        length, rounds = meter.plan["walk_length"], meter.plan["rounds"]
        used = threads or meter.plan["threads"]
        meter.warm(lambda: generate_walks(small, spec(walk_length=10, walks_per_node=1)))
        run = spec(walk_length=length, walks_per_node=rounds)
        corpus = meter.timed(lambda: generate_walks(graph, run, threads=used))
        meter.counted(corpus.num_tokens)

    return task


def _plain(walk_length: int, walks_per_node: int) -> WalkSpec:
    return WalkSpec(walk_length=walk_length, walks_per_node=walks_per_node)


def _leaning(walk_length: int, walks_per_node: int) -> WalkSpec:
    return WalkSpec(walk_length=walk_length, walks_per_node=walks_per_node, p=0.5, q=2.0)


def _metapath(walk_length: int, walks_per_node: int) -> WalkSpec:
    hops = (KINDS[0], KINDS[1].reverse, KINDS[2])
    return WalkSpec(walk_length=walk_length, walks_per_node=walks_per_node, metapath=hops)


def _model(meter: Meter, radius: int, walk_length: int, threads: int | None = None) -> ge.DeepWalk:
    return ge.DeepWalk(
        dim=meter.plan["dim"],
        context_size=radius,
        num_negatives=meter.plan["negatives"],
        learning_rate=meter.plan["learning_rate"],
        walk_length=walk_length,
        walks_per_node=1,
        threads=threads or meter.plan["threads"],
    )


def _skipgram(radius: int, threads: int | None = None) -> Task:
    """Walking and learning at once, unsmoothed; every node of the graph starts one walk."""

    def task(meter: Meter) -> None:
        graph = load(meter)
        length = meter.plan["short_walk_length"]
        model = replace(_model(meter, radius, length, threads), smoothing=0)
        meter.warm(lambda: model.fit(tiny(LINKS)))
        meter.timed(lambda: model.fit(graph), length * meter.plan["num_nodes"])

    return task


def _whole(walk_length: int | None = None, smoothing: int = 1) -> Task:
    def task(meter: Meter) -> None:
        model = _model(meter, meter.plan["radius"], walk_length or meter.plan["walk_length"])
        model = replace(model, smoothing=smoothing)
        meter.warm(lambda: model.fit(tiny(LINKS)))

        def run() -> ge.Embeddings:
            made = model.fit(load(meter))
            made.save(meter.out.with_suffix(".emb"))
            return made

        _keep(meter, meter.timed(run))

    return task


def _deepwalk(meter: Meter) -> None:
    model = _model(meter, meter.plan["radius"], meter.plan["walk_length"])
    graph = load(meter)
    meter.warm(lambda: model.fit(tiny(LINKS)))
    _keep(meter, meter.timed(lambda: model.fit(graph)))


def _fit(model: Callable[[int], ge.Trainer]) -> Task:
    def task(meter: Meter) -> None:
        graph = load(meter)
        meter.warm(lambda: model(8).fit(tiny(LINKS)))
        _keep(meter, meter.timed(lambda: model(meter.plan["dim"]).fit(graph)))

    return task


def _best(dim: int) -> ge.DeepWalk:
    """Chosen on the graph of seed 1: smoothing 1 to 3, one walk a node or two."""
    return ge.DeepWalk(dim=dim, walks_per_node=1, smoothing=3)


def _fastrp(*weights: float) -> Callable[[int], ge.FastRP]:
    return lambda dim: ge.FastRP(dim=dim, weights=weights)


def _keep(meter: Meter, embeddings: ge.Embeddings) -> None:
    """Save vectors by node number, zeros where there are none, for the judge."""
    vectors = embeddings["node"]
    out = np.zeros((meter.plan["num_nodes"], vectors.dim), np.float32)
    out[np.asarray(vectors.ids.array)] = vectors.matrix
    np.save(meter.out, out)


def _derive(meter: Meter) -> None:
    """Every node is a group too, of its neighbours: its vector is the mean of theirs."""
    dense = np.load(meter.folder / "dense.npy")
    edges, ids = both_ways(meter, "edges.parquet"), {"id": np.arange(len(dense))}
    of = ge.EdgeType("group", "of", "node")
    grouped = ge.HeteroGraph.from_tables({"group": ids, "node": ids}, {of: edges})
    members = ge.Embeddings.from_arrays({"node": (ids["id"], dense)})
    small = ge.HeteroGraph.from_tables(
        {"group": {"id": [0]}, "node": ids}, {of: {"src": [0], "dst": [1]}}
    )
    meter.warm(lambda: ge.derive(members, small, along=of))
    made = meter.timed(lambda: ge.derive(members, grouped, along=of), grouped.num_edges(of))
    out = np.zeros_like(dense)
    out[np.asarray(made["group"].ids.array)] = made["group"].matrix
    np.save(meter.out, out)


def both_ways(meter: Meter, file: str) -> dict[str, Any]:
    """Each edge from both its ends."""
    table = pq.read_table(meter.folder / file)
    src, dst = table["src"].to_numpy(), table["dst"].to_numpy()
    edges = {"src": np.concatenate([src, dst]), "dst": np.concatenate([dst, src])}
    if "weight" in table.column_names:
        edges["weight"] = np.tile(table["weight"].to_numpy(), 2)
    return edges


def _neighbors(file: str, replace: bool = False) -> Task:
    weighted = file == "typed.parquet"

    def task(meter: Meter) -> None:
        plan = meter.plan
        nodes = {"node": {"id": np.arange(plan["num_nodes"])}}
        graph = ge.HeteroGraph.from_tables(nodes, {LINKS: both_ways(meter, file)})
        fanouts = {LINKS: tuple(plan["fanouts"])}
        sampler = NeighborSampler(graph, fanouts, weighted=weighted, replace=replace)
        seeds = np.random.default_rng(0).permutation(plan["num_nodes"])
        size = plan["batch_size"]
        batches = [seeds[size * k : size * (k + 1)] for k in range(plan["num_batches"])]

        def run() -> int:
            count = 0
            for number, batch in enumerate(batches):
                made = sampler.sample({"node": batch}, draw=number, threads=plan["threads"])
                count += made.edge_index[LINKS].shape[1]
            return count

        meter.warm(lambda: sampler.sample({"node": seeds[:10]}))
        meter.counted(meter.timed(run))

    return task


def _top(meter: Meter) -> None:
    dense = np.load(meter.folder / "dense.npy")
    vectors = ge.Embeddings.from_arrays({"node": (np.arange(len(dense)), dense)})["node"]
    index = ge.Index.build(vectors, metric="cosine", kind="flat")
    queries = dense[: meter.plan["num_queries"]]
    meter.warm(lambda: index.search(queries[:4], meter.plan["k"]))
    ids, _ = meter.timed(lambda: index.search(queries, meter.plan["k"]), len(queries))
    np.save(meter.out, np.asarray(ids))


def _negatives(kind: NegativeKind) -> Task:
    def task(meter: Meter) -> None:
        history = load(meter).homogeneous().to_scipy()
        src = np.repeat(np.arange(history.shape[0]), np.diff(history.indptr))
        sampler = NegativeSampler(kind=kind, num=meter.plan["negatives"])
        meter.warm(lambda: sampler.sample(src[:10], history.indices[:10], history))
        drawn = meter.timed(lambda: sampler.sample(src, history.indices, history))
        meter.counted(drawn.dst.size)

    return task


_FIRST = """
import numpy as np
import graphemb as ge
ends = np.arange(64)
links = ge.EdgeType("node", "links", "node")
edges = {"src": ends, "dst": (ends + 1) % 64}
graph = ge.HeteroGraph.from_tables({"node": {"id": ends}}, {links: edges})
ge.DeepWalk(dim=32).fit(graph)
print("done", flush=True)
"""


def _start(*, before: list[str] | None, timed: list[str]) -> Task:
    """A process with a folder of its own for compiled kernels, empty but for what `before` left.

    Timed until it says "done", or ends; the whole process, with Python's leaving, apart.
    """

    def task(meter: Meter) -> None:
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "kernels"
            env = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}

            def begin(command: list[str]) -> subprocess.Popen[str]:
                whole = [sys.executable, *command]
                return subprocess.Popen(
                    whole, env=env, cwd=folder, text=True, stdout=subprocess.PIPE
                )

            def until_done(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
                assert process.stdout is not None
                for line in process.stdout:
                    if line == "done\n":
                        break
                return process

            def ended(process: subprocess.Popen[str]) -> None:
                process.communicate()
                if process.returncode:
                    raise RuntimeError(f"the process ended with {process.returncode}")

            if before is not None:
                ended(begin(before))
            since = time.perf_counter()
            ended(meter.timed(lambda: until_done(begin(timed))))
            meter.found["process_seconds"] = time.perf_counter() - since
            del meter.found["cpu_seconds"], meter.found["peak_mb"]  # of this process alone
            meter.found["kernels"] = sum(1 for _ in cache.rglob("*.nbc"))

    return task


TASKS: dict[str, Task] = {
    "load": _loading,
    "load.named": _named,
    "walks.deepwalk": _walks(False, _plain),
    "walks.deepwalk:1 thread": _walks(False, _plain, threads=1),
    "walks.node2vec": _walks(False, _leaning),
    "walks.weighted": _walks(True, _leaning),
    "walks.metapath": _walks(True, _metapath),
    "skipgram.r10": _skipgram(10),
    "skipgram.r5": _skipgram(5),
    "skipgram.r5:1 thread": _skipgram(5, threads=1),
    "whole": _whole(),
    "whole:walks of 40": _whole(40),
    "whole:walks of 40, smoothing 3": _whole(40, smoothing=3),
    "whole:smoothing 3": _whole(smoothing=3),
    "deepwalk": _deepwalk,
    "best": _fit(_best),
    "fastrp": _fit(lambda dim: ge.FastRP(dim=dim)),
    "fastrp:GDS's weights": _fit(_fastrp(0, 0, 1, 1, 1)),  # GDS counts from the first power
    "fastrp:powers 3 and 4": _fit(_fastrp(0, 0, 0, 1, 1)),
    "svd": _fit(lambda dim: ge.SVD(dim=dim)),
    "prone": _fit(lambda dim: ge.ProNE(dim=dim)),
    "derive": _derive,
    "neighbors.uniform": _neighbors("edges.parquet"),
    "neighbors.uniform.again": _neighbors("edges.parquet", replace=True),
    "neighbors.weighted": _neighbors("typed.parquet"),
    "neighbors.weighted.again": _neighbors("typed.parquet", replace=True),
    "topk": _top,
    "negatives.uniform": _negatives("uniform"),
    "negatives.degree": _negatives("degree"),
    "start.first": _start(before=None, timed=["-c", _FIRST]),
    "start.second": _start(before=["-c", _FIRST], timed=["-c", _FIRST]),
    "start.demo": _start(before=None, timed=["-m", "graphemb", "demo"]),
}

if __name__ == "__main__":
    main(TASKS)
