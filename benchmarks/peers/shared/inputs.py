"""The benchmark's graph as a SciPy matrix, for peers that start from one."""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from scipy import sparse

if TYPE_CHECKING:
    from measure import Meter


def undirected(meter: Meter, weighted: bool = False) -> Any:
    """float32 [n, n] in CSR, from Parquet: each edge both ways, weighing 1 or as it says."""
    table = pq.read_table(meter.folder / ("typed.parquet" if weighted else "edges.parquet"))
    src, dst = table["src"].to_numpy(), table["dst"].to_numpy()
    ends = np.concatenate([src, dst]), np.concatenate([dst, src])
    size = meter.plan["num_nodes"]
    weights = np.ones(ends[0].size, np.float32)
    if weighted:
        weights = np.tile(table["weight"].to_numpy(), 2)
    return sparse.csr_matrix((weights, ends), (size, size))
