"""The graph that everybody is measured on, as files: Parquet, text, NumPy, seeded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.graphs import LINKS, SIZES, planted
from graphemb import HeteroGraph
from graphemb.walks import WalkSpec, generate_walks

_SHORT_WALK = 20
_TYPE_WEIGHTS = (1.0, 2.0, 0.5)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is measured; the same for everybody.

    Attributes:
        graph: a name in `benchmarks.graphs.SIZES`.
        seed: of the graph.
        threads: of every process.
        rounds: walks from each node in the rows on walks.
        walk_length: nodes in a walk.
        dim, negatives, radius, learning_rate: of skip-gram; one epoch of one walk a node.
        k, num_queries: of the exact search.
    """

    graph: str = "G1"
    seed: int = 0
    threads: int = 2
    rounds: int = 10
    walk_length: int = 80
    dim: int = 128
    negatives: int = 5
    radius: int = 5
    learning_rate: float = 0.05
    k: int = 10
    num_queries: int = 4096


def make_inputs(cache: Path, settings: Settings) -> Path:
    """The folder of the graph, made once; `plan.json` is written anew."""
    folder = cache / f"{settings.graph}-seed{settings.seed}"
    facts = folder / "facts.json"
    if not facts.exists():
        folder.mkdir(parents=True, exist_ok=True)
        facts.write_text(json.dumps(_write_graph(folder, settings)))
    plan = {**asdict(settings), **json.loads(facts.read_text())}
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


def _write_graph(folder: Path, settings: Settings) -> dict[str, int]:
    made = planted(SIZES[settings.graph], settings.seed)
    table = made.graph.edge_table(LINKS).select(["src", "dst"])
    size = made.graph.num_nodes("node")
    pq.write_table(table, folder / "edges.parquet")
    ends = np.stack([table["src"].to_numpy(), table["dst"].to_numpy()], axis=1)
    np.savetxt(folder / "edges.txt", ends, fmt="%d")
    rng = np.random.default_rng([settings.seed, 2])
    kinds = rng.integers(0, len(_TYPE_WEIGHTS), len(ends)).astype(np.int8)
    weights = (rng.integers(1, 6, len(ends)) * np.array(_TYPE_WEIGHTS)[kinds]).astype(np.float32)
    typed = table.append_column("kind", pa.array(kinds)).append_column("weight", pa.array(weights))
    pq.write_table(typed, folder / "typed.parquet")
    np.save(folder / "held_out.npy", made.held_out)
    np.save(folder / "communities.npy", made.communities)
    np.save(folder / "dense.npy", rng.standard_normal((size, settings.dim)).astype(np.float32))
    _write_walks(made.graph, settings.walk_length, settings.seed, folder / "walks.txt")
    _write_walks(made.graph, _SHORT_WALK, settings.seed, folder / "walks_short.txt")
    return {"num_nodes": size, "num_edges": len(ends), "short_walk_length": _SHORT_WALK}


def _write_walks(graph: HeteroGraph, length: int, seed: int, path: Path) -> None:
    """One walk a node, one a line, for peers that only learn."""
    spec = WalkSpec(walk_length=length, walks_per_node=1, seed=seed)
    corpus = generate_walks(graph, spec)
    words: Any = np.arange(corpus.space.num_rows).astype(str)
    with path.open("w", encoding="ascii") as file:
        for number in range(len(corpus)):
            file.write(" ".join(words[corpus[number]]) + "\n")
