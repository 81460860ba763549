"""Random numbers by counter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from graphemb.kernels import rng

ALPHA = 0.01


def draws(key: int, count: int) -> npt.NDArray[np.uint64]:
    return np.array([rng.draw(np.uint64(key), n) for n in range(count)], np.uint64)


def test_draws_are_splitmix64() -> None:
    """The published outputs for seed 1234567."""
    assert draws(1234567, 5).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_keys_differ_by_seed_and_by_stream() -> None:
    keys = {rng.make_key(seed, stream) for seed in range(40) for stream in range(40)}
    assert len(keys) == 1600


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_integers_are_uniform_below_their_limit(limit: int) -> None:
    values = [rng.below(bits, limit) for bits in draws(5, 20_000)]
    counts = np.bincount(values, minlength=limit)
    assert counts.size == limit
    assert limit == 1 or chisquare(counts).pvalue > ALPHA


def test_unit_numbers_are_uniform_and_below_one() -> None:
    values = np.array([rng.unit(bits) for bits in draws(6, 20_000)])
    assert chisquare(np.histogram(values, 50, (0, 1))[0]).pvalue > ALPHA
    assert rng.unit(np.uint64(2**64 - 1)) < 1.0
    assert rng.unit(np.uint64(0)) == 0.0


def test_the_lower_word_is_independent_of_what_below_uses() -> None:
    bits = draws(7, 20_000)
    pairs = [(rng.below(one, 4), int(rng.low_word(one)) >> 30) for one in bits]
    counts = np.bincount([4 * high + low for high, low in pairs], minlength=16)
    assert chisquare(counts).pvalue > ALPHA


@given(st.integers(1, 300), st.integers(0, 2**64 - 1))
def test_a_permutation_takes_every_place_once(size: int, key: int) -> None:
    places = [rng.permuted(index, size, np.uint64(key)) for index in range(size)]
    assert sorted(places) == list(range(size))


def test_permutations_put_an_item_anywhere() -> None:
    places = [rng.permuted(3, 20, np.uint64(rng.make_key(0, number))) for number in range(10_000)]
    assert chisquare(np.bincount(places, minlength=20)).pvalue > ALPHA


def test_rounds_go_through_everything_in_another_order_each() -> None:
    out = np.empty(300, np.int64)
    rng.rounds_in_order(0, 100, 9, out)
    rounds = out.reshape(3, 100)
    assert (np.sort(rounds, axis=1) == np.arange(100)).all()
    assert not (rounds[0] == rounds[1]).all()
    part = np.empty(120, np.int64)
    rng.rounds_in_order(90, 100, 9, part)
    assert (part == out[90:210]).all(), "a part of the sequence is not what the whole has there"
