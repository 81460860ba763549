"""The order of values against NumPy's stable sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb.kernels.order import ascending


@given(st.lists(st.integers(-3, 3), max_size=40))
def test_equal_values_stay_as_they_stand(given_values: list[int]) -> None:
    values = np.array(given_values, np.int32)
    order, spare = np.full(values.size, -1, np.int64), np.empty(values.size, np.int64)
    ascending(values, order, spare)
    assert np.array_equal(order, np.argsort(values, kind="stable"))


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_any_dtype_and_length(dtype: type[np.generic]) -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 64, 65, 1_000):
        values = (rng.standard_normal(size) * 50).astype(dtype)
        order = np.empty(size, np.int64)
        ascending(values, order, np.empty(size + 5, np.int64))
        assert np.array_equal(order, np.argsort(values, kind="stable"))
