"""Search against brute force in NumPy, and every fault of vectors and index."""

from __future__ import annotations

import functools
import json
import os
import signal
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import (
    ChecksumMismatch,
    ConfigError,
    CorruptManifest,
    DimensionMismatch,
    GraphError,
    StoreError,
    UnknownName,
    UnknownNode,
    UnsupportedFormat,
    VectorError,
)
from graphemb.ids import Ids
from graphemb.index import HNSW, IVF, MAX_K, Index
from graphemb.index.distinct import Groups, find_equal
from graphemb.index.faissfile import check_header

METRICS = ("cosine", "dot", "l2")
KINDS = ("flat", "hnsw", "ivf")


def vectors_of(matrix: np.ndarray, ids: object = None, node_type: str = "product") -> Vectors:
    names = [f"p{row}" for row in range(len(matrix))] if ids is None else ids
    return Embeddings.from_arrays({node_type: (names, matrix)})[node_type]


def blobs(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    """Clustered vectors of skewed lengths, as trained ones are."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(20, dim))
    matrix = centers[rng.integers(0, 20, count)] + 0.5 * rng.normal(size=(count, dim))
    return (matrix * rng.lognormal(0, 0.5, (count, 1))).astype(np.float32)


def oracle(
    matrix: np.ndarray, query: np.ndarray, k: int, metric: str, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and scores by float64 brute force, ties by row."""
    x, q = matrix.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        squares = ((x - q) ** 2).sum(axis=1).astype(np.float32)
        order, scores = np.argsort(squares, kind="stable"), np.sqrt(squares)
    else:
        dots = (x * q).sum(axis=1)
        if metric == "cosine":
            dots /= np.linalg.norm(x, axis=1) * np.linalg.norm(q)
        scores = dots.astype(np.float32)
        order = np.argsort(-scores, kind="stable")
    if mask is not None:
        order = order[mask[order]]
    return order[:k], scores[order[:k]]


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return blobs(5_000)


@pytest.fixture(scope="module")
def built(matrix: np.ndarray) -> dict[tuple[str, str], Index]:
    vectors = vectors_of(matrix)
    return {
        (metric, kind): Index.build(vectors, metric, kind)  # type: ignore[arg-type]
        for metric in METRICS
        for kind in KINDS
    }


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 10, 300])
def test_flat_search_equals_brute_force(
    matrix: np.ndarray, built: dict[tuple[str, str], Index], metric: str, k: int
) -> None:
    queries = blobs(20, seed=1)
    rows, scores = built[metric, "flat"].search_rows(queries, k)
    for number, query in enumerate(queries):
        want_rows, want_scores = oracle(matrix, query, k, metric)
        np.testing.assert_array_equal(rows[number], want_rows)
        np.testing.assert_allclose(scores[number], want_scores, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_approximate_search_finds_most(
    matrix: np.ndarray, built: dict[tuple[str, str], Index], metric: str, kind: str
) -> None:
    index = built[metric, kind]
    assert (index.kind, index.notes) == (kind, ())
    queries = blobs(100, seed=2)
    rows, scores = index.search_rows(queries, 10)
    hits = 0
    for number, query in enumerate(queries):
        want, _ = oracle(matrix, query, 10, metric)
        hits += len(np.intersect1d(want, rows[number]))
        found = np.array([oracle(matrix[[row]], query, 1, metric)[1][0] for row in rows[number]])
        np.testing.assert_allclose(scores[number], found, rtol=1e-5, atol=1e-6)
        order = scores[number] if metric == "l2" else -scores[number]
        assert (np.diff(order) >= 0).all()
    assert hits / 1000 >= (0.8 if (metric, kind) == ("dot", "ivf") else 0.9)


@pytest.mark.parametrize("kind", KINDS)
def test_one_query_and_many_agree(built: dict[tuple[str, str], Index], kind: str) -> None:
    index = built["dot", kind]
    queries = blobs(50, seed=3)
    many_ids, many_scores = index.search(queries, 7)
    assert len(many_ids) == 50 and many_scores.shape == (50, 7)
    for number, query in enumerate(queries):
        ids, scores = index.search(query, 7)
        assert ids == many_ids[number]
        assert scores.shape == (7,) and scores.dtype == np.float32
        np.testing.assert_array_equal(scores, many_scores[number])


def test_ids_are_the_users_own(matrix: np.ndarray) -> None:
    index = Index.build(vectors_of(matrix[:5], ids=[7, -3, 10**15, 0, 2]), "l2")
    ids, scores = index.search(matrix[2], 1)
    assert ids == [10**15] and scores[0] == 0
    index = Index.build(vectors_of(matrix[:3], ids=["007", "a/b", "ü"]), "cosine")
    assert index.search(2 * matrix[0], 3)[0][0] == "007"


SMALL = st.integers(1, 40).flatmap(
    lambda n: st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=n, max_size=n)
)


