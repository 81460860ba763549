"""`TripleScorer`: how likely a triple is, from three vectors; NumPy alone, saved as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphemb.checkpoint import load_arrays, save_arrays
from graphemb.embeddings import Embeddings
from graphemb.errors import CorruptManifest, DimensionMismatch
from graphemb.types import FloatArray, NodeType

_KIND, _FORMAT = "graphemb triple scorer", 1
_BLOCK = 65_536


@dataclass(frozen=True, eq=False)
class TripleScorer:
    """The score of three nodes; larger is likelier, and 1 / (1 + e^-score) a probability.

    For vectors a, b, c: sum of t a b c  +  sums of p1 a b, p2 a c, p3 b c  +  l1 a, l2 b, l3 c
    + a bias, and where there is one a network over a, b, c and their products.

    Attributes:
        node_types: of the three nodes.
        embeddings: their vectors.
        parameters: float32 arrays: `trilinear` [dim], `pairs` [3, dim], `linear` [3, dim],
            `bias` [1], and `hidden` [h, 7 dim], `hidden_bias` [h], `last` [h] of the network.
    """

    node_types: tuple[NodeType, NodeType, NodeType]
    embeddings: Embeddings
    parameters: Mapping[str, FloatArray]

    def score(self, first: Any, second: Any, third: Any) -> FloatArray:
        """float32 [n]: of each triple (first[i], second[i], third[i]).

        Args:
            first, second, third: n ids each.

        Raises:
            UnknownNode: an id that is not there, or about which nothing was learned.
            DimensionMismatch: not as many ids of each.
        """
        parts = [
            self.embeddings[node_type].vectors(ids)
            for node_type, ids in zip(self.node_types, (first, second, third), strict=True)
        ]
        for part in parts[1:]:
            if len(part) != len(parts[0]):
                raise DimensionMismatch(len(parts[0]), len(part), source="ids of a triple")
        out = np.empty(len(parts[0]), np.float32)
        for low in range(0, len(out), _BLOCK):
            block = slice(low, low + _BLOCK)
            out[block] = self._block(*(part[block] for part in parts))
        return out

    def _block(self, a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
        own = self.parameters
        ab, ac, bc = a * b, a * c, b * c
        scores = (ab * c) @ own["trilinear"] + own["bias"]
        for part, weights in zip((ab, ac, bc), own["pairs"], strict=True):
            scores += part @ weights
        for part, weights in zip((a, b, c), own["linear"], strict=True):
            scores += part @ weights
        if "hidden" in own:
            joined = np.concatenate([a, b, c, ab, ac, bc, ab * c], axis=1)
            scores += np.maximum(joined @ own["hidden"].T + own["hidden_bias"], 0.0) @ own["last"]
        found: FloatArray = scores.astype(np.float32)
        return found

    def save(self, folder: str | Path) -> None:
        """Write parameters and vectors into one folder, each whole or not at all.

        Raises:
            StoreError: the folder exists already and is not one of ours; no space.
        """
        facts = {"node_types": list(self.node_types)}
        save_arrays(Path(folder), self.parameters, facts, kind=_KIND, version=_FORMAT)
        self.embeddings.save(Path(folder) / "embeddings")

    @classmethod
    def load(cls, folder: str | Path) -> TripleScorer:
        """Read what `save` wrote.

        Raises:
            StoreError: no such folder; a file that is not what its manifest says.
        """
        parameters, facts = load_arrays(Path(folder), _KIND, _FORMAT)
        embeddings = Embeddings.load(Path(folder) / "embeddings")
        names, dim = facts.get("node_types"), embeddings.dim
        shapes = {"trilinear": (dim,), "pairs": (3, dim), "linear": (3, dim), "bias": (1,)}
        wrong = [
            name
            for name, shape in shapes.items()
            if name not in parameters or parameters[name].shape != shape
        ]
        if not isinstance(names, list) or len(names) != 3 or wrong or not {*names} <= {*embeddings}:
            raise CorruptManifest("not the parameters of these vectors", source=folder)
        return cls((names[0], names[1], names[2]), embeddings, parameters)
