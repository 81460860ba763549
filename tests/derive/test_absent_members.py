"""A member type of which no node has a vector adds nothing to what is derived from it."""

from __future__ import annotations

import numpy as np

from graphemb.kernels import aggregate


def test_members_without_a_single_vector_add_nothing() -> None:
    memory = np.full((3, 4), np.nan, np.float32)
    out = np.ones((1, 4), np.float32)
    aggregate.weighted_sums(
        np.zeros(1, np.int64),
        np.array([0, 9]),
        np.arange(9, dtype=np.int32),
        np.zeros(0, np.float32),
        np.full(9, -1),
        memory[:0],
        np.ones(1),
        False,
        out,
        0,
        1,
    )
    assert (out == 1).all()
