"""The sets: pairs to tell apart, and nodes with labels, columns and links."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

import graphemb as ge
from graphemb.types import BoolArray, EdgeType, IntArray
from graphemb_loaders import datasets

LINK = datasets.LINK
_WIDTH = 128


@dataclass(frozen=True, eq=False)
class Asked:
    """Pairs of one edge type: int64 [n] rows, and bool [n] whether they are linked."""

    src: IntArray
    dst: IntArray
    linked: BoolArray


@dataclass(frozen=True, eq=False)
class Links:
    """A training graph of one node type, and pairs to choose and to test on, per edge type."""

    graph: ge.HeteroGraph
    valid: Mapping[EdgeType, Asked]
    test: Mapping[EdgeType, Asked]


@dataclass(frozen=True, eq=False)
class Labelled:
    """A graph whose nodes have columns, and labels to predict from them.

    Attributes:
        graph: one node type `node`; the column `topics` float [n, 128] holds the largest
            singular directions of what nodes have, for models that want few numbers.
        features: float32 CSR [n, f], all that is known of a node but its links.
        labels: int64 [n].
    """

    graph: ge.HeteroGraph
    features: sparse.csr_matrix[Any]
    labels: IntArray


def cora(seed: int) -> Links:
    """Citations divided 85/5/10 at random, with as many pairs that are none (as GAE does)."""
    graph = datasets.cora().graph
    adjacency = graph[LINK]
    edges = np.stack([adjacency.sources(), adjacency.neighbors], axis=1).astype(np.int64)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(edges))
    tested, held = len(edges) // 10, len(edges) // 10 + len(edges) // 20
    keep = np.ones(len(edges), np.bool_)
    keep[order[:held]] = False
    strangers = _strangers(edges, graph.num_nodes(), held, rng)
    test = _asked(edges[order[:tested]], strangers[:tested])
    valid = _asked(edges[order[tested:held]], strangers[tested:])
    return Links(graph.with_edges(LINK, keep), {LINK: valid}, {LINK: test})


def _strangers(edges: IntArray, nodes: int, number: int, rng: np.random.Generator) -> IntArray:
    """int64 [number, 2]: distinct pairs of different nodes that no edge joins, either way."""
    known = np.unique(np.sort(edges, axis=1) @ [nodes, 1])
    drawn = np.sort(rng.integers(nodes, size=(4 * number + 100, 2)), axis=1)
    keys = drawn[drawn[:, 0] < drawn[:, 1]] @ np.array([nodes, 1])
    keys = keys[~np.isin(keys, known)]
    _, first = np.unique(keys, return_index=True)
    chosen = keys[np.sort(first)][:number]
    return np.stack(np.divmod(chosen, nodes), axis=1)


def _asked(linked: IntArray, strangers: IntArray) -> Asked:
    both = np.concatenate([linked, strangers])
    return Asked(both[:, 0], both[:, 1], np.arange(len(both)) < len(linked))


def gatne_amazon(seed: int) -> Links:
    """Products, two edge types, with the published pairs; the seed changes nothing."""
    data = datasets.gatne_amazon()

    def asked(pairs: datasets.Pairs) -> Asked:
        src, dst = (data.graph.rows("product", ids) for ids in (pairs.src, pairs.dst))
        return Asked(src, dst, pairs.linked)

    valid, test = (
        {kind: asked(pairs) for kind, pairs in part.items()} for part in (data.valid, data.test)
    )
    return Links(data.graph, valid, test)


def twitch_de(seed: int) -> Labelled:
    """Streamers and friendships: who streams for adults, from the games they play and like."""
    folder = datasets.data_folder("twitch_de")
    rows = sorted(_table(folder / "DE_target.csv"), key=lambda row: int(row["new_id"]))
    numbers = np.array([[float(row["days"]), float(row["views"])] for row in rows])
    numbers[:, 1] = np.log1p(numbers[:, 1])
    numbers = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    labels = np.array([row["mature"] == "True" for row in rows]).astype(np.int64)
    links = _table(folder / "DE_edges.csv")
    ends = [[int(row[name]) for row in links] for name in ("from", "to")]
    return _labelled(_sets(folder / "DE.json", len(rows)), numbers, ends, labels, seed)


def facebook_pages(seed: int) -> Labelled:
    """Pages that like each other: of which of four kinds, from words of their descriptions."""
    folder = datasets.data_folder("facebook_pages")
    rows = sorted(_table(folder / "facebook_target.csv"), key=lambda row: int(row["id"]))
    kinds = sorted({row["page_type"] for row in rows})
    labels = np.array([kinds.index(row["page_type"]) for row in rows])
    links = _table(folder / "facebook_edges.csv")
    ends = [[int(row[name]) for row in links] for name in ("id_1", "id_2")]
    numbers = np.zeros((len(rows), 0))
    return _labelled(_sets(folder / "facebook.json", len(rows)), numbers, ends, labels, seed)


def _labelled(
    sets: sparse.csr_matrix[Any],
    numbers: npt.NDArray[np.float64],
    ends: list[list[int]],
    labels: IntArray,
    seed: int,
) -> Labelled:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    weighed = TfidfTransformer(sublinear_tf=True).fit_transform(sets)
    topics = TruncatedSVD(_WIDTH, random_state=seed).fit_transform(weighed).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(topics.ravel()), _WIDTH)
    table = {"id": np.arange(len(labels)), "topics": column}
    for place in range(numbers.shape[1]):
        table[f"number_{place}"] = numbers[:, place]
    graph = ge.HeteroGraph.from_tables({"node": table}, {LINK: {"src": ends[0], "dst": ends[1]}})
    features = sparse.csr_matrix(
        sparse.hstack([weighed, sparse.csr_matrix(numbers)]), dtype=np.float32
    )
    return Labelled(graph, features, labels)


def _sets(path: Path, size: int) -> sparse.csr_matrix[Any]:
    """float32 [size, f]: 1 where a node has something, from a JSON of lists."""
    lists = json.loads(path.read_text(encoding="utf-8"))
    pairs = np.array([(int(node), item) for node, own in lists.items() for item in set(own)])
    _, columns = np.unique(pairs[:, 1], return_inverse=True)
    entries = (np.ones(len(pairs), np.float32), (pairs[:, 0], columns))
    return sparse.csr_matrix(entries, shape=(size, int(columns.max()) + 1))


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
