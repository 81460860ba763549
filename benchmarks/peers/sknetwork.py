"""scikit-network: random projection and spectral vectors, from a SciPy matrix."""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from measure import Meter, main
from scipy import sparse
from sknetwork.embedding import SVD, RandomProjection


def _load(meter: Meter) -> Any:
    table = pq.read_table(meter.folder / "edges.parquet")
    src, dst = table["src"].to_numpy(), table["dst"].to_numpy()
    ends = np.concatenate([src, dst]), np.concatenate([dst, src])
    size = meter.plan["num_nodes"]
    return sparse.csr_matrix((np.ones(ends[0].size, np.float32), ends), (size, size))


def _fit(make: Any) -> Any:
    def task(meter: Meter) -> None:
        graph = _load(meter)
        vectors = meter.timed(lambda: make(meter.plan["dim"]).fit_transform(graph))
        np.save(meter.out, np.asarray(vectors, np.float32))

    return task


def _loading(meter: Meter) -> None:
    meter.timed(lambda: _load(meter), meter.plan["num_edges"])


if __name__ == "__main__":
    main({"load": _loading, "fastrp": _fit(RandomProjection), "svd": _fit(SVD)})
