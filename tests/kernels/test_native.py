"""Sixteen lanes against NumPy."""

from __future__ import annotations

import numpy as np
from numba import njit

from graphemb.kernels import native
from graphemb.kernels.native import (
    add,
    div,
    fold,
    least,
    load,
    most,
    mul,
    mul_add,
    prefetch,
    spread,
    spread_at,
    store,
)


@njit
def _all_of_them(a, b, out):  # type: ignore[no-untyped-def]
    x, y = load(a, 1), load(b, 0)
    store(out, 0, add(x, y))
    store(out, 16, mul(x, y))
    store(out, 32, div(x, y))
    store(out, 48, mul_add(x, y, spread(np.float32(1.5))))
    store(out, 64, least(x, y))
    store(out, 80, most(x, y))
    store(out, 96, fold(x, y))
    store(out, 112, spread_at(a, 3))
    prefetch(a, 0)


def test_lanes_do_what_numpy_does() -> None:
    generator = np.random.default_rng(0)
    a = generator.normal(size=17).astype(np.float32)
    b = generator.normal(size=16).astype(np.float32)
    out = np.zeros(128, np.float32)
    _all_of_them(a, b, out)
    x = a[1:]
    expected = [
        x + b,
        x * b,
        x / b,
        x * b + np.float32(1.5),
        np.minimum(x, b),
        np.maximum(x, b),
        np.concatenate([x, b]).reshape(16, 2).sum(axis=1),
        np.full(16, a[3]),
    ]
    np.testing.assert_allclose(out.reshape(8, 16), expected, rtol=1e-6, atol=1e-6)
    assert native.LANES == 16
