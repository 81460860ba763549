"""One judge for everybody's vectors: held-out edges, neighbours' communities, a linear probe.

And one for answers: everybody's must be the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from graphemb.metrics import roc_auc
from graphemb.tasks import fit_one_vs_rest
from graphemb.types import FloatArray, IntArray

_NEIGHBOURS = 10
_QUERIES = 5_000
_PROBED = 10_000


def judge(file: Path, folder: Path, seed: int = 0) -> dict[str, float]:
    """Quality of vectors, saved as float32 [n, dim] by node number; a node without one has zeros.

    Returns:
        `auc`: cosine of held-out edges against random pairs drawn by degree; `knn`: share of
        5,000 nodes whose 10 nearest by cosine are mostly of their community; `lr`: accuracy of
        one-vs-rest logistic regression, trained on half of 10,000 nodes.
    """
    vectors = np.load(file)
    rng = np.random.default_rng([seed, 3])
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    both = _pairs(folder, rng)
    good, bad = (np.einsum("ij,ij->i", unit[p[:, 0]], unit[p[:, 1]]) for p in both)
    communities = np.load(folder / "communities.npy")
    known = rng.permutation(np.flatnonzero(unit.any(axis=1)))
    return {
        "auc": roc_auc(good, bad),
        "knn": _by_neighbours(unit, communities, known),
        "lr": _by_probe(unit, communities, known),
    }


def planted_auc(folder: Path, seed: int = 0) -> float:
    """The AUC of knowing each node's planted community, and nothing else."""
    communities = np.load(folder / "communities.npy")
    both = _pairs(folder, np.random.default_rng([seed, 3]))
    good, bad = ((communities[p[:, 0]] == communities[p[:, 1]]).astype(float) for p in both)
    return roc_auc(good, bad)


def _pairs(folder: Path, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Held-out edges, and five times as many random pairs drawn by degree."""
    held_out = np.load(folder / "held_out.npy")
    edges = pq.read_table(folder / "edges.parquet")
    ends = np.concatenate([edges["src"].to_numpy(), edges["dst"].to_numpy()])
    return held_out, rng.choice(ends, (5 * len(held_out), 2))


def check_same(answer: Path, first: Path) -> None:
    """Two answers to the same question: means of vectors, or rows of the nearest.

    Raises:
        RuntimeError: more of them differ than rounding explains.
    """
    found, wanted = np.load(answer), np.load(first)
    if found.shape != wanted.shape:
        raise RuntimeError(f"the answer has shape {found.shape}, ours {wanted.shape}")
    same = np.isclose(found, wanted, rtol=1e-3, atol=1e-5).mean()
    if same < 0.999:
        raise RuntimeError(f"{1 - same:.1%} of the answer differs from ours")


def _by_neighbours(unit: FloatArray, communities: IntArray, known: FloatArray) -> float:
    queries = known[:_QUERIES]
    right = 0
    for part in np.array_split(queries, max(1, len(queries) // 500)):
        scores = unit[part] @ unit.T
        scores[np.arange(len(part)), part] = -np.inf
        nearest = np.argpartition(scores, -_NEIGHBOURS, axis=1)[:, -_NEIGHBOURS:]
        votes = communities[nearest]
        guess = [np.bincount(line).argmax() for line in votes]
        right += int((np.array(guess) == communities[part]).sum())
    return right / len(queries)


def _by_probe(unit: FloatArray, communities: IntArray, known: FloatArray) -> float:
    train, test = np.array_split(known[:_PROBED], 2)
    scale = np.sqrt(unit.shape[1])  # components of size one, so that the penalty is light
    classes = np.arange(communities.max() + 1)
    marks = communities[train, None] == classes
    weights, bias = fit_one_vs_rest(unit[train].astype(np.float64) * scale, marks)
    guess = (unit[test] * scale @ weights + bias).argmax(axis=1)
    return float((guess == communities[test]).mean())
