"""What derivation must give, by plain loops in float64 over ids; and small graphs to try it on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from graphemb.embeddings import Embeddings
from graphemb.graph import HeteroGraph
from graphemb.types import EdgeType

SELLS = EdgeType("seller", "sells", "product")
IN = EdgeType("product", "in", "category")
NEAR = EdgeType("seller", "near", "category")
DAY = 86_400_000_000
START = 18_000 * DAY
DIM = 5

Row = dict[str, Any]
Weigh = Callable[[list[Row]], list[float]]
"""From the edges of one type (src, dst, weight, time, price) to one weight each."""


def edge(rows: list[Row]) -> list[float]:
    return [row["weight"] for row in rows]


def one(rows: list[Row]) -> list[float]:
    return [1.0 for _ in rows]


def log1p(rows: list[Row]) -> list[float]:
    return [math.log1p(row["weight"]) for row in rows]


def price(rows: list[Row]) -> list[float]:
    return [float(row["price"]) for row in rows]


def recency(days: float) -> Weigh:
    def weigh(rows: list[Row]) -> list[float]:
        newest = max((row["time"] for row in rows), default=0)
        return [row["weight"] * 2.0 ** (-(newest - row["time"]) / (days * DAY)) for row in rows]

    return weigh


def rank(decay: float, by: str = "time") -> Weigh:
    def weigh(rows: list[Row]) -> list[float]:
        return [
            row["weight"] * decay ** sum(o["src"] == row["src"] and o[by] > row[by] for o in rows)
            for row in rows
        ]

    return weigh


def idf(rows: list[Row]) -> list[float]:
    entities = len({row["src"] for row in rows})
    linked = {member: {r["src"] for r in rows if r["dst"] == member} for member in members(rows)}
    return [row["weight"] * math.log(1 + entities / len(linked[row["dst"]])) for row in rows]


def sif(a: float) -> Weigh:
    def weigh(rows: list[Row]) -> list[float]:
        total = sum(row["weight"] for row in rows)
        mass = {m: sum(r["weight"] for r in rows if r["dst"] == m) for m in members(rows)}
        return [row["weight"] * a / (a + mass[row["dst"]] / total) for row in rows]

    return weigh


def members(rows: list[Row]) -> set[Any]:
    return {row["dst"] for row in rows}


def rows_of(graph: HeteroGraph, edge_type: EdgeType) -> list[Row]:
    """The edges as dicts, from the table of the stored direction."""
    rows = graph.edge_table(edge_type.stored).to_pylist()
    ends = ("dst", "src") if edge_type.is_reverse else ("src", "dst")
    times = graph[edge_type.stored].times
    for number, row in enumerate(rows):
        row["src"], row["dst"] = row[ends[0]], row[ends[1]]
        row.setdefault("weight", 1.0)
        row["time"] = int(times[number]) if times is not None else None
    return rows


def paths_of(
    graph: HeteroGraph, path: Sequence[EdgeType], weigh: Weigh
) -> dict[Any, list[tuple[Any, float]]]:
    """Per entity every path to a member, with the product of its weights."""
    found = {node: [(node, 1.0)] for node in graph.ids(path[0].src).to_list()}
    for edge_type in path:
        rows = rows_of(graph, edge_type)
        out = defaultdict(list)
        for row, weight in zip(rows, weigh(rows), strict=True):
            if weight > 0:
                out[row["src"]].append((row["dst"], weight))
        found = {
            node: [
                (after, weight * more) for end, weight in ends for after, more in out.get(end, [])
            ]
            for node, ends in found.items()
        }
    return found


def dense(
    emb: Embeddings,
    graph: HeteroGraph,
    along: Mapping[Sequence[EdgeType], float],
    weigh: Weigh = edge,
    normalise: str = "mean",
    min_support: int = 1,
) -> dict[Any, np.ndarray]:
    """The vector of every entity that has one."""
    start = next(iter(along))[0].src
    out = {node: np.zeros(emb.dim) for node in graph.ids(start).to_list()}
    support: dict[Any, int] = defaultdict(int)
    for path, share in along.items():
        vectors = emb[path[-1].dst]
        for node, ends in paths_of(graph, path, weigh).items():
            known = [(vectors.vector(end), weight) for end, weight in ends if end in vectors]
            support[node] += len(known)
            if not known:
                continue
            total = sum(vector.astype(np.float64) * weight for vector, weight in known)
            if normalise == "mean":
                total = total / sum(weight for _, weight in known) / sum(along.values())
            if normalise == "l2":
                total = total / np.linalg.norm(total)
            out[node] = out[node] + share * total
    kept = {node: vector for node, vector in out.items() if support[node] >= min_support}
    if normalise == "l2":
        kept = {node: vector / np.linalg.norm(vector) for node, vector in kept.items()}
    return kept


def build(
    num: tuple[int, int, int],
    sells: list[tuple[int, int, float, int, int]],
    into: list[tuple[int, int]],
    near: list[tuple[int, int]],
) -> HeteroGraph:
    """Sellers, products and categories; sells: (seller, product, weight, day, price)."""
    src, dst, weight, day, cost = zip(*sells, strict=True) if sells else ((),) * 5
    return HeteroGraph.from_tables(
        {
            "seller": {"id": [f"s{number}" for number in range(num[0])]},
            "product": {"id": [f"p{number}" for number in range(num[1])]},
            "category": {"id": np.arange(num[2])},
        },
        {
            SELLS: {
                "src": pa.array([f"s{number}" for number in src], pa.string()),
                "dst": pa.array([f"p{number}" for number in dst], pa.string()),
                "weight": np.array(weight, np.float32),
                "time": pa.array([START + d * DAY for d in day], pa.timestamp("us", "UTC")),
                "price": pa.array(cost, pa.int64()),
            },
            IN: {
                "src": pa.array([f"p{number}" for number, _ in into], pa.string()),
                "dst": np.array([number for _, number in into], np.int64),
            },
            NEAR: {
                "src": pa.array([f"s{number}" for number, _ in near], pa.string()),
                "dst": np.array([number for _, number in near], np.int64),
            },
        },
    )


@st.composite
def graphs(draw: st.DrawFn) -> HeteroGraph:
    """Up to six sellers, seven products and four categories; parallel edges and gaps included."""
    num = draw(st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 4)))
    seller, product, category = (st.integers(0, size - 1) for size in num)
    weight = st.sampled_from([0.25, 1.0, 1.5, 3.0, 40.0])
    sells = st.tuples(seller, product, weight, st.integers(0, 9), st.integers(0, 5))
    return build(
        num,
        draw(st.lists(sells, max_size=25)),
        draw(st.lists(st.tuples(product, category), max_size=12)),
        draw(st.lists(st.tuples(seller, category), max_size=8)),
    )


def vectors_for(graph: HeteroGraph, *, seed: int = 0, share: float = 0.8) -> Embeddings:
    """Random vectors of `DIM` components for about `share` of all nodes, in shuffled order."""
    rng = np.random.default_rng(seed)
    parts = {}
    for name in graph.node_types:
        ids = graph.ids(name)
        rows = rng.permutation(len(ids))
        rows = rows[rng.random(len(ids)) < share]
        matrix = rng.standard_normal((rows.size, DIM)).astype(np.float32)
        parts[name] = (ids.take(rows), matrix)
    return Embeddings.from_arrays(parts)
