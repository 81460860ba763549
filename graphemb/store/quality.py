"""The quality gate: vectors that collapsed are not published unasked.

Effective rank is Roy & Vetterli's (2007): the exponential of the entropy of the singular values,
here of the centred matrix, so that a common offset does not count as variety.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import StoreError
from graphemb.manifest import JSON
from graphemb.types import FloatArray

Float64Array: TypeAlias = npt.NDArray[np.float64]

MIN_ROWS = 16
"""Fewer vectors than this are not judged."""
MAX_MEAN_COSINE = 0.95
MIN_RANK_SHARE = 0.1
_FLAT = 1e-12
_BLOCK = 32_768


@dataclass(frozen=True)
class Quality:
    """How varied the vectors of a node type are.

    Attributes:
        rows: number of vectors.
        effective_rank: between 1 and dim; None when not judged.
        mean_cosine: over all pairs of different rows; None when not judged.
        flat_components: components with the same value everywhere.
        faults: what the gate refuses, in words.
    """

    rows: int
    effective_rank: float | None
    mean_cosine: float | None
    flat_components: int
    faults: tuple[str, ...]


def judge(vectors: Vectors) -> Quality:
    """Measure one node type; fewer than 16 vectors are not judged."""
    rows, dim = vectors.matrix.shape
    if rows < MIN_ROWS:
        return Quality(rows, None, None, 0, ())
    cosine, variances = _moments(vectors.matrix)
    flat = int((variances <= _FLAT * variances.mean()).sum())
    step = -(-rows // _BLOCK)  # the rank of a sample of at most 32,768 rows
    rank = _effective_rank(vectors.matrix[::step].astype(np.float64))
    faults = []
    least = MIN_RANK_SHARE * min(dim, rows - 1)
    if rank < least:
        faults.append(f"effective rank {rank:.2f} is under a tenth of the dimension ({least:.1f})")
    if cosine > MAX_MEAN_COSINE:
        faults.append(f"mean pairwise cosine {cosine:.3f} is over {MAX_MEAN_COSINE}")
    if flat:
        faults.append(f"{flat} of {dim} components have no variance")
    return Quality(rows, round(rank, 3), round(cosine, 4), flat, tuple(faults))


def gate(embeddings: Embeddings, *, force: bool, source: object) -> dict[str, JSON]:
    """Judge every node type, for the manifest.

    Raises:
        StoreError: a node type's vectors collapsed and `force` is False (`quality`).
    """
    judged = {node_type: judge(part) for node_type, part in embeddings.items()}
    faults = [f"{name}: {fault}" for name, found in judged.items() for fault in found.faults]
    if faults and not force:
        raise StoreError(
            f"the vectors look collapsed: {'; '.join(faults)}",
            code="quality",
            source=source,
            hint="train longer or otherwise; force=True publishes them, and records it",
        )
    return {
        "forced": bool(faults),
        "node_types": {name: asdict(found) for name, found in judged.items()},
    }


def _moments(matrix: FloatArray) -> tuple[float, Float64Array]:
    """Mean cosine of pairs of rows, and float64 [dim] the variance of each component."""
    rows, dim = matrix.shape
    shift = matrix[0].astype(np.float64)
    total, squares, directions = np.zeros(dim), np.zeros(dim), np.zeros(dim)
    directed = 0
    for start in range(0, rows, _BLOCK):
        block = matrix[start : start + _BLOCK].astype(np.float64)
        lengths = np.sqrt(np.einsum("rd,rd->r", block, block))
        nonzero = lengths > 0
        directions += (1 / lengths[nonzero]) @ block[nonzero]
        directed += int(nonzero.sum())
        block -= shift
        total += block.sum(axis=0)
        squares += np.einsum("rd,rd->d", block, block)
    pairs = directed * (directed - 1)
    cosine = float((directions @ directions - directed) / pairs) if pairs else 1.0
    return cosine, squares / rows - (total / rows) ** 2


def _effective_rank(matrix: Float64Array) -> float:
    matrix = matrix - matrix.mean(axis=0)
    singular = np.sqrt(np.clip(np.linalg.eigvalsh(matrix.T @ matrix), 0, None))
    if singular.sum() == 0:
        return 0.0
    shares = singular / singular.sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
