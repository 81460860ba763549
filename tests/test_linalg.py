"""`graphemb.linalg` against dense NumPy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from graphemb.errors import ConfigError
from graphemb.linalg import (
    first_direction,
    left_singular,
    multiply,
    over_rows,
    remove_direction,
    scaled_adjacency,
    smoothed,
    square_part,
    truncated_svd,
    turn_to_axes,
    unit_rows,
)


def random_csr(rows: int, columns: int, density: float, seed: int) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    return sparse.csr_matrix(
        sparse.random_array((rows, columns), density=density, rng=rng, dtype=np.float32)
    )


def falling(rows: int, columns: int, rank: int, seed: int = 0) -> np.ndarray:
    """A dense matrix of known singular values 1, 1/2, 1/3, ..."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.standard_normal((rows, rank)))[0]
    right = np.linalg.qr(rng.standard_normal((columns, rank)))[0]
    return (left / np.arange(1, rank + 1)) @ right.T


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    dim=st.integers(1, 9),
    density=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
def test_multiply_is_the_dense_product(
    rows: int, columns: int, dim: int, density: float, seed: int
) -> None:
    matrix = random_csr(rows, columns, density, seed)
    dense = np.random.default_rng(seed).standard_normal((columns, dim)).astype(np.float32)
    wanted = matrix.toarray().astype(np.float64) @ dense.astype(np.float64)
    found = multiply(matrix, dense)
    assert found.dtype == np.float32
    assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_multiply_sums_a_hub_exactly() -> None:
    """A million edges of one row: float32 sums would be off in the third digit."""
    size = 1_000_000
    matrix = sparse.csr_matrix(np.full((1, size), np.float32(0.1)))
    found = multiply(matrix, np.full((size, 1), np.float32(0.1)))
    assert_allclose(found[0, 0], size * float(np.float32(0.1)) ** 2, rtol=1e-7)


def test_multiply_gives_the_same_bits_at_any_thread_count() -> None:
    matrix = random_csr(500, 300, 0.1, 1)
    dense = np.random.default_rng(0).standard_normal((300, 17)).astype(np.float32)
    one = multiply(matrix, dense, threads=1)
    for threads in (2, 3, 7):
        assert_array_equal(one, multiply(matrix, dense, threads=threads))


def test_multiply_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="multiplied"):
        multiply(random_csr(3, 4, 0.5, 0), np.zeros((3, 2), np.float32))


def test_fault_092_four_python_threads_get_right_answers() -> None:
    matrix = random_csr(400, 400, 0.05, 3)
    dense = np.random.default_rng(0).standard_normal((400, 16)).astype(np.float32)
    wanted = multiply(matrix, dense, threads=1)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: multiply(matrix, dense), range(16)):
            assert_array_equal(found, wanted)


@given(
    sizes=st.lists(st.integers(0, 50), max_size=60),
    threads=st.integers(1, 5),
)
def test_over_rows_covers_every_row_once(sizes: list[int], threads: int) -> None:
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    seen = np.zeros(len(sizes), np.int64)

    def run(low: int, high: int) -> None:
        seen[low:high] += 1

    over_rows(run, offsets.astype(np.int64), threads=threads)
    assert (seen == 1).all()


def test_over_rows_shares_out_the_work_and_not_the_rows() -> None:
    sizes = np.ones(1000, np.int64)
    sizes[0] = 100_000
    ranges = []
    over_rows(lambda low, high: ranges.append((low, high)), np.append(0, sizes.cumsum()), threads=2)
    assert (0, 1) in ranges


def test_over_rows_hands_an_error_on() -> None:
    def run(low: int, high: int) -> None:
        raise RuntimeError("kernel")

    with pytest.raises(RuntimeError, match="kernel"):
        over_rows(run, np.arange(100), threads=2)


