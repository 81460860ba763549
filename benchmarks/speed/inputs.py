"""The graph that everybody is measured on, as files: Parquet, text, NumPy, seeded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from benchmarks.graphs import LINKS, SIZES, planted
from graphemb import HeteroGraph
from graphemb.walks import WalkSpec, generate_walks

_SHORT_WALK = 20
_TYPE_WEIGHTS = (1.0, 2.0, 0.5)
_ROUNDS = {"G1": 4, "G2": 1}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is measured; the same for everybody.

    Attributes:
        graph: a name in `benchmarks.graphs.SIZES`.
        seed: of the graph.
        threads: of every process.
        rounds: walks from each node in the rows on walks.
        walk_length: nodes in a walk.
        short_walk_length: nodes in a walk of the corpus for the rows on skip-gram.
        dim, negatives, radius, learning_rate: of skip-gram; one epoch of one walk a node.
        k, num_queries: of the exact search.
        fanouts, batch_size, num_batches: of neighbour sampling.
    """

    graph: str = "G1"
    seed: int = 0
    threads: int = 2
    rounds: int = 10
    walk_length: int = 80
    short_walk_length: int = _SHORT_WALK
    dim: int = 128
    negatives: int = 5
    radius: int = 5
    learning_rate: float = 0.05
    k: int = 10
    num_queries: int = 4096
    fanouts: tuple[int, ...] = (15, 10)
    batch_size: int = 1024
    num_batches: int = 64

    @classmethod
    def of(cls, graph: str, seed: int, threads: int) -> Settings:
        """The usual settings of a graph: fewer walks from each node where there are many nodes."""
        return cls(graph=graph, seed=seed, threads=threads, rounds=_ROUNDS.get(graph, 10))


def make_inputs(cache: Path, settings: Settings, files: Iterable[str] = ()) -> Path:
    """The folder of the graph with some of `FILES`, each made once; `plan.json` is written anew."""
    folder = cache / f"{settings.graph}-seed{settings.seed}"
    facts = folder / "facts.json"
    if not facts.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_graph(folder, settings)
    for name in sorted(set(files)):
        if not (folder / name).exists():
            FILES[name](folder / name, settings)
    plan = {**asdict(settings), **json.loads(facts.read_text())}
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


def _write_graph(folder: Path, settings: Settings) -> None:
    made = planted(SIZES[settings.graph], settings.seed)
    table = made.graph.edge_table(LINKS).select(["src", "dst"])
    pq.write_table(table, folder / "edges.parquet")
    rng = np.random.default_rng([settings.seed, 2])
    kinds = rng.integers(0, len(_TYPE_WEIGHTS), len(table)).astype(np.int8)
    heavy = rng.integers(1, 6, len(table)) * np.array(_TYPE_WEIGHTS)[kinds]
    typed = table.append_column("kind", pa.array(kinds))
    typed = typed.append_column("weight", pa.array(heavy.astype(np.float32)))
    pq.write_table(typed, folder / "typed.parquet")
    np.save(folder / "held_out.npy", made.held_out)
    np.save(folder / "communities.npy", made.communities)
    facts = {"num_nodes": made.graph.num_nodes("node"), "num_edges": len(table)}
    (folder / "facts.json").write_text(json.dumps(facts))


def _write_text(path: Path, settings: Settings) -> None:
    """Edges as numbers, for peers that read text alone."""
    no_head = pcsv.WriteOptions(include_header=False, delimiter=" ")
    pcsv.write_csv(pq.read_table(path.with_name("edges.parquet")), path, no_head)


def _write_named(path: Path, settings: Settings) -> None:
    """Edges between nodes named by words."""
    table = pq.read_table(path.with_name("edges.parquet"))
    words = [pc.binary_join_element_wise("node", pc.cast(c, pa.string()), "-") for c in table]
    pq.write_table(pa.table(words, names=table.column_names), path)


def _write_dense(path: Path, settings: Settings) -> None:
    size = json.loads(path.with_name("facts.json").read_text())["num_nodes"]
    rng = np.random.default_rng([settings.seed, 4])
    np.save(path, rng.standard_normal((size, settings.dim), np.float32))


def _write_walks(length: int) -> Callable[[Path, Settings], None]:
    """One walk a node, one a line, for peers that only learn."""

    def write(path: Path, settings: Settings) -> None:
        facts = json.loads(path.with_name("facts.json").read_text())
        edges = pq.read_table(path.with_name("edges.parquet"))
        nodes = {"node": {"id": np.arange(facts["num_nodes"])}}
        graph = HeteroGraph.from_tables(nodes, {LINKS: edges})
        spec = WalkSpec(walk_length=length, walks_per_node=1, seed=settings.seed)
        corpus = generate_walks(graph, spec)
        words: Any = np.arange(corpus.space.num_rows).astype(str)
        with path.open("w", encoding="ascii") as file:
            for number in range(len(corpus)):
                file.write(" ".join(words[corpus[number]]) + "\n")

    return write


FILES: dict[str, Callable[[Path, Settings], None]] = {
    "edges.txt": _write_text,
    "named.parquet": _write_named,
    "dense.npy": _write_dense,
    "walks.txt": _write_walks(Settings.walk_length),
    "walks_short.txt": _write_walks(_SHORT_WALK),
}
"""Files that only some rows need."""