@given(SMALL, st.integers(1, 45), st.sampled_from(METRICS), st.integers(0, 2**20))
def test_flat_search_with_many_ties_goes_by_row(
    rows: list[list[int]], k: int, metric: str, seed: int
) -> None:
    matrix = np.array(rows, np.float32)
    if metric == "cosine":
        matrix[~matrix.any(axis=1)] = 1
    mask = np.random.default_rng(seed).random(len(matrix)) < 0.7
    index = Index.build(vectors_of(matrix), metric)  # type: ignore[arg-type]
    query = np.array([1, -1, 2], np.float32)
    found, scores = index.search_rows(query, k, mask=mask)
    want, want_scores = oracle(matrix, query, k, metric, mask)
    np.testing.assert_array_equal(found[0], want)
    np.testing.assert_array_equal(scores[0], want_scores)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [1.0, 0.9, 0.5, 0.1, 0.01, 0.001, 0.0002, 0.0])
def test_fault_037_filtered_search_fills_k_at_any_selectivity(
    matrix: np.ndarray, built: dict[tuple[str, str], Index], metric: str, kind: str, share: float
) -> None:
    index = built[metric, kind]
    rng = np.random.default_rng(4)
    permitted = np.sort(rng.permutation(len(matrix))[: round(share * len(matrix))])
    seen = rng.permutation(permitted)[: len(permitted) // 3]
    mask = np.zeros(len(matrix), bool)
    mask[permitted] = True
    mask[seen] = False
    allowed = [f"p{row}" for row in permitted]
    exclude = [f"p{row}" for row in seen]
    for query in blobs(3, seed=5):
        ids, scores = index.search(query, 10, allowed=allowed, exclude=exclude)
        rows = np.array([int(name[1:]) for name in ids], np.int64)
        assert len(rows) == len(scores) == min(10, mask.sum())
        assert mask[rows].all()
        assert len(np.unique(rows)) == len(rows)
        if kind == "flat" or share <= 0.1:
            want, want_scores = oracle(matrix, query, 10, metric, mask)
            np.testing.assert_array_equal(rows, want)
            np.testing.assert_allclose(scores, want_scores, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.3])
def test_a_filter_does_not_make_search_blind(metric: str, kind: str, share: float) -> None:
    matrix = blobs(10_000, seed=9)
    index = filtered_index(metric, kind)
    rng = np.random.default_rng(10)
    mask = rng.random(len(matrix)) < share
    queries = matrix[:50] + 0.1 * rng.normal(size=(50, 16))
    rows, _ = index.search_rows(queries, 10, mask=mask)
    want = [oracle(matrix, query, 10, metric, mask)[0] for query in queries]
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(want, rows, strict=True)])
    assert recall >= 0.9


