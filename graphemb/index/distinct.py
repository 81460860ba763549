"""Rows that are the same vector, found by a hash and then compared.

Many equal vectors spoil approximate structures: in HNSW a clump larger than the number of links
is a dead end. They are indexed once and expanded after the search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphemb.index.space import BLOCK
from graphemb.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Groups:
    """A partition of n rows into u groups of equal vectors.

    Attributes:
        of_row: int64 [n], the group of each row; groups are numbered by their first row.
        rows: int64 [n], rows by group, ascending in each.
        offsets: int64 [u + 1], where a group starts in `rows`.
    """

    of_row: IntArray
    rows: IntArray
    offsets: IntArray

    @classmethod
    def from_groups(cls, of_row: IntArray) -> Groups:
        """Build from the group of each row."""
        sizes = np.bincount(of_row) if len(of_row) else np.zeros(0, np.int64)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(of_row, np.argsort(of_row, kind="stable"), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def first_rows(self) -> IntArray:
        """int64 [u], the first row of each group."""
        return self.rows[self.offsets[:-1]]

    def members(self, group: int) -> IntArray:
        """Rows of a group, ascending."""
        return self.rows[self.offsets[group] : self.offsets[group + 1]]


def find_equal(matrix: FloatArray) -> IntArray:
    """int64 [n]: the group of each row, groups numbered by their first row.

    Rows are grouped by a 64-bit multilinear hash of their bits (0.0 and -0.0 are one), then
    compared; a collision of unequal rows, which costs nothing but time, groups by the bits.
    """
    keys = _hashes(matrix)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    heads = first[inverse]
    for start in range(0, len(matrix), BLOCK):
        part = slice(start, start + BLOCK)
        if not np.array_equal(matrix[part], matrix[heads[part]]):
            bits = np.ascontiguousarray(matrix + np.float32(0)).view(f"V{matrix.shape[1] * 4}")
            _, first, inverse = np.unique(bits.ravel(), return_index=True, return_inverse=True)
            break
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


def _hashes(matrix: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    factors = np.random.default_rng(0x5EED).integers(0, 2**63, matrix.shape[1]).astype(np.uint64)
    factors = factors * np.uint64(2) + np.uint64(1)
    keys = np.empty(len(matrix), np.uint64)
    for start in range(0, len(matrix), BLOCK):
        part = np.ascontiguousarray(matrix[start : start + BLOCK] + np.float32(0))
        bits = part.view(np.uint32).astype(np.uint64)
        keys[start : start + BLOCK] = np.einsum("rd,d->r", bits, factors)
    return keys
