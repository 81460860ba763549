"""FAISS itself, its flat index: exact top-k."""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

import faiss
import numpy as np
from measure import Meter, main


def _top(meter: Meter) -> None:
    faiss.omp_set_num_threads(meter.plan["threads"])
    dense = np.load(meter.folder / "dense.npy")
    faiss.normalize_L2(dense)
    index = faiss.IndexFlatIP(dense.shape[1])
    index.add(dense)
    queries = dense[: meter.plan["num_queries"]]
    meter.warm(lambda: index.search(queries[:4], meter.plan["k"]))
    _, rows = meter.timed(lambda: index.search(queries, meter.plan["k"]), len(queries))
    np.save(meter.out, rows)


if __name__ == "__main__":
    main({"topk": _top})
