"""Negative samplers: the right distribution, never a positive unless asked, counted, seeded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, stats

from graphemb.errors import ConfigError
from graphemb.negatives import KINDS, NegativeKind, NegativeSampler

Matrix = sparse.csr_matrix


def bipartite(num_src: int, num_dst: int, share: float, seed: int) -> Matrix:
    rng = np.random.default_rng(seed)
    return sparse.csr_matrix((rng.random((num_src, num_dst)) < share).astype(np.float32))


@given(st.integers(0, 2**31), st.sampled_from(KINDS), st.integers(1, 4))
def test_fault_082_no_negative_is_a_positive(seed: int, kind: NegativeKind, num: int) -> None:
    history = bipartite(12, 15, 0.3, seed)
    src, dst = history.nonzero()
    drawn = NegativeSampler(kind=kind, num=num, seed=seed).sample(src, dst, history)
    assert drawn.dst.shape == (src.size, num)
    assert ((drawn.dst >= 0) & (drawn.dst < 15)).all()
    dense = history.toarray()
    is_positive = dense[src[:, None], drawn.dst] > 0
    full = (dense.sum(axis=1) == 15)[src]
    assert not is_positive[~full].any()
    assert drawn.kept == is_positive.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_fault_082_kept_positives_are_counted(kind: NegativeKind) -> None:
    history = bipartite(20, 10, 0.5, 1)
    src, dst = history.nonzero()
    drawn = NegativeSampler(kind=kind, num=5, avoid=False).sample(src, dst, history)
    positives = int((history.toarray()[src[:, None], drawn.dst] > 0).sum())
    assert drawn.kept == positives > 0
    assert drawn.clashes == 0


def test_fault_082_clashes_are_counted() -> None:
    history = bipartite(20, 10, 0.5, 1)
    src, dst = history.nonzero()
    drawn = NegativeSampler(num=50).sample(src, dst, history)
    known = np.diff(history.indptr)[src]
    expected = 50 * (known / (10 - known)).sum()  # failures before the first success
    assert drawn.clashes == pytest.approx(expected, rel=0.1)


def test_fault_083_a_source_joined_to_every_candidate_ends() -> None:
    history = sparse.csr_matrix(np.ones((2, 3), np.float32))
    drawn = NegativeSampler(num=4).sample([0, 1], [0, 2], history)
    assert drawn.kept == 8


def test_fault_083_a_single_candidate_ends() -> None:
    history = sparse.csr_matrix(np.array([[1.0], [0.0]], np.float32))
    for kind in KINDS:
        drawn = NegativeSampler(kind=kind).sample([1], [0], history)
        assert drawn.dst.tolist() == [[0]] and drawn.kept == 0


def test_positives_outside_the_history_are_avoided_too() -> None:
    history = sparse.csr_matrix(np.array([[1, 0, 0, 0]], np.float32))
    known = sparse.csr_matrix(np.array([[1, 1, 1, 0]], np.float32))
    drawn = NegativeSampler(num=20).sample([0], [1], history, positives=known)
    assert set(drawn.dst.ravel().tolist()) == {3}


def test_uniform_draws_are_uniform() -> None:
    history = sparse.csr_matrix((1, 20), dtype=np.float32)
    drawn = NegativeSampler(num=20_000, seed=5).sample([0], [0], history)
    assert stats.chisquare(np.bincount(drawn.dst.ravel(), minlength=20)).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.75, -0.5])
def test_degree_draws_follow_the_power_of_the_degree(alpha: float) -> None:
    degrees = np.array([1, 2, 3, 8, 16])
    history = sparse.csr_matrix((np.arange(16)[:, None] < degrees).astype(np.float32))
    empty = sparse.csr_matrix(history.shape, dtype=np.float32)
    sampler = NegativeSampler(kind="degree", num=20_000, alpha=alpha, seed=3)
    drawn = sampler.sample([0], [0], history, positives=empty)
    expected = degrees**alpha / (degrees**alpha).sum() * 20_000
    assert stats.chisquare(np.bincount(drawn.dst.ravel(), minlength=5), expected).pvalue > 0.01


def test_same_degree_draws_have_the_positives_degree_where_there_are_enough() -> None:
    degrees = np.repeat([1, 2, 5], 30)
    history = sparse.csr_matrix((np.arange(6)[:, None] < degrees).astype(np.float32))
    src, dst = np.full(90, 5), np.arange(90)
    drawn = NegativeSampler(kind="same_degree", num=10).sample(src[:60], dst[:60], history)
    assert (degrees[drawn.dst] == degrees[dst[:60], None]).all()
    assert len(set(drawn.dst.ravel().tolist())) > 50


def test_same_degree_widens_to_the_nearest_degrees() -> None:
    degrees = np.arange(1, 101)
    history = sparse.csr_matrix((np.arange(101)[:, None] < degrees).astype(np.float32))
    drawn = NegativeSampler(kind="same_degree", num=200).sample([100], [49], history)
    assert np.abs(degrees[drawn.dst] - 50).max() <= 11


def test_two_hop_draws_share_a_neighbour_with_the_source() -> None:
    history = bipartite(30, 40, 0.08, 3)
    src, dst = history.nonzero()
    drawn = NegativeSampler(kind="two_hop", num=3).sample(src, dst, history)
    reach = (history @ history.T @ history).toarray() > 0
    new = reach & ~(history.toarray() > 0)
    possible = new[src].any(axis=1)
    hit = reach[src[:, None], drawn.dst]
    strayed = int((~hit).sum())
    assert strayed <= drawn.strayed
    assert hit[possible].mean() > 0.95


def test_two_hop_within_one_node_type_takes_two_steps() -> None:
    path = sparse.csr_matrix(np.diag(np.ones(4), 1) + np.diag(np.ones(4), -1), dtype=np.float32)
    known = sparse.csr_matrix(path + sparse.eye(5, dtype=np.float32))
    sampler = NegativeSampler(kind="two_hop", num=50)
    drawn = sampler.sample([2], [1], path, positives=known)
    assert set(drawn.dst.ravel().tolist()) == {0, 4}


def test_the_seed_and_the_place_alone_decide() -> None:
    history = bipartite(20, 30, 0.2, 7)
    src, dst = history.nonzero()
    for kind in KINDS:
        one, same = (NegativeSampler(kind=kind, seed=3).sample(src, dst, history) for _ in "ab")
        other = NegativeSampler(kind=kind, seed=4).sample(src, dst, history)
        first = NegativeSampler(kind=kind, seed=3).sample(src[:5], dst[:5], history)
        assert (one.dst == same.dst).all()
        assert (one.dst[:5] == first.dst).all()
        assert (one.dst != other.dst).any()


@pytest.mark.parametrize("fields", [{"num": 0}, {"kind": "lucky"}, {"alpha": float("nan")}])
def test_fields_out_of_range_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        NegativeSampler(**fields)  # type: ignore[arg-type]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="shape"):
        NegativeSampler().sample([0, 1], [0], bipartite(2, 3, 0.5, 0))
