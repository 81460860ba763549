"""Nearest neighbours among the vectors of one node type, by FAISS.

`Index` is the face. `space` says what near means, `exact` searches by scanning, `distinct` finds
rows that are the same vector, `approximate` builds HNSW and IVF over the distinct ones,
`faissfile` reads and writes their files.
"""

from __future__ import annotations

from graphemb.index.approximate import HNSW, IVF
from graphemb.index.index import MAX_K, Index

__all__ = ["HNSW", "IVF", "MAX_K", "Index"]
