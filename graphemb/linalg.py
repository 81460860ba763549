"""Matrix numerics that trainers, derivation and evaluation share: arrays in, arrays out.

Nothing here knows a graph. Everything is seeded and float32, sums are taken in float64, and no
result depends on the number of threads. BLAS is held to one thread where it is called in a loop:
its own threads spin while they wait, which on a busy machine costs ten times the work.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from graphemb.checks import check_int, check_number
from graphemb.errors import ConfigError
from graphemb.kernels import aggregate
from graphemb.types import BoolArray, FloatArray, IntArray

DoubleArray: TypeAlias = npt.NDArray[np.float64]
CSR: TypeAlias = "sparse.csr_matrix[Any]"

_RANGES_PER_THREAD = 8
_WORTH_THREADS = 20_000
_BLOCK = 8_192
_NEGLIGIBLE = 1e-6
"""Singular values under this share of the largest drown in float32."""


def num_threads() -> int:
    """Threads that kernels run on: the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1  # pragma: no cover - macOS


def over_rows(
    run: Callable[[int, int], None], work: IntArray, *, threads: int | None = None
) -> None:
    """Call `run(low, high)` over all rows, in ranges of about equal work, on several threads.

    Args:
        run: a kernel that lets go of the GIL and writes nothing outside its rows.
        work: int64 [n + 1], work done before each row: the offsets of a CSR, or `arange`.
        threads: at most; None means one per core, and one alone where there is little to do.
    """
    rows = work.size - 1
    if threads is None:
        threads = num_threads() if int(work[-1]) + rows > _WORTH_THREADS else 1
    ranges = min(threads * _RANGES_PER_THREAD, max(rows, 1))
    goals = np.linspace(work[0] + 0.0, work[-1] + rows, ranges + 1)[1:-1]
    inner = np.searchsorted(work + np.arange(rows + 1), goals)
    cuts = np.unique(np.concatenate([[0], inner, [rows]])).tolist()
    pairs = list(itertools.pairwise(cuts))
    if threads == 1 or len(pairs) < 2:
        run(0, rows)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(run, low, high) for low, high in pairs]:
            done.result()


def multiply(matrix: CSR, dense: FloatArray, *, threads: int | None = None) -> FloatArray:
    """float32 [n, dim] = sparse [n, m] x dense [m, dim], summed in float64.

    Twice to five times as fast as SciPy's product, which uses one thread and single rows.
    """
    if matrix.shape[1] != dense.shape[0]:
        raise ConfigError(f"shapes {matrix.shape} and {dense.shape} cannot be multiplied")
    dense = np.ascontiguousarray(dense, np.float32)
    out = np.empty((matrix.shape[0], dense.shape[1]), np.float32)
    offsets = matrix.indptr.astype(np.int64)

    def run(low: int, high: int) -> None:
        aggregate.multiply(offsets, matrix.indices, matrix.data, dense, out, low, high)

    over_rows(run, offsets, threads=threads)
    return out


def square_part(matrix: CSR, keep: BoolArray) -> CSR:
    """The rows and columns of a square matrix where `keep` bool [n] is True."""
    return matrix if keep.all() else sparse.csr_matrix(matrix[keep][:, keep])


def scaled_adjacency(matrix: CSR, *, exponent: float, self_loops: float = 0.0) -> CSR:
    """D^-exponent (A + self_loops I) D^-exponent, float32.

    D holds the sums of A + self_loops I; for a matrix that is not symmetric, row sums on the
    left and column sums on the right. A row without entries stays empty.

    Args:
        matrix: [n, n]; any shape when `self_loops` is 0.
        exponent: 0 to 1; .5 is the usual symmetric normalisation.
        self_loops: at least 0.

    Raises:
        ConfigError: out of range, or self loops on a matrix that is not square.
    """
    check_number("exponent", exponent, low=0.0, high=1.0)
    check_number("self_loops", self_loops, low=0.0)
    looped = matrix.tocsr().astype(np.float32, copy=False)
    if self_loops:
        if matrix.shape[0] != matrix.shape[1]:
            raise ConfigError("self loops need a square matrix", field="self_loops")
        diagonal = sparse.diags_array(np.full(matrix.shape[0], self_loops, np.float32))
        looped = sparse.csr_matrix(looped + diagonal)
    left = _power(np.asarray(looped.sum(axis=1, dtype=np.float64)).ravel(), -exponent)
    right = _power(np.asarray(looped.sum(axis=0, dtype=np.float64)).ravel(), -exponent)
    rows = np.repeat(left, np.diff(looped.indptr))
    data = (looped.data * rows * right[looped.indices]).astype(np.float32)
    return sparse.csr_matrix((data, looped.indices, looped.indptr), shape=looped.shape)


