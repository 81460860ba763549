"""What is tried on each set: graph neural networks, and simple models beside them.

How fields were chosen stands on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

import graphemb as ge
from benchmarks.gnn.sets import Links
from graphemb.linalg import scaled_adjacency
from graphemb.types import FloatArray, IntArray

Scores = npt.NDArray[np.float64]
Score = Callable[[IntArray, IntArray], Scores]
MakeTrainer: TypeAlias = Callable[[int], Any]


@dataclass(frozen=True)
class Scorer:
    """A way to score pairs: what is fitted, on a training graph with a seed."""

    fit: Callable[[Links, int], Score]
    network: bool = False


def vectors(make: MakeTrainer, *, cosine: bool = False, network: bool = False) -> Scorer:
    """A trainer's vectors, scored by their product, or by their cosine."""

    def fit(links: Links, seed: int) -> Score:
        embeddings = make(seed).fit(links.graph)
        (node_type,) = links.graph.node_types
        return _product(placed(embeddings[node_type], links.graph, node_type), cosine)

    return Scorer(fit, network)


def placed(found: ge.Vectors, graph: ge.HeteroGraph, node_type: str) -> FloatArray:
    """float32 [n, dim]: vectors in the order of the graph, zeros where there is none."""
    matrix = np.zeros((graph.num_nodes(node_type), found.matrix.shape[1]), np.float32)
    matrix[graph.rows(node_type, found.ids.array)] = found.matrix
    return matrix


def _product(matrix: npt.NDArray[Any], cosine: bool) -> Score:
    if cosine:
        matrix = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)

    def score(src: IntArray, dst: IntArray) -> Scores:
        scores: Scores = np.einsum("ij,ij->i", matrix[src], matrix[dst], dtype=np.float64)
        return scores

    return score


def _degrees(links: Links, seed: int) -> Score:
    degrees = _adjacency(links.graph).sum(axis=1)
    return _product(np.asarray(degrees, np.float64).reshape(-1, 1), cosine=False)


def _words(links: Links, seed: int, rounds: int) -> Score:
    return _product(smoothed_words(links.graph, rounds), cosine=True)


def smoothed_words(graph: ge.HeteroGraph, rounds: int) -> FloatArray:
    """float32 [n, words]: TF-IDF of a paper's words, `rounds` times the mean with its neighbours'.

    Rows have length 1.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.preprocessing import normalize

    words = graph.columns("node")["words"].combine_chunks()
    counts = np.asarray(words.flatten()).reshape(len(words), -1)
    matrix = TfidfTransformer().fit_transform(counts)
    smooth = scaled_adjacency(_adjacency(graph), exponent=0.5, self_loops=1.0)
    for _ in range(rounds):
        matrix = smooth @ matrix
    found: FloatArray = normalize(matrix).toarray().astype(np.float32)
    return found


def _adjacency(graph: ge.HeteroGraph) -> sparse.csr_matrix[Any]:
    """float32 [n, n]: how many edges join two nodes, of any type and direction."""
    parts = [graph[kind].to_scipy() for kind in graph.edge_types]
    return sparse.csr_matrix(sum(part + part.T for part in parts))


def _svd(seed: int) -> Any:
    return ge.SVD(dim=128, seed=seed)


def _prone(seed: int) -> Any:
    return ge.ProNE(dim=128, seed=seed)


def _deepwalk(seed: int) -> Any:
    return ge.DeepWalk(dim=128, context_size=5, walk_length=40, walks_per_node=40, seed=seed)


_WORDS_GNN: dict[str, Any] = {
    "dim": 128,
    "inputs": "features",
    "epochs": 60,
    "batch_size": 1250,
    "normalize": True,
    "loss": "softmax",
    "negatives": "in_batch",
    "temperature": 0.1,
    "dropout": 0.5,
    "learning_rate": 0.003,
    "num_layers": 1,
    "weight_decay": 0.1,
}


def sage(seed: int) -> Any:
    """GraphSAGE on papers' words."""
    return ge.GraphSAGE(**_WORDS_GNN, seed=seed)


def gat(seed: int) -> Any:
    """Graph attention on papers' words."""
    return ge.GAT(**_WORDS_GNN, seed=seed)


def _lightgcn(seed: int) -> Any:
    return ge.LightGCN(
        dim=128,
        loss="bce",
        layers=(1.0, 1.0, 1.0, 1.0),
        degree_exponent=0.4,
        self_loops=1.0,
        message_share=0.5,
        epochs=150,
        learning_rate=0.003,
        final_rate=1.0,
        start_length=0.6,
        seed=seed,
    )


LINK_METHODS: Mapping[str, Mapping[str, Scorer]] = {
    "cora": {
        "words, cosine": Scorer(partial(_words, rounds=0)),
        "words averaged with neighbours', cosine": Scorer(partial(_words, rounds=1)),
        "SVD": vectors(_svd, cosine=True),
        "ProNE": vectors(_prone, cosine=True),
        "DeepWalk": vectors(_deepwalk, cosine=True),
        "GraphSAGE": vectors(sage, network=True),
        "GAT": vectors(gat, network=True),
    },
    "gatne_amazon": {
        "degree product": Scorer(_degrees),
        "SVD": vectors(_svd),
        "LightGCN": vectors(_lightgcn, network=True),
    },
}
