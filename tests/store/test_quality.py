"""The quality gate: collapsed vectors are not published unless that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from graphemb.embeddings import Embeddings
from graphemb.errors import StoreError
from graphemb.store import EmbeddingStore
from graphemb.store.quality import MIN_ROWS, Quality, judge
from tests.store.helpers import tree


def judged(matrix: np.ndarray) -> Quality:
    return judge(Embeddings.from_arrays({"user": (np.arange(len(matrix)), matrix)})["user"])


def plain(rows: int = 500, dim: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def test_the_measures_equal_their_definitions() -> None:
    matrix = (plain(300, 12) * np.linspace(0.1, 2, 12) + 0.5).astype(np.float32)
    found = judged(matrix)
    x = matrix.astype(np.float64)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    pairs = (unit @ unit.T)[np.triu_indices(300, 1)]
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    shares = singular / singular.sum()
    assert found.mean_cosine == pytest.approx(pairs.mean(), abs=1e-4)
    assert found.effective_rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), abs=2e-3)
    assert (found.rows, found.flat_components, found.faults) == (300, 0, ())


@pytest.mark.parametrize("rank", [1, 2])
def test_fault_079_a_low_effective_rank_is_found(rank: int) -> None:
    low = plain(500, rank) @ plain(rank, 32, seed=1)
    faults = judged(low + 1e-4 * plain(seed=2)).faults
    assert len(faults) == 1 and "effective rank" in faults[0]


def test_fault_079_vectors_that_all_point_one_way_are_found() -> None:
    faults = judged(plain() + 30).faults
    assert len(faults) == 1 and "cosine" in faults[0]


@pytest.mark.parametrize("constant", [0.0, 3.7, 1e6])
def test_fault_079_a_component_without_variance_is_found(constant: float) -> None:
    matrix = plain()
    matrix[:, 5] = constant
    found = judged(matrix)
    assert found.flat_components == 1
    assert any("1 of 32 components" in fault for fault in found.faults)


def test_healthy_and_few_vectors_pass() -> None:
    assert judged(plain()).faults == ()
    assert judged(plain(rows=20, dim=64)).faults == ()  # fewer rows than components
    same = np.ones((MIN_ROWS - 1, 4), np.float32)
    assert judged(same) == Quality(MIN_ROWS - 1, None, None, 0, ())
    assert len(judged(np.ones((MIN_ROWS, 4), np.float32)).faults) == 3
    zeros = plain()
    zeros[::2] = 0
    assert judged(zeros).faults == ()


def test_fault_079_the_gate_refuses_unless_forced_and_records_that(store: EmbeddingStore) -> None:
    good = Embeddings.from_arrays({"user": (np.arange(500), plain())})
    bad = good.merge(Embeddings.from_arrays({"product": (np.arange(500), plain() + 30)}))
    assert store.publish("shop", good) == 1
    before = tree(store.folder)
    with pytest.raises(StoreError) as refused:
        store.publish("shop", bad)
    assert refused.value.code == "quality"
    assert "product: mean pairwise cosine" in str(refused.value)
    assert "user:" not in str(refused.value) and "force=True" in str(refused.value)
    assert tree(store.folder) == before

    forced = EmbeddingStore(store.folder, force=True)
    assert forced.publish("shop", bad) == 2
    assert forced.publish("shop", good) == 3
    assert [record.forced for record in store.versions("shop")] == [False, True, False]
    quality = store.manifest("shop", 2)["quality"]
    assert quality["forced"] is True
    assert quality["node_types"]["product"]["mean_cosine"] > 0.95
    assert len(quality["node_types"]["product"]["faults"]) == 1
    assert quality["node_types"]["user"]["faults"] == []
