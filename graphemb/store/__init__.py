"""Published embeddings: immutable versions in a folder, and names that point at them.

    store/shop/CURRENT            the version that readers get, replaced atomically
    store/shop/COUNTER            the last number handed out; none is used again
    store/shop/tags/prod          a movable name of a version
    store/shop/versions/00000003/ manifest.json, report.json, and per node type matrix.npy,
                                  ids.parquet, vectors.parquet, missing.parquet, index/

`store` is the face; `shelf` is one name's folder (numbers, pointers, locks), `version` reads and
checks one version, `publish` writes one, `quality` judges vectors before, `cleanup` removes.
"""

from __future__ import annotations

from graphemb.store.publish import IndexPlan
from graphemb.store.records import Health, Problem, StoreWarning, VersionRecord
from graphemb.store.store import EmbeddingStore

__all__ = ["EmbeddingStore", "Health", "IndexPlan", "Problem", "StoreWarning", "VersionRecord"]
