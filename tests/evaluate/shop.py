"""A small shop for the tests of evaluation, and a dense brute-force judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from graphemb.embeddings import Embeddings
from graphemb.graph import HeteroGraph
from graphemb.split import Split
from graphemb.types import EdgeType

BUYS = EdgeType("user", "buys", "item")
IN = EdgeType("item", "in", "city")
KNOWS = EdgeType("user", "knows", "user")
USERS, ITEMS, CITIES = 30, 25, 4
Matrix = npt.NDArray[np.float64]


def shop(seed: int = 0, *, order: Callable[[int], Any] = np.arange) -> HeteroGraph:
    """Users buy items at random; every item is in a city. `order(n)` gives the order of rows."""
    rng = np.random.default_rng(seed)
    users = np.array([f"u{n}" for n in range(USERS)])
    items = np.array([f"i{n}" for n in range(ITEMS)])
    pairs = np.argwhere(rng.random((USERS, ITEMS)) < 0.2 + 0.3 * (np.arange(ITEMS) < 3))
    pairs = pairs[pairs[:, 1] < ITEMS - 2]  # the last two are never bought
    city = np.array([f"c{n}" for n in rng.integers(0, CITIES, ITEMS)])
    turned = pairs[order(len(pairs))]
    item_rows = order(ITEMS)
    return HeteroGraph.from_tables(
        {
            "user": {"id": users[order(USERS)].tolist()},
            "item": {"id": items[item_rows].tolist()},
            "city": {"id": [f"c{n}" for n in range(CITIES)]},
        },
        {
            BUYS: {"src": users[turned[:, 0]].tolist(), "dst": items[turned[:, 1]].tolist()},
            IN: {"src": items[item_rows].tolist(), "dst": city[item_rows].tolist()},
        },
    )


def friends(seed: int = 0) -> HeteroGraph:
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(np.triu(rng.random((24, 24)) < 0.25, 1))
    ids = [f"p{n}" for n in range(24)]
    edges = {"src": [ids[n] for n in pairs[:, 0]], "dst": [ids[n] for n in pairs[:, 1]]}
    return HeteroGraph.from_tables({"user": {"id": ids}}, {KNOWS: edges})


def vectors(graph: HeteroGraph, seed: int = 0, dim: int = 8, *, coarse: bool = False) -> Embeddings:
    """A vector per id that does not depend on the order of rows; coarse ones tie often."""
    parts = {}
    for node_type in graph.node_types:
        ids = graph.ids(node_type)
        rows = []
        for key in ids.to_list():
            rng = np.random.default_rng([seed, *str(key).encode()])
            rows.append(rng.integers(-1, 2, dim) if coarse else rng.normal(size=dim))
        parts[node_type] = (ids, np.array(rows, np.float32))
    return Embeddings.from_arrays(parts)


def dense(split: Split) -> tuple[Matrix, Matrix, Matrix]:
    """History, asked and other known pairs as dense 0/1 matrices in graph rows."""
    graph, edge_type = split.train, split.edge_type
    shape = graph.num_nodes(edge_type.src), graph.num_nodes(edge_type.dst)
    history, asked, known = (np.zeros(shape) for _ in range(3))
    adjacency = graph[edge_type]
    history[adjacency.sources(), adjacency.neighbors] = 1
    asked[split.test.src, split.test.dst] = 1
    known[split.removed.src, split.removed.dst] = 1
    if split.both_ways:
        history, asked, known = (np.maximum(part, part.T) for part in (history, asked, known))
    if edge_type.src == edge_type.dst:
        np.fill_diagonal(known, 1)
    return history, asked, np.maximum(known, history) * (1 - asked)


def judge(scores: Matrix, asked: Matrix, known: Matrix, k: int) -> dict[str, float]:
    """Means over queries by sorting, averaged over many random orders of ties."""
    rng = np.random.default_rng(0)
    rounds = 400
    found: dict[str, list[float]] = {"recall": [], "hit": [], "ndcg": [], "mrr": []}
    for _ in range(rounds):
        per: dict[str, list[float]] = {name: [] for name in found}
        for row in np.flatnonzero(asked.any(axis=1)):
            candidates = np.flatnonzero(known[row] == 0)
            luck = rng.random(candidates.size)
            order = candidates[np.lexsort((luck, -scores[row, candidates]))]
            hits = asked[row, order] > 0
            places = np.flatnonzero(hits) + 1
            ideal = sum(1 / np.log2(1 + n) for n in range(1, min(k, places.size) + 1))
            inside = places[places <= k]
            per["recall"].append(inside.size / places.size)
            per["hit"].append(float(inside.size > 0))
            per["ndcg"].append(float((1 / np.log2(1 + inside)).sum() / ideal))
            per["mrr"].append(1 / places[0])
        for name, values in per.items():
            found[name].append(float(np.mean(values)))
    return {name: float(np.mean(values)) for name, values in found.items()}
