"""What graphemb does in each row, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import graphemb as ge
from benchmarks.peers.shared.measure import Meter, main
from graphemb.negatives import NegativeKind, NegativeSampler
from graphemb.walks import WalkSpec, generate_walks

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


def _walks(typed: bool, spec: Callable[..., WalkSpec]) -> Callable[[Meter], None]:
    def task(meter: Meter) -> None:
        graph = load_typed(meter) if typed else load(meter)
        small = tiny(*(KINDS if typed else [LINKS]))
        length, rounds = meter.plan["walk_length"], meter.plan["rounds"]
        meter.warm(lambda: generate_walks(small, spec(walk_length=10, walks_per_node=1)))
        run = spec(walk_length=length, walks_per_node=rounds)
        corpus = meter.timed(lambda: generate_walks(graph, run, threads=meter.plan["threads"]))
        meter.counted(corpus.num_tokens)

    return task


def _plain(walk_length: int, walks_per_node: int) -> WalkSpec:
    return WalkSpec(walk_length=walk_length, walks_per_node=walks_per_node)


def _leaning(walk_length: int, walks_per_node: int) -> WalkSpec:
    return WalkSpec(walk_length=walk_length, walks_per_node=walks_per_node, p=0.5, q=2.0)


def _metapath(walk_length: int, walks_per_node: int) -> WalkSpec:
    hops = (KINDS[0], KINDS[1].reverse, KINDS[2])
    return WalkSpec(walk_length=walk_length, walks_per_node=walks_per_node, metapath=hops)


def _model(meter: Meter, radius: int, walk_length: int) -> ge.DeepWalk:
    return ge.DeepWalk(
        dim=meter.plan["dim"],
        context_size=radius,
        num_negatives=meter.plan["negatives"],
        learning_rate=meter.plan["learning_rate"],
        walk_length=walk_length,
        walks_per_node=1,
        threads=meter.plan["threads"],
    )


def _skipgram(radius: int) -> Callable[[Meter], None]:
    def task(meter: Meter) -> None:
        graph = load(meter)
        length = meter.plan["short_walk_length"]
        model = _model(meter, radius, length)
        meter.warm(lambda: model.fit(tiny(LINKS)))
        meter.timed(lambda: model.fit(graph), length * meter.plan["num_nodes"])

    return task


def _whole(meter: Meter) -> None:
    model = _model(meter, meter.plan["radius"], meter.plan["walk_length"])
    meter.warm(lambda: model.fit(tiny(LINKS)))

    def run() -> ge.Embeddings:
        made = model.fit(load(meter))
        made.save(meter.out.with_suffix(".emb"))
        return made

    _keep(meter, meter.timed(run))


def _fit(model: Callable[[int], ge.Trainer]) -> Callable[[Meter], None]:
    def task(meter: Meter) -> None:
        graph = load(meter)
        meter.warm(lambda: model(8).fit(tiny(LINKS)))
        _keep(meter, meter.timed(lambda: model(meter.plan["dim"]).fit(graph)))

    return task


def _fastrp(dim: int) -> ge.FastRP:
    return ge.FastRP(dim=dim, weights=(0.0, 1.0, 1.0, 1.0))  # as Neo4j's GDS was measured


def _prone(dim: int) -> ge.ProNE:
    return ge.ProNE(dim=dim)


def _keep(meter: Meter, embeddings: ge.Embeddings) -> None:
    """Save vectors by node number, zeros where there are none, for the judge."""
    vectors = embeddings["node"]
    out = np.zeros((meter.plan["num_nodes"], vectors.dim), np.float32)
    out[np.asarray(vectors.ids.array)] = vectors.matrix
    np.save(meter.out, out)


def _derive(meter: Meter) -> None:
    graph, dense = load(meter), np.load(meter.folder / "dense.npy")
    back = graph.edge_table(LINKS).rename_columns({"src": "dst", "dst": "src"})
    edges = ge.EdgeType("group", "of", "node")
    ids = {"id": np.arange(len(dense))}
    table = graph.edge_table(LINKS)
    both = {name: np.concatenate([table[name], back[name]]) for name in ("src", "dst")}
    grouped = ge.HeteroGraph.from_tables({"group": ids, "node": ids}, {edges: both})
    members = ge.Embeddings.from_arrays({"node": (ids["id"], dense)})
    small = ge.HeteroGraph.from_tables(
        {"group": {"id": [0]}, "node": ids}, {edges: {"src": [0], "dst": [1]}}
    )
    meter.warm(lambda: ge.derive(members, small, along=edges))
    meter.timed(lambda: ge.derive(members, grouped, along=edges), grouped.num_edges(edges))


def _top(meter: Meter) -> None:
    dense = np.load(meter.folder / "dense.npy")
    vectors = ge.Embeddings.from_arrays({"node": (np.arange(len(dense)), dense)})["node"]
    index = ge.Index.build(vectors, metric="cosine", kind="flat")
    queries = dense[: meter.plan["num_queries"]]
    meter.warm(lambda: index.search(queries[:4], meter.plan["k"]))
    meter.timed(lambda: index.search(queries, meter.plan["k"]), len(queries))


def _negatives(kind: NegativeKind) -> Callable[[Meter], None]:
    def task(meter: Meter) -> None:
        history = load(meter).homogeneous().to_scipy()
        src = np.repeat(np.arange(history.shape[0]), np.diff(history.indptr))
        sampler = NegativeSampler(kind=kind, num=meter.plan["negatives"])
        meter.warm(lambda: sampler.sample(src[:10], history.indices[:10], history))
        drawn = meter.timed(lambda: sampler.sample(src, history.indices, history))
        meter.counted(drawn.dst.size)

    return task


TASKS: dict[str, Callable[[Meter], None]] = {
    "load": _loading,
    "walks.deepwalk": _walks(False, _plain),
    "walks.node2vec": _walks(False, _leaning),
    "walks.weighted": _walks(True, _leaning),
    "walks.metapath": _walks(True, _metapath),
    "skipgram.r10": _skipgram(10),
    "skipgram.r5": _skipgram(5),
    "whole": _whole,
    "fastrp": _fit(_fastrp),
    "svd": _fit(lambda dim: ge.SVD(dim=dim)),
    "prone": _fit(_prone),
    "derive": _derive,
    "topk": _top,
    "negatives.uniform": _negatives("uniform"),
    "negatives.degree": _negatives("degree"),
}

if __name__ == "__main__":
    for name in ge.__all__:  # names load late; as the peers' imports do, they count as ours
        getattr(ge, name)
    main(TASKS)
