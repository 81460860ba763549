"""scikit-network: random projection and spectral vectors, from a SciPy matrix."""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from typing import Any

import numpy as np
from inputs import undirected
from measure import Meter, main
from sknetwork.embedding import SVD, RandomProjection


def _fit(make: Any) -> Any:
    def task(meter: Meter) -> None:
        graph = undirected(meter)
        vectors = meter.timed(lambda: make(meter.plan["dim"]).fit_transform(graph))
        np.save(meter.out, np.asarray(vectors, np.float32))

    return task


if __name__ == "__main__":
    main({"fastrp": _fit(RandomProjection), "svd": _fit(SVD)})
