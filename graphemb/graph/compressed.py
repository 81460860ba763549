"""What any CSR of edges says of itself, whatever its rows are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from graphemb.types import BoolArray, FloatArray, IntArray, RowArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Array = TypeVar("Array", bound=npt.NDArray[Any])


def fixed(array: Array) -> Array:
    """A read-only view: kernels are compiled once per kind of array, and stored ones are so."""
    view = array.view()
    view.flags.writeable = False
    return view


def first_of_each(offsets: IntArray, neighbors: RowArray) -> BoolArray:
    """bool [m]: the first of each run of equal neighbours within a row; NumPy is as fast here."""
    first = np.ones(neighbors.size, np.bool_)
    np.not_equal(neighbors[1:], neighbors[:-1], out=first[1:])
    first[offsets[:-1][offsets[1:] > offsets[:-1]]] = True
    return first


class Compressed:
    """The part that `Adjacency` and `HomogeneousCSR` share; both are dataclasses with its fields.

    Attributes:
        offsets: int64 [rows + 1]; row r's edges are `offsets[r]:offsets[r + 1]`.
        neighbors: int32 or int64 [m].
        weights: float32 [m], or None when every edge weighs 1.
    """

    offsets: IntArray
    neighbors: RowArray
    weights: FloatArray | None

    def __post_init__(self) -> None:
        for array in vars(self).values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False

    @property
    def num_rows(self) -> int:
        """Rows that edges leave from."""
        return int(self.offsets.size - 1)

    @property
    def num_edges(self) -> int:
        """m; parallel edges count each, an undirected one once per direction."""
        return int(self.neighbors.size)

    @property
    def degrees(self) -> IntArray:
        """int64 [rows]: edges leaving each row."""
        return self.offsets[1:] - self.offsets[:-1]

    def distinct(self) -> BoolArray:
        """bool [m]: True for the first of each group of parallel edges."""
        return first_of_each(self.offsets, self.neighbors)

    def _matrix(self, num_columns: int) -> csr_matrix:
        """float32 [rows, num_columns]; parallel edges are summed."""
        from scipy.sparse import csr_matrix

        weights = np.ones(self.num_edges, np.float32) if self.weights is None else self.weights
        matrix = csr_matrix(
            (weights.copy(), self.neighbors.copy(), self.offsets.copy()),
            shape=(self.num_rows, num_columns),
        )
        matrix.sum_duplicates()
        return matrix