def _power(sums: DoubleArray, exponent: float) -> DoubleArray:
    """sums ** exponent, and 0 where the sum is 0."""
    return np.where(sums > 0, np.maximum(sums, np.finfo(np.float64).tiny) ** exponent, 0.0)


def truncated_svd(
    matrix: CSR,
    dim: int,
    *,
    seed: int = 0,
    power: int = 4,
    oversampling: int = 10,
    symmetric: bool = False,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The `dim` largest singular triplets of a sparse matrix, randomised.

    Halko, Martinsson, Tropp 2011: a random range finder with power iterations, orthogonalised
    after every product. Differs in that signs are fixed (the largest component of each left
    vector is positive), and that a matrix of lower rank gets zero columns.

    Args:
        matrix: sparse [n, m].
        dim: at least 1.
        seed: of the random start.
        power: iterations of M M^T; more are more exact where singular values fall slowly.
        oversampling: directions carried beyond `dim`.
        symmetric: the matrix is its own transpose; saves making it.

    Returns:
        U float32 [n, dim], s float32 [dim] descending, V^T float32 [dim, m].

    Raises:
        ConfigError: a number out of range.
    """
    basis, inner = _ranges(matrix, dim, seed, power, oversampling, symmetric)
    with threadpool_limits(1, user_api="blas"):
        values, turn = _values(inner, min(dim, *matrix.shape))
        left = _times(basis, turn)
        right = _times(inner, turn / np.where(values > 0, values, np.inf))
    signs = _signs(left)
    left, right = left * signs, right.T * signs[:, None]
    return _padded(left, dim, 1), _padded(values, dim, 0), _padded(right, dim, 0)


def left_singular(
    matrix: CSR,
    dim: int,
    *,
    seed: int = 0,
    power: int = 4,
    oversampling: int = 10,
    symmetric: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """U float32 [n, dim] and s float32 [dim] of `truncated_svd`, in half of its memory.

    Raises:
        ConfigError: a number out of range.
    """
    basis, inner = _ranges(matrix, dim, seed, power, oversampling, symmetric)
    with threadpool_limits(1, user_api="blas"):
        values, turn = _values(inner, min(dim, *matrix.shape))
        del inner
        left = _times(basis, turn)
    del basis
    left *= _signs(left)
    return _padded(left, dim, 1), _padded(values, dim, 0)


def _ranges(
    matrix: CSR, dim: int, seed: int, power: int, oversampling: int, symmetric: bool
) -> tuple[FloatArray, FloatArray]:
    """An orthonormal basis B float32 [n, width] of M's main range, and M^T B float32 [m, width].

    No more than two such matrices are held at any time.
    """
    check_int("dim", dim, low=1)
    check_int("seed", seed, low=0)
    check_int("power", power, low=0)
    matrix = matrix.tocsr().astype(np.float32, copy=False)
    other = matrix if symmetric else sparse.csr_matrix(matrix.T)
    width = min(min(dim, *matrix.shape) + oversampling, *matrix.shape)
    rng = np.random.default_rng(seed)
    basis = rng.standard_normal((matrix.shape[1], width), dtype=np.float32)
    with threadpool_limits(1, user_api="blas"):
        basis = _orthonormal(multiply(matrix, basis), passes=2 if power == 0 else 1)
        for left in range(power - 1, -1, -1):
            basis = _orthonormal(multiply(other, basis))
            basis = _orthonormal(multiply(matrix, basis), passes=1 if left else 2)
        return basis, multiply(other, basis)


def _values(inner: FloatArray, rank: int) -> tuple[FloatArray, DoubleArray]:
    """Singular values float32 [rank] of X, and what turns to its axes float64 [width, rank].

    Axes of values that drown in rounding are zero, and so are the values.
    """
    squares, turn = np.linalg.eigh(gram(inner))
    best = squares.argsort()[::-1][:rank]
    values = np.sqrt(np.maximum(squares[best], 0.0))
    certain = values > _NEGLIGIBLE * values[0]
    return np.where(certain, values, 0.0).astype(np.float32), turn[:, best] * certain


def _signs(left: FloatArray) -> FloatArray:
    """float32 [k]: what makes the largest component of each column positive."""
    largest = [column[np.abs(column).argmax()] for column in left.T]
    return np.where(np.array(largest) < 0, -1, 1).astype(np.float32)


def gram(matrix: FloatArray) -> DoubleArray:
    """float64 [dim, dim]: X^T X, block by block, so that no float64 copy of X is made."""

    def of_block(start: int) -> DoubleArray:
        block = matrix[start : start + _BLOCK].astype(np.float64)
        return block.T @ block

    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    with ThreadPoolExecutor(num_threads()) as pool:
        for part in pool.map(of_block, range(0, matrix.shape[0], _BLOCK)):
            total += part
    return total


def _times(matrix: FloatArray, small: DoubleArray, out: FloatArray | None = None) -> FloatArray:
    """float32 [n, k]: a tall matrix times a small one, on our threads rather than on BLAS's.

    `out` may be `matrix` itself where the small one is square.
    """
    made = np.empty((matrix.shape[0], small.shape[1]), np.float32) if out is None else out
    factor = small.astype(np.float32)

    def of_block(start: int) -> None:
        block = slice(start, start + _BLOCK)
        np.matmul(matrix[block], factor, out=made[block])

    with ThreadPoolExecutor(num_threads()) as pool:
        list(pool.map(of_block, range(0, matrix.shape[0], _BLOCK)))
    return made


def _orthonormal(matrix: FloatArray, passes: int = 1) -> FloatArray:
    """The same float32 [n, k], made an orthonormal basis of its columns, zero where dependent.

    By the eigenvectors of the Gram matrix in float64: after two passes as exact as QR here, and
    an order of magnitude faster on tall matrices. One is enough on the way.
    """
    for _ in range(passes):
        squares, turn = np.linalg.eigh(gram(matrix))
        certain = squares > _NEGLIGIBLE**2 * squares[-1]
        _times(matrix, turn / np.sqrt(np.where(certain, squares, np.inf)), out=matrix)
    return matrix


def turn_to_axes(matrix: FloatArray) -> None:
    """Make X its own U sqrt(s), in place; by its Gram matrix in float64."""
    with threadpool_limits(1, user_api="blas"):
        squares, turn = np.linalg.eigh(gram(matrix))
        squares, turn = np.maximum(squares[::-1], 0.0), turn[:, ::-1]
        turn = turn * np.where(turn[np.abs(turn).argmax(axis=0), np.arange(len(turn))] < 0, -1, 1)
        scale = np.zeros_like(squares)
        np.power(squares, -0.25, out=scale, where=squares > squares[0] * 1e-14)
        _times(matrix, turn * scale, out=matrix)


def _padded(array: FloatArray, size: int, axis: int) -> FloatArray:
    """`array` as float32 with zeros up to `size` along an axis."""
    if array.shape[axis] == size:
        return np.ascontiguousarray(array, np.float32)
    gaps = [(0, 0)] * array.ndim
    gaps[axis] = (0, size - array.shape[axis])
    return np.ascontiguousarray(np.pad(array, gaps), np.float32)


def smoothed(matrix: CSR, dense: FloatArray, steps: int) -> FloatArray:
    """float32 [n, dim]: the mean of X, S X, ..., S^steps X with S = D^-.5 A D^-.5.

    The propagation of LightGCN (He et al. 2020), without training.
    """
    step = scaled_adjacency(matrix, exponent=0.5)
    total, power = dense.copy(), dense
    for _ in range(steps):
        power = multiply(step, power)
        total += power
    return total / np.float32(steps + 1)


def unit_rows(matrix: FloatArray, *, out: FloatArray | None = None) -> FloatArray:
    """float32 [n, dim], each row at length 1; a row of zeros stays. `out` may be `matrix`."""
    made = np.empty(matrix.shape, np.float32) if out is None else out
    for start in range(0, matrix.shape[0], _BLOCK):
        block = matrix[start : start + _BLOCK]
        norms = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
        made[start : start + _BLOCK] = block / np.where(norms > 0, norms, 1.0)[:, None]
    return made


def first_direction(matrix: FloatArray) -> DoubleArray:
    """float64 [dim]: the first right singular vector, largest component positive.

    From the Gram matrix in float64: exact, and no copy of the matrix.
    """
    direction: DoubleArray = np.linalg.eigh(gram(matrix))[1][:, -1]
    return direction if direction[np.abs(direction).argmax()] > 0 else -direction


def remove_direction(matrix: FloatArray, direction: DoubleArray) -> None:
    """Take each row's part along a unit vector float64 [dim] out of it, in place."""
    for start in range(0, matrix.shape[0], _BLOCK):
        block = matrix[start : start + _BLOCK].astype(np.float64)
        matrix[start : start + _BLOCK] = block - np.outer(block @ direction, direction)