@functools.cache
def filtered_index(metric: str, kind: str) -> Index:
    return Index.build(vectors_of(blobs(10_000, seed=9)), metric, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_fault_037_the_nearest_may_all_be_forbidden(
    matrix: np.ndarray, built: dict[tuple[str, str], Index], kind: str
) -> None:
    index = built["cosine", kind]
    order, _ = oracle(matrix, matrix[0], len(matrix), "cosine")
    mask = np.ones(len(matrix), bool)
    mask[order[:2_500]] = False
    rows, _ = index.search_rows(matrix[0], 20, mask=mask)
    assert mask[rows].all() and len(np.unique(rows)) == 20
    if kind == "flat":
        np.testing.assert_array_equal(rows[0], order[2_500:2_520])


def test_allowed_and_excluded_ids_are_checked_sensibly() -> None:
    vectors = Vectors("p", Ids.of(["a", "b", "c"]), np.eye(3, dtype=np.float32), Ids.of(["cold"]))
    index = Index.build(vectors, "dot")
    query = np.array([3, 2, 1], np.float32)
    assert index.search(query, 3, exclude=["a", "cold", "never heard of"])[0] == ["b", "c"]
    assert index.search(query, 3, allowed=["c", "cold"])[0] == ["c"]
    assert index.search(query, 3, allowed=Ids.of(["c", "a"]), exclude=["a"])[0] == ["c"]
    assert index.search(query, 3, allowed=["cold"])[0] == []
    assert index.search(query, 3, allowed=[])[0] == []
    assert index.search(query, 2, exclude=[])[0] == ["a", "b"]
    with pytest.raises(UnknownNode) as unknown:
        index.search(query, 3, allowed=["c", "typo"])
    assert "typo" in str(unknown.value) and "cold" not in str(unknown.value)


def test_fault_024_a_component_that_is_not_finite_is_refused() -> None:
    matrix = np.ones((4, 3))
    for bad in (np.nan, np.inf, -np.inf):
        matrix[2, 1] = bad
        with pytest.raises(VectorError) as refused:
            vectors_of(matrix)
        text = str(refused.value)
        assert "product" in text and "p2" in text and "component 1" in text
    index = Index.build(vectors_of(np.ones((4, 3))))
    with pytest.raises(VectorError) as refused:
        index.search(np.array([[1, 2, 3], [1, np.nan, 3]]))
    assert (refused.value.row, refused.value.code) == (1, "not_finite")


def test_fault_025_an_all_zero_vector_is_not_indexed_under_cosine() -> None:
    matrix = np.ones((30, 3), np.float32)
    matrix[[3, 7]] = 0
    for kind in KINDS:
        with pytest.raises(VectorError) as refused:
            Index.build(vectors_of(matrix), "cosine", kind)  # type: ignore[arg-type]
        assert refused.value.code == "zero_vector"
        assert "2 of 30" in str(refused.value) and "'p7'" in str(refused.value)
    for metric in ("dot", "l2"):
        assert len(Index.build(vectors_of(matrix), metric)) == 30  # type: ignore[arg-type]
    index = Index.build(vectors_of(matrix[:3]), "cosine")
    with pytest.raises(VectorError, match="all zero"):
        index.search(np.zeros(3))


def test_fault_026_what_overflows_float32_is_refused() -> None:
    with pytest.raises(VectorError):
        vectors_of(np.array([[1.0, 1e39]]))
    with pytest.raises(VectorError) as refused:
        Index.build(vectors_of(np.full((2, 4), 1e30, np.float32)), "dot")
    assert refused.value.code == "overflow"
    index = Index.build(vectors_of(np.ones((2, 4), np.float32)), "dot")
    for query in (np.full(4, 1e39), np.full(4, 1e30)):
        with pytest.raises(VectorError):
            index.search(query)


def test_very_small_and_very_different_lengths_keep_their_order() -> None:
    matrix = np.array([[1e-30, 0], [0, 1e-30], [1e15, 1e15], [3, 1]], np.float32)
    for metric in METRICS:
        index = Index.build(vectors_of(matrix), metric)  # type: ignore[arg-type]
        for query in matrix:
            rows, _ = index.search_rows(query, 4)
            np.testing.assert_array_equal(rows[0], oracle(matrix, query, 4, metric)[0])


@pytest.mark.parametrize("shape", [(4,), (2, 4), (1, 2)])
def test_fault_027_a_query_of_another_dimension_is_named(shape: tuple[int, ...]) -> None:
    index = Index.build(vectors_of(np.ones((2, 3), np.float32)))
    with pytest.raises(DimensionMismatch) as refused:
        index.search(np.ones(shape))
    assert (refused.value.want, refused.value.found) == (3, shape[-1])
    assert "product" in str(refused.value)


@pytest.mark.parametrize("query", ["p1", [["a"]], np.ones((1, 1, 3)), 3.0, [None, 1, 2], [True]])
def test_a_query_that_is_no_vector_is_refused(query: object) -> None:
    index = Index.build(vectors_of(np.ones((2, 3), np.float32)))
    with pytest.raises(VectorError):
        index.search(query)  # type: ignore[arg-type]


def test_fault_030_a_doubled_id_is_refused_with_both_rows() -> None:
    with pytest.raises(GraphError) as refused:
        vectors_of(np.ones((3, 2), np.float32), ids=["a", "b", "a"])
    assert "rows 0 and 2" in str(refused.value)


@pytest.mark.parametrize("k", [0, -1, MAX_K + 1, 2.5, "3", None, True])
@pytest.mark.parametrize("kind", KINDS)
def test_fault_032_k_out_of_range_is_refused(
    built: dict[tuple[str, str], Index], kind: str, k: object
) -> None:
    with pytest.raises(ConfigError) as refused:
        built["dot", kind].search(np.ones(16), k)  # type: ignore[arg-type]
    assert refused.value.field == "k"


@pytest.mark.parametrize("kind", KINDS)
def test_fault_032_k_over_n_gives_all_n(
    matrix: np.ndarray, built: dict[tuple[str, str], Index], kind: str
) -> None:
    for k in (len(matrix), len(matrix) + 1, MAX_K):
        rows, scores = built["dot", kind].search_rows(matrix[:2], k)
        np.testing.assert_array_equal(np.sort(rows, axis=1), [np.arange(len(matrix))] * 2)
        assert (scores > -1e30).all()
    assert built["dot", kind].search(matrix[0], np.int64(2))[1].shape == (2,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_fault_033_an_empty_set_gives_an_empty_answer(kind: str, metric: str) -> None:
    index = Index.build(vectors_of(np.empty((0, 3))), metric, kind)  # type: ignore[arg-type]
    ids, scores = index.search(np.ones(3), 5)
    assert ids == [] and scores.shape == (0,)
    ids, scores = index.search(np.ones((2, 3)), 5)
    assert ids == [[], []] and scores.shape == (2, 0)
    full = Index.build(vectors_of(np.ones((4, 3))), metric, "flat")  # type: ignore[arg-type]
    ids, scores = full.search(np.empty((0, 3)), 2)
    assert ids == [] and scores.shape == (0, 2)


def test_fault_033_too_few_points_for_ivf_are_scanned_with_a_note(matrix: np.ndarray) -> None:
    for kind in ("ivf", IVF(lists=10)):
        index = Index.build(vectors_of(matrix[:300]), "dot", kind)  # type: ignore[arg-type]
        assert index.kind == "flat"
        assert len(index.notes) == 1 and "IVF needs" in index.notes[0]
        np.testing.assert_array_equal(
            index.search_rows(matrix[5], 10)[0][0], oracle(matrix[:300], matrix[5], 10, "dot")[0]
        )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_fault_036_identical_vectors_end_and_go_by_row(kind: str, metric: str) -> None:
    count = 200_000
    vectors = vectors_of(np.full((count, 8), 0.3, np.float32), ids=np.arange(count))
    index = Index.build(vectors, metric, kind)  # type: ignore[arg-type]
    rows, scores = index.search_rows(np.ones(8), 50)
    np.testing.assert_array_equal(rows[0], np.arange(50))
    assert np.unique(scores).size == 1
    mask = np.ones(count, bool)
    mask[:100] = False
    rows, _ = index.search_rows(np.ones(8), 50, mask=mask)
    np.testing.assert_array_equal(rows[0], np.arange(100, 150))


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_fault_036_a_clump_of_equal_vectors_hides_nobody(matrix: np.ndarray, kind: str) -> None:
    mixed = np.concatenate([matrix[:3_000], np.tile(matrix[0], (20_000, 1)), matrix[3_000:]])
    index = Index.build(vectors_of(mixed), "cosine", kind)  # type: ignore[arg-type]
    wanted = np.r_[1:2_000:50, 23_000:24_000:50]
    rows, scores = index.search_rows(mixed[wanted], 1)
    assert (rows[:, 0] == wanted).mean() > 0.95
    assert scores.max() <= 1
    rows, _ = index.search_rows(mixed[0], 1_000)
    np.testing.assert_array_equal(rows[0], np.r_[0, 3_000:3_999])


def test_equal_rows_are_found_and_numbered_by_their_first() -> None:
    a, b, c = [1.0, 0.0], [1.0, -0.0], [2.0, 0.0]
    groups = Groups.from_groups(find_equal(np.array([c, a, b, c, a], np.float32)))
    assert groups.of_row.tolist() == [0, 1, 1, 0, 1]
    assert groups.first_rows.tolist() == [0, 1]
    assert groups.members(1).tolist() == [1, 2, 4]
    assert len(Groups.from_groups(find_equal(np.empty((0, 2), np.float32)))) == 0


@given(st.lists(st.sampled_from([-1.0, -0.0, 0.0, 0.5, 2.0]), min_size=2, max_size=60))
def test_equal_rows_are_those_numpy_finds(values: list[float]) -> None:
    matrix = np.array(values[: len(values) // 2 * 2], np.float32).reshape(-1, 2)
    seen: dict[tuple[float, ...], int] = {}
    want = [seen.setdefault(tuple(row), len(seen)) for row in matrix.tolist()]
    assert find_equal(matrix).tolist() == want


def test_a_colliding_hash_does_not_merge_rows(
    matrix: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphemb.index import distinct

    monkeypatch.setattr(distinct, "_hashes", lambda m: np.zeros(len(m), np.uint64))
    twice = np.concatenate([matrix[:100], matrix[:100]])
    np.testing.assert_array_equal(find_equal(twice), np.tile(np.arange(100), 2))


def test_configuration_is_checked(matrix: np.ndarray) -> None:
    vectors = vectors_of(matrix[:10])
    with pytest.raises(ConfigError, match="cosine"):
        Index.build(vectors, "euclid")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="hnsw"):
        Index.build(vectors, "dot", "hsnw")  # type: ignore[arg-type]
    for make in (lambda: HNSW(links=1), lambda: HNSW(ef_search=0), lambda: IVF(lists=0)):
        with pytest.raises(ConfigError):
            make()


def test_fields_of_hnsw_and_ivf_matter(matrix: np.ndarray) -> None:
    matrix = matrix[:3_000]
    vectors = vectors_of(matrix)
    queries = blobs(50, seed=6)
    want = np.array([oracle(matrix, query, 10, "l2")[0] for query in queries])

    def recall(kind: HNSW | IVF) -> float:
        rows, _ = Index.build(vectors, "l2", kind).search_rows(queries, 10)
        return float(np.mean([np.isin(a, b).mean() for a, b in zip(want, rows, strict=True)]))

    assert recall(IVF(lists=64, probes=1)) < recall(IVF(lists=64, probes=64)) == 1.0
    low = recall(HNSW(links=4, ef_construction=10, ef_search=1))
    assert low < recall(HNSW(ef_search=200))


# -- saved ----------------------------------------------------------------------------------------


@pytest.fixture(params=KINDS)
def saved_index(
    request: pytest.FixtureRequest, built: dict[tuple[str, str], Index], tmp_path: Path
) -> tuple[Index, Path]:
    index = built["cosine", request.param]
    index.save(tmp_path / "index")
    return index, tmp_path / "index"


def change(folder: Path, **fields: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_saved_index_answers_as_before(
    saved_index: tuple[Index, Path], matrix: np.ndarray
) -> None:
    index, folder = saved_index
    loaded = Index.load(folder, vectors_of(matrix), metric="cosine")
    assert (loaded.kind, loaded.metric, loaded.dim, len(loaded)) == (index.kind, "cosine", 16, 5000)
    for mine, theirs in zip(
        index.search_rows(matrix[:20], 10), loaded.search_rows(matrix[:20], 10), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert repr(loaded) == f"Index('product', 5,000 x 16, cosine, {index.kind})"


@pytest.mark.parametrize("kind", KINDS)
def test_equal_vectors_survive_saving(tmp_path: Path, matrix: np.ndarray, kind: str) -> None:
    vectors = vectors_of(np.concatenate([matrix[:2_000], matrix[:1_000]]))
    index = Index.build(vectors, "l2", kind)  # type: ignore[arg-type]
    index.save(tmp_path / "index")
    rows, scores = Index.load(tmp_path / "index", vectors).search_rows(matrix[5], 2)
    assert rows.tolist() == [[5, 2_005]] and scores.tolist() == [[0, 0]]


def test_fault_027_an_index_of_another_dimension_is_refused(
    saved_index: tuple[Index, Path], matrix: np.ndarray
) -> None:
    with pytest.raises(DimensionMismatch) as refused:
        Index.load(saved_index[1], vectors_of(np.ascontiguousarray(matrix[:, :8])))
    assert (refused.value.want, refused.value.found) == (16, 8)


def test_fault_028_an_index_of_another_count_is_refused(
    saved_index: tuple[Index, Path], matrix: np.ndarray
) -> None:
    with pytest.raises(StoreError) as refused:
        Index.load(saved_index[1], vectors_of(matrix[:-1]))
    assert refused.value.code == "index_count"


@pytest.mark.parametrize("what", ["rows", "ids", "values"])
def test_fault_029_an_index_of_another_row_order_is_refused(
    saved_index: tuple[Index, Path], matrix: np.ndarray, what: str
) -> None:
    names = [f"p{row}" for row in range(len(matrix))]
    other = matrix.copy()
    if what == "rows":
        other[[10, 20]] = other[[20, 10]]
    elif what == "ids":
        names[10], names[20] = names[20], names[10]
    else:
        other[17, 3] += 1e-3
    with pytest.raises(StoreError) as refused:
        Index.load(saved_index[1], vectors_of(other, ids=names))
    assert refused.value.code == "index_vectors"


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_fault_029_vectors_that_do_not_find_themselves_are_noticed(
    tmp_path: Path, matrix: np.ndarray, kind: str
) -> None:
    """A manifest that vouches for the wrong rows: the self-queries find it out."""
    from graphemb.files import sha256_file

    right, wrong = tmp_path / "right", tmp_path / "wrong"
    matrix = matrix[:1_000]
    Index.build(vectors_of(matrix), "cosine", kind).save(right)  # type: ignore[arg-type]
    Index.build(vectors_of(matrix[::-1]), "cosine", kind).save(wrong)  # type: ignore[arg-type]
    (wrong / "index.faiss").replace(right / "index.faiss")
    files = json.loads((right / "manifest.json").read_text())["files"]
    files["index.faiss"]["sha256"] = sha256_file(right / "index.faiss")
    change(right, files=files)
    with pytest.raises(StoreError) as refused:
        Index.load(right, vectors_of(matrix))
    assert refused.value.code == "index_rows"


def test_fault_031_another_metric_is_refused(
    saved_index: tuple[Index, Path], matrix: np.ndarray
) -> None:
    index, folder = saved_index
    with pytest.raises(StoreError) as refused:
        Index.load(folder, vectors_of(matrix), metric="dot")
    assert refused.value.code == "index_metric"
    change(folder, metric="dot")  # the file is not normalised as this manifest now says
    if index.kind != "flat":
        with pytest.raises(StoreError) as refused:
            Index.load(folder, vectors_of(matrix))
        assert refused.value.code == "index_rows"
        change(folder, metric="l2")
        with pytest.raises(StoreError) as refused:
            Index.load(folder, vectors_of(matrix))
        assert refused.value.code == "index_metric"
    change(folder, metric="manhattan")
    with pytest.raises(UnknownName):
        Index.load(folder, vectors_of(matrix))


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
@pytest.mark.parametrize("place", [0, 60, -1])
def test_fault_010_a_flipped_bit_is_found_before_parsing(
    tmp_path: Path,
    matrix: np.ndarray,
    built: dict[tuple[str, str], Index],
    kind: str,
    place: int,
) -> None:
    built["dot", kind].save(tmp_path / "i")
    path = tmp_path / "i" / "index.faiss"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ChecksumMismatch) as refused:
        Index.load(tmp_path / "i", vectors_of(matrix))
    assert refused.value.file.endswith("index.faiss")


HEADER = struct.Struct("<4siqqqBi")


def header(kind: bytes = b"IHNf", dim: int = 16, count: int = 5_000, metric: int = 0) -> bytes:
    return HEADER.pack(kind, dim, count, 1 << 20, 1 << 20, 1, metric)


@pytest.mark.parametrize("count", [2**40, 2**62, -1])
def test_fault_034_a_header_that_claims_too_much_is_refused_unparsed(
    tmp_path: Path, count: int
) -> None:
    path = tmp_path / "x.faiss"
    path.write_bytes(header(count=count) + b"\0" * 1000)
    with pytest.raises(StoreError) as refused:
        check_header(path, "hnsw", dim=16, count=5_000, metric=0)
    assert refused.value.code == "index_count"
    with pytest.raises(StoreError):
        check_header(path, "hnsw", dim=16, count=max(count, 10**6), metric=0)


BOMB = """
import resource, struct, sys
from pathlib import Path
from graphemb.errors import StoreError
from graphemb.index.faissfile import read_index
path, place = Path(sys.argv[1]), int(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import faiss
loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
try:
    read_index(path, "hnsw", dim=16, count=5000, metric=0)
except StoreError as error:
    print(error.code, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - loaded) * 1024)
"""


def test_fault_034_a_length_inside_the_file_cannot_make_faiss_allocate(
    tmp_path: Path, built: dict[tuple[str, str], Index]
) -> None:
    built["dot", "hnsw"].save(tmp_path / "index")
    data = bytearray((tmp_path / "index" / "index.faiss").read_bytes())
    first_length = HEADER.size  # the vector of level probabilities
    for place, claim in ((first_length, 2**40), (first_length, 2**28), (first_length, 2**62)):
        bomb = tmp_path / "bomb.faiss"
        bomb.write_bytes(data[:place] + struct.pack("<q", claim) + data[place + 8 :])
        done = subprocess.run(
            [sys.executable, "-c", BOMB, str(bomb), str(place)],
            capture_output=True,
            text=True,
            check=True,
        )
        code, grown = done.stdout.split()
        assert code == "bad_index"
        assert int(grown) < 2 * len(data) + 2**22


@pytest.mark.parametrize("found", [b"IxPQ", b"IxMp", b"IwPQ", b"IxF2", b"\0\0\0\0"])
def test_fault_035_a_faiss_kind_that_is_not_on_the_list_is_refused(
    tmp_path: Path, found: bytes
) -> None:
    path = tmp_path / "x.faiss"
    path.write_bytes(header(kind=found) + b"\0" * 1000)
    with pytest.raises(StoreError) as refused:
        check_header(path, "hnsw", dim=16, count=5_000, metric=0)
    assert refused.value.code == "index_kind"
    assert "hnsw, ivf" in str(refused.value)


def test_fault_035_a_manifest_kind_that_is_not_on_the_list_is_refused(
    saved_index: tuple[Index, Path], matrix: np.ndarray
) -> None:
    for structure, error in (
        ({"kind": "annoy"}, UnknownName),
        ({"kind": "hnsw", "links": 0}, CorruptManifest),
        ({"kind": "ivf", "pickle": "x"}, CorruptManifest),
    ):
        change(saved_index[1], structure=structure)
        with pytest.raises(error):
            Index.load(saved_index[1], vectors_of(matrix))


def test_fault_023_an_index_of_a_newer_format_is_refused(
    saved_index: tuple[Index, Path], matrix: np.ndarray
) -> None:
    change(saved_index[1], format=99)
    with pytest.raises(UnsupportedFormat) as refused:
        Index.load(saved_index[1], vectors_of(matrix))
    assert (refused.value.have, refused.value.need) == (1, 99)


@pytest.mark.parametrize(
    ("field", "value"),
    [("dim", "16"), ("count", True), ("notes", None), ("files", []), ("vectors", 3)],
)
def test_a_manifest_of_wrong_types_is_refused(
    saved_index: tuple[Index, Path], matrix: np.ndarray, field: str, value: object
) -> None:
    change(saved_index[1], **{field: value})
    with pytest.raises(CorruptManifest) as refused:
        Index.load(saved_index[1], vectors_of(matrix))
    assert refused.value.field == field


# -- threads and forks ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_four_threads_get_the_same_answers(built: dict[tuple[str, str], Index], kind: str) -> None:
    index = built["l2", kind]
    queries = blobs(40, seed=7)
    want = index.search_rows(queries, 5)[0]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda query: index.search_rows(query, 5)[0][0], queries))
    np.testing.assert_array_equal(found, want)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_search_after_fork_ends(built: dict[tuple[str, str], Index], kind: str) -> None:
    """FAISS alone waits for ever there: its OpenMP threads stayed in the parent."""
    index = built["dot", kind]
    queries = blobs(64, seed=8)
    want = index.search_rows(queries, 5)[0]
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            code = 0 if np.array_equal(index.search_rows(queries, 5)[0], want) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