@pytest.mark.parametrize("exponent", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("loops", [0.0, 3.0])
def test_scaled_adjacency_is_the_dense_formula(exponent: float, loops: float) -> None:
    half = random_csr(12, 12, 0.3, 2)
    matrix = sparse.csr_matrix(half + half.T)
    looped = matrix.toarray().astype(np.float64) + loops * np.eye(12)
    degrees = looped.sum(axis=1)
    scale = np.where(degrees > 0, np.maximum(degrees, 1e-30) ** -exponent, 0.0)
    found = scaled_adjacency(matrix, exponent=exponent, self_loops=loops)
    assert found.dtype == np.float32
    assert_allclose(found.toarray(), scale[:, None] * looped * scale, rtol=1e-6, atol=1e-7)


def test_scaled_adjacency_of_a_bipartite_matrix_uses_row_and_column_sums() -> None:
    matrix = sparse.csr_matrix(np.array([[1, 1, 0], [0, 2, 0]], np.float32))
    found = scaled_adjacency(matrix, exponent=0.5).toarray()
    rows, columns = np.sqrt([2, 2]), np.sqrt([1, 3, 1])
    assert_allclose(found, matrix.toarray() / rows[:, None] / columns, rtol=1e-6)
    with pytest.raises(ConfigError, match="square"):
        scaled_adjacency(matrix, exponent=0.5, self_loops=1.0)
    with pytest.raises(ConfigError, match="exponent"):
        scaled_adjacency(matrix, exponent=-0.5)


@pytest.mark.parametrize("shape", [(80, 50), (50, 80), (60, 60)])
def test_svd_finds_known_singular_values(shape: tuple[int, int]) -> None:
    dense = falling(*shape, rank=20)
    left, values, right = truncated_svd(sparse.csr_matrix(dense), 8)
    assert_allclose(values, 1 / np.arange(1, 9), rtol=1e-4)
    best = np.linalg.svd(dense)
    wanted = (best[0][:, :8] * best[1][:8]) @ best[2][:8]
    assert_allclose((left * values) @ right, wanted, atol=1e-4)
    assert_allclose(left.T @ left, np.eye(8), atol=1e-5)
    assert_allclose(right @ right.T, np.eye(8), atol=1e-5)


def test_svd_keeps_small_values_apart_from_noise() -> None:
    """Orthogonality by Gram matrices must not lose what is 1e-4 of the largest."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((200, 10)))[0] for _ in range(2))
    values = np.logspace(0, -4, 10)
    dense = (left * values) @ right.T
    found = truncated_svd(sparse.csr_matrix(dense), 10)[1]
    assert_allclose(found, values, rtol=2e-3)


def test_svd_of_a_symmetric_matrix_needs_no_transpose() -> None:
    half = random_csr(40, 40, 0.2, 5)
    matrix = sparse.csr_matrix(half + half.T)
    for one, other in zip(
        truncated_svd(matrix, 6), truncated_svd(matrix, 6, symmetric=True), strict=True
    ):
        assert_array_equal(one, other)


def test_svd_signs_are_fixed() -> None:
    left, _, _ = truncated_svd(random_csr(60, 40, 0.2, 1), 7)
    assert (left[np.abs(left).argmax(axis=0), np.arange(7)] > 0).all()


def test_svd_repeats_itself_and_seeds_agree() -> None:
    matrix = sparse.csr_matrix(falling(70, 60, 15))
    one, again = truncated_svd(matrix, 5, seed=3), truncated_svd(matrix, 5, seed=3)
    other = truncated_svd(matrix, 5, seed=4, power=8)
    for first, second in zip(one, again, strict=True):
        assert_array_equal(first, second)
    assert_allclose(one[0], other[0], atol=1e-3)


@pytest.mark.parametrize("dim", [4, 9, 30])
def test_svd_of_low_rank_ends_in_zero_columns(dim: int) -> None:
    """Rank 3, and more columns wanted than there are rows."""
    dense = falling(8, 6, rank=3)
    left, values, right = truncated_svd(sparse.csr_matrix(dense), dim)
    assert left.shape == (8, dim) and values.shape == (dim,) and right.shape == (dim, 6)
    assert_allclose(values[:3], [1, 1 / 2, 1 / 3], rtol=1e-5)
    assert (values[3:] < 1e-6).all()
    assert_allclose((left * values) @ right, dense, atol=1e-6)
    assert all(np.isfinite(part).all() for part in (left, values, right))


def test_svd_of_nothing_is_nothing() -> None:
    left, values, right = truncated_svd(sparse.csr_matrix((5, 4), dtype=np.float32), 3)
    assert not values.any() and not left.any() and not right.any()


@pytest.mark.parametrize(
    ("field", "value"), [("dim", 0), ("power", -1), ("seed", -1), ("dim", 2.5)]
)
def test_fault_090_svd_refuses_numbers_out_of_range(field: str, value: float) -> None:
    config = {"dim": 2, field: value}
    with pytest.raises(ConfigError) as caught:
        truncated_svd(random_csr(5, 5, 0.5, 0), **config)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_smoothed_is_the_mean_of_the_powers() -> None:
    matrix = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32))
    step = matrix.toarray() / np.sqrt(np.outer([1, 2, 1], [1, 2, 1]))
    start = np.eye(3, dtype=np.float32)
    wanted = (np.eye(3) + step + step @ step) / 3
    assert_allclose(smoothed(matrix, start, 2), wanted, rtol=1e-6)
    assert_array_equal(smoothed(matrix, start, 0), start)
    assert_array_equal(start, np.eye(3))


def test_square_part_keeps_rows_and_columns() -> None:
    matrix = random_csr(6, 6, 0.6, 0)
    keep = np.array([True, False, True, True, False, True])
    assert_array_equal(square_part(matrix, keep).toarray(), matrix.toarray()[keep][:, keep])
    assert square_part(matrix, np.ones(6, bool)) is matrix


def test_unit_rows_have_length_one_and_zeros_stay() -> None:
    found = unit_rows(np.array([[3, 4], [0, 0], [1e-20, 0], [1e18, 0]], np.float32))
    assert_allclose(found, [[0.6, 0.8], [0, 0], [1, 0], [1, 0]], rtol=1e-6)


def test_the_first_direction_is_the_first_singular_vector() -> None:
    dense = falling(50, 9, 9).astype(np.float32)
    direction = first_direction(dense)
    wanted = np.linalg.svd(dense.astype(np.float64))[2][0]
    assert_allclose(np.abs(direction @ wanted), 1, atol=1e-9)
    assert direction[np.abs(direction).argmax()] > 0
    remove_direction(dense, direction)
    assert_allclose(dense @ direction, 0, atol=1e-6)


@pytest.mark.parametrize("power", [0, 1, 3])
def test_left_vectors_alone_are_those_of_the_whole(power: int) -> None:
    matrix = random_csr(80, 50, 0.2, 4)
    left, values, _ = truncated_svd(matrix, 7, power=power, seed=2)
    alone, same = left_singular(matrix, 7, power=power, seed=2)
    assert_array_equal(alone, left)
    assert_array_equal(same, values)


def test_a_matrix_turned_to_its_axes_is_its_own_u_sqrt_s() -> None:
    matrix = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
    matrix[:, 5] = matrix[:, 4]  # of rank 5
    left, values, _ = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    wanted = left * np.sqrt(values)
    turn_to_axes(matrix)
    assert_allclose(np.abs(matrix[:, :5]), np.abs(wanted[:, :5]), atol=1e-5)
    assert_array_equal(matrix[:, 5], 0)


def test_unit_rows_in_place_are_those_of_a_copy() -> None:
    matrix = np.random.default_rng(0).standard_normal((20_000, 3)).astype(np.float32)
    apart = unit_rows(matrix)
    assert unit_rows(matrix, out=matrix) is matrix
    assert_array_equal(matrix, apart)
