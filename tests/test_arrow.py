"""Columns of numbers between Arrow and NumPy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from graphemb.arrow import from_numpy, to_numpy

ARRAYS: list[npt.NDArray[Any]] = [
    np.arange(7),
    np.arange(12, dtype=np.int32)[::3],
    np.arange(5, dtype=np.uint64),
    np.array([1.5, np.nan, -np.inf], np.float32),
    np.zeros(0, np.int16),
    np.arange(40) % 3 == 0,
    np.array([], bool),
    np.ma.MaskedArray([1, 2, 3], [False, True, False]),
    np.array(["2020-01-01"], "datetime64[us]"),
    np.array(["a", None], object),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
def test_an_array_becomes_what_pyarrow_makes_of_it(array: npt.NDArray[Any]) -> None:
    found, wanted = from_numpy(array), pa.array(array)
    found.validate(full=True)
    assert found.type == wanted.type
    assert str(found) == str(wanted)  # NaN as it is shown


def test_bytes_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(pa.ArrowNotImplementedError):
        from_numpy(np.arange(3, dtype=">i8"))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([3, 1, 2]),
        pa.array([3, 1, 2])[1:],
        pa.array([1, None, 3]),
        pa.array([1.5, None], pa.float32()),
        pa.array([True, False, None]),
        pa.array(["a", "b"]),
        pa.array([], pa.int32()),
        pa.chunked_array([[1, 2], [3]]),
        pa.chunked_array([[1, 2]]),
        pa.chunked_array([], pa.float64()),
    ],
    ids=str,
)
def test_a_column_becomes_what_pyarrow_makes_of_it(column: Any) -> None:
    found, wanted = to_numpy(column), np.asarray(column)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def test_numbers_are_not_copied() -> None:
    array = np.arange(5)
    column = from_numpy(array)
    assert np.shares_memory(to_numpy(column), array)
    assert not to_numpy(column).flags.writeable


def test_a_fit_loads_no_pandas() -> None:
    code = """
import sys
import numpy as np
import graphemb as ge

ends = np.arange(8)
links = ge.EdgeType("node", "links", "node")
edges = {"src": ends, "dst": np.roll(ends, 1), "weight": np.ones(8)}
graph = ge.HeteroGraph.from_tables({"node": {"id": ends}}, {links: edges})
ge.DeepWalk(dim=8, walks_per_node=1).fit(graph)
print("pandas" in sys.modules, "rich" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
