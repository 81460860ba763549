"""Ward clustering of every entity's few member vectors, and the medoid of each cluster."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

FloatArray: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int64]

_SAME = 1e-6
"""Less is rounding: of two members as near to the rest as one another the heavier is the medoid."""


@njit(nogil=True, cache=True)
def medoids(
    offsets: IntArray,
    members: IntArray,
    weights: FloatArray,
    units: FloatArray,
    most: int,
    alike: float,
    medoid: IntArray,
    share: FloatArray,
    low: int,
    high: int,
) -> None:
    """For rows [low, high): up to k medoids of their members, heaviest cluster first.

    Clusters are merged by Ward's cost |A| |B| / (|A| + |B|) ||mean A - mean B||^2, smallest first,
    until k are left; then on, while the two that come next have means of a cosine above `alike`.

    Args:
        offsets: int64 [n + 1]; row r's members are `members[offsets[r]:offsets[r + 1]]`.
        members: int64 [m], rows of `units`, a row's heaviest first.
        weights: float32 [m], at least 0.
        units: float32 [v, dim], rows of length 1.
        most: members of a row that are looked at, the first ones.
        alike: above 1 merges no further than to k.
        medoid: int64 [n, k], written: places in `members`, -1 where there are fewer.
        share: float32 [n, k], written: each cluster's part of the weight (of its number of
            members where all weights are 0).
    """
    k = medoid.shape[1]
    for row in range(low, high):
        start, end = offsets[row], offsets[row + 1]
        for place in range(k):
            medoid[row, place] = -1
            share[row, place] = 0.0
        if start == end:
            continue
        end = min(end, start + most)
        label = _ward(units, members[start:end], k, alike)
        _heaviest_first(units, members, weights, start, label, medoid[row], share[row])


@njit(nogil=True, cache=True)
def _ward(units: FloatArray, rows: IntArray, k: int, alike: float) -> IntArray:
    """int64 [n]: the cluster of each row, 0 to at most k - 1."""
    n, dim = rows.size, units.shape[1]
    sums = np.empty((n, dim), np.float64)
    size = np.ones(n, np.float64)
    label = np.arange(n)
    for i in range(n):
        for c in range(dim):
            sums[i, c] = units[rows[i], c]
    cost = np.empty((n, n), np.float64)
    for i in range(n):
        for j in range(i):
            cost[i, j] = _cost(sums, size, i, j)
    left = n
    while left > 1:
        best, one, two = np.inf, -1, -1
        for i in range(n):
            if size[i] > 0:
                for j in range(i):
                    if size[j] > 0 and cost[i, j] < best:
                        best, one, two = cost[i, j], j, i
        if left <= k and _cosine(sums, one, two) <= alike:
            break
        for c in range(dim):
            sums[one, c] += sums[two, c]
        size[one] += size[two]
        size[two] = 0.0
        for i in range(n):
            if label[i] == two:
                label[i] = one
            if size[i] > 0 and i != one:
                cost[max(i, one), min(i, one)] = _cost(sums, size, i, one)
        left -= 1
    found = 0
    for i in range(n):  # a cluster is called by its first row: number them in that order
        if label[i] == i:
            size[i] = found
            found += 1
        label[i] = int(size[label[i]])
    return label


@njit(nogil=True, cache=True)
def _cost(sums: npt.NDArray[np.float64], size: npt.NDArray[np.float64], i: int, j: int) -> float:
    total = 0.0
    for c in range(sums.shape[1]):
        gap = sums[i, c] / size[i] - sums[j, c] / size[j]
        total += gap * gap
    return float(total * size[i] * size[j] / (size[i] + size[j]))


@njit(nogil=True, cache=True)
def _cosine(sums: npt.NDArray[np.float64], i: int, j: int) -> float:
    product, first, second = 0.0, 0.0, 0.0
    for c in range(sums.shape[1]):
        product += sums[i, c] * sums[j, c]
        first += sums[i, c] * sums[i, c]
        second += sums[j, c] * sums[j, c]
    return float(product / np.sqrt(max(first * second, 1e-300)))


@njit(nogil=True, cache=True)
def _heaviest_first(
    units: FloatArray,
    members: IntArray,
    weights: FloatArray,
    start: int,
    label: IntArray,
    medoid: IntArray,
    share: FloatArray,
) -> None:
    """Fill one row's medoids and shares from the cluster of each of its first members."""
    dim, k = units.shape[1], medoid.size
    sums = np.zeros((k, dim), np.float64)
    mass, count = np.zeros(k, np.float64), np.zeros(k, np.float64)
    total, clusters = 0.0, 0
    for i in range(label.size):
        for c in range(dim):
            sums[label[i], c] += units[members[start + i], c]
        mass[label[i]] += weights[start + i]
        count[label[i]] += 1.0
        total += weights[start + i]
        clusters = max(clusters, label[i] + 1)
    if total == 0.0:
        mass, total = count, float(label.size)
    for place in range(clusters):
        heaviest = 0
        for cluster in range(1, clusters):
            if mass[cluster] > mass[heaviest]:
                heaviest = cluster
        best = -np.inf
        for i in range(label.size):
            if label[i] == heaviest:
                near = 0.0  # least squared distance to all members: most along their sum
                for c in range(dim):
                    near += sums[heaviest, c] * units[members[start + i], c]
                if near > best + _SAME:
                    best = near
                    medoid[place] = start + i
        share[place] = mass[heaviest] / total
        mass[heaviest] = -1.0
