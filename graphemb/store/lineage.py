"""Where vectors come from, as JSON without secrets."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import math
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

import numpy as np

from graphemb.embeddings import Embeddings
from graphemb.errors import StoreError
from graphemb.manifest import JSON
from graphemb.types import EdgeType

LIBRARIES = (
    "graphemb",
    "numpy",
    "numba",
    "scipy",
    "pyarrow",
    "faiss-cpu",
    "torch",
    "torch-geometric",
    "nodevectors",
    "scikit-learn",
)

_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
_SECRET = re.compile(r"pass(word|wd)?|secret|token|api_?key|credential", re.IGNORECASE)
_MAX_DEPTH = 50


def lineage(embeddings: Embeddings, graph: object, spec: object) -> dict[str, JSON]:
    """The graph's fingerprint, the spec, the embeddings' provenance and the libraries' versions.

    Raises:
        StoreError: something that cannot be written as JSON.
    """
    fingerprint = graph if isinstance(graph, str) else getattr(graph, "fingerprint", None)
    if graph is not None and not isinstance(fingerprint, str):
        raise StoreError(
            "graph must be a graph or its fingerprint",
            code="not_json",
            field="graph",
            value=type(graph).__name__,
        )
    return {
        "graph": fingerprint,
        "spec": plain(spec, field="spec"),
        "provenance": plain(embeddings.provenance, field="provenance"),
        "libraries": libraries(),
    }


@functools.cache
def libraries() -> Mapping[str, JSON]:
    """Versions of Python and of the libraries that are installed."""
    found: dict[str, JSON] = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def plain(value: Any, *, field: str, depth: int = 0) -> JSON:
    """`value` as JSON: objects by their `to_dict`, names of secrets and user info blotted out.

    A number that is not finite becomes null.

    Raises:
        StoreError: something else than data.
    """
    if depth > _MAX_DEPTH:
        raise StoreError("nested too deep to be written", code="not_json", field=field)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _USER_INFO.sub("***@", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist(), field=field, depth=depth + 1)
    if isinstance(value, datetime | date | PurePath | EdgeType):
        return plain(str(value), field=field)
    for method in ("to_dict", "model_dump"):
        if hasattr(value, method) and not isinstance(value, type):
            return plain(getattr(value, method)(), field=field, depth=depth + 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {
            _USER_INFO.sub("***@", str(key)): "***"
            if _SECRET.fullmatch(str(key)) and part is not None
            else plain(part, field=field, depth=depth + 1)
            for key, part in value.items()
        }
    if isinstance(value, Sequence | set | frozenset):
        parts = value if isinstance(value, Sequence) else sorted(value, key=str)
        return [plain(part, field=field, depth=depth + 1) for part in parts]
    raise StoreError(
        "cannot be written as JSON", code="not_json", field=field, value=type(value).__name__
    )
