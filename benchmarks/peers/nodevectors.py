"""nodevectors' ProNE and csrgraph's loading and walks, from a SciPy matrix."""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from typing import Any

import csrgraph
import numpy as np
from inputs import undirected
from measure import Meter, main
from nodevectors import ProNE
from scipy import sparse


def _load(meter: Meter) -> Any:
    return csrgraph.csrgraph(undirected(meter), threads=meter.plan["threads"])


def _small() -> Any:
    ring = sparse.csr_matrix(np.roll(np.eye(64, dtype=np.float32), 1, axis=1))
    return csrgraph.csrgraph(ring + ring.T)


def _loading(meter: Meter) -> None:
    meter.timed(lambda: _load(meter), meter.plan["num_edges"])


def _deepwalk(meter: Meter) -> None:
    graph = _load(meter)
    meter.warm(lambda: _small().random_walks(walklen=5, epochs=1))
    length = meter.plan["walk_length"]
    walks = meter.timed(lambda: graph.random_walks(walklen=length, epochs=1))
    meter.counted(walks.size)


def _prone(meter: Meter) -> None:
    graph, dim = _load(meter), meter.plan["dim"]

    def fit() -> Any:
        return ProNE(n_components=dim).fit_transform(graph)

    meter.warm(lambda: ProNE(n_components=8).fit_transform(_small()))
    vectors = meter.timed(fit)
    np.save(meter.out, np.asarray(vectors, np.float32))


if __name__ == "__main__":
    main({"load": _loading, "walks.deepwalk": _deepwalk, "prone": _prone})
