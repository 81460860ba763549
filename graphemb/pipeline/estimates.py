"""Bytes that each kind of step needs, from a graph's counts.

Each function gives components by name. They are sums of the arrays that a step makes, checked
against measured peaks in the tests; the constants are measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphemb.derive import Derivation
from graphemb.evaluate import Evaluation
from graphemb.graph import HeteroGraph
from graphemb.linalg import num_threads
from graphemb.split import Split
from graphemb.split.ranking import BLOCK_BYTES
from graphemb.trainers.base import Trainer
from graphemb.types import EdgeType

CODE = 120_000_000
"""Compiled kernels and the libraries that a first fit loads."""
FIGURES = 90_000_000
"""Matplotlib, and one figure while it is drawn."""
_DEFAULT_DIM = 128
_FLOAT = 4


def fit_bytes(trainer: Trainer, graph: HeteroGraph) -> tuple[int, dict[str, int]]:
    """What stays in memory after a fit besides the vectors, and what it needs on top at its peak.

    A trainer of another family than ours is taken to hold two matrices over all nodes.
    """
    rows, dim = graph.num_nodes(), dim_of(trainer)
    edges, weighted = _merged_edges(trainer, graph)
    merged = 8 * (rows + 1) + edges * (_row_bytes(rows) + (_FLOAT if weighted else 0))
    matrix = rows * dim * _FLOAT
    parts = {"merged edges": merged, "merging": edges * 8, "vectors": vector_bytes(trainer, graph)}
    family = type(trainer).__name__
    if family == "SVD":
        parts["sparse matrices"] = 3 * (edges + rows) * 12
        parts["work matrices"] = 3 * rows * (dim + 10) * _FLOAT
    elif family == "FastRP":
        parts["work matrices"] = 3 * matrix
    elif family == "RandomVectors":
        return CODE, {"vectors": matrix}
    else:
        parts["training matrices"] = 2 * rows * _padded(dim) * _FLOAT
        parts["negatives and counts"] = rows * 8 * (2 + 8 * num_threads())
    return merged + CODE, {**parts, "compiled code": CODE}


def vector_bytes(trainer: Trainer, graph: HeteroGraph) -> int:
    """Of the vectors that a fit leaves: a row for every node of the chosen edge types."""
    nodes = sum(graph.num_nodes(node_type) for node_type in _node_types(trainer, graph))
    return nodes * dim_of(trainer) * _FLOAT


def derive_bytes(
    derivations: Sequence[Derivation], trainer: Trainer, graph: HeteroGraph
) -> dict[str, int]:
    """All derived vectors, and the edges and weights of the largest derivation."""
    made = {one.derived_type for one in derivations}
    edges = max(
        sum(graph.num_edges(hop.stored) for path in one.paths for hop in path)
        for one in derivations
    )
    rows = sum(graph.num_nodes(node_type) for node_type in made)
    return {"vectors": rows * dim_of(trainer) * _FLOAT, "edges and weights": edges * 24}


def evaluate_bytes(rules: Evaluation, split: Split, trainers: Iterable[Trainer]) -> dict[str, int]:
    """Placed copies of the vectors, a block of scores, baselines' matrices and the figures."""
    ends = [split.train.num_nodes(name) for name in (split.edge_type.src, split.edge_type.dst)]
    edges = split.train.num_edges(split.edge_type.stored)
    pairs = edges + len(split.test) + (len(split.valid) if split.valid is not None else 0)
    largest = sum(dim_of(trainer) for trainer in trainers) + 64 * (len(rules.baselines) > 0)
    return {
        "vectors of both ends": sum(ends) * largest * _FLOAT,
        "a block of scores": 2 * min(BLOCK_BYTES, len(split.test) * ends[1] * _FLOAT),
        "questions": pairs * 60,
        "baselines": edges * 12 * len(rules.baselines),
        "figures": FIGURES,
    }


def publish_bytes(vectors: int) -> dict[str, int]:
    """The vectors once more, as Arrow."""
    return {"vectors as Arrow": vectors}


def dim_of(trainer: Trainer) -> int:
    """Components of a trainer's vectors."""
    dim = getattr(trainer, "dim", _DEFAULT_DIM)
    return dim if isinstance(dim, int) else _DEFAULT_DIM


def _chosen(trainer: Trainer, graph: HeteroGraph) -> list[EdgeType]:
    """Edge types that a trainer uses, as stored; by its `edge_types` or metapaths, else all."""
    choice: Any = getattr(trainer, "edge_types", None)
    if choice is None:
        paths: Any = getattr(trainer, "metapaths", None) or ()
        choice = [hop for path in paths for hop in path]
    if isinstance(choice, Mapping):
        choice = [edge_type for edge_type, weight in choice.items() if weight]
    found = [EdgeType(*one).stored for one in choice] or list(graph.edge_types)
    return [edge_type for edge_type in dict.fromkeys(found) if edge_type in graph]


def _node_types(trainer: Trainer, graph: HeteroGraph) -> set[str]:
    chosen = _chosen(trainer, graph)
    return {end for edge_type in chosen for end in (edge_type.src, edge_type.dst)}


def _merged_edges(trainer: Trainer, graph: HeteroGraph) -> tuple[int, bool]:
    """Edges in both directions, and whether they carry weights."""
    chosen = _chosen(trainer, graph)
    weighted = any(graph[edge_type].weights is not None for edge_type in chosen)
    weighted = weighted or isinstance(getattr(trainer, "edge_types", None), Mapping)
    return 2 * sum(graph.num_edges(edge_type) for edge_type in chosen), weighted


def _row_bytes(rows: int) -> int:
    return 4 if rows < 2**31 else 8


def _padded(dim: int) -> int:
    return -(-dim // 16) * 16
