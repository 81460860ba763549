"""`NeuralScorer`: the score of a pair of vectors by a small network; NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphemb.checkpoint import load_arrays, save_arrays
from graphemb.embeddings import Embeddings
from graphemb.errors import CorruptManifest
from graphemb.types import FloatArray

_KIND, _FORMAT = "graphemb neural scorer", 1
_CELLS = 1 << 22
"""Hidden units held at once."""


@dataclass(frozen=True, eq=False)
class NeuralScorer:
    """The score of a source's vector [p | q] and a target's [r | s].

    weights . (p * r)  +  last . relu(... relu(W_1 [q, s] + b_1) ...)  +  bias; either part may be
    empty. It is asked by vectors, so that any pair can be scored, and full rankings in blocks.

    Attributes:
        embeddings: the vectors.
        parameters: float32 arrays: `product` [k], the weights of the product of the first k
            components; `hidden_0` [h, 2 (dim - k)], `bias_0` [h], `hidden_1`, ... and `last` [h] of
            the network over the rest, if there is one; `bias` [1].
    """

    embeddings: Embeddings
    parameters: Mapping[str, FloatArray]

    def pairs(self, sources: FloatArray, targets: FloatArray) -> FloatArray:
        """float32 [n]: the score of each row of `sources` [n, dim] with that of `targets`."""
        split = self.parameters["product"].size
        scores = (sources[:, :split] * targets[:, :split]) @ self.parameters["product"]
        scores = scores + self.parameters["bias"]
        if "hidden_0" in self.parameters:
            first, width = self._first()
            one = sources[:, split:] @ first[:, :width].T
            other = targets[:, split:] @ first[:, width:].T
            scores = scores + self._upper(one + other)
        found: FloatArray = np.asarray(scores, np.float32)
        return found

    def table(self, sources: FloatArray, targets: FloatArray) -> FloatArray:
        """float32 [b, m]: the score of every source [b, dim] with every target [m, dim]."""
        split = self.parameters["product"].size
        weighted = sources[:, :split] * self.parameters["product"]
        product = weighted @ targets[:, :split].T + self.parameters["bias"]
        out: FloatArray = np.asarray(product, np.float32)
        if "hidden_0" not in self.parameters:
            return out
        first, width = self._first()
        one = sources[:, split:] @ first[:, :width].T
        other = targets[:, split:] @ first[:, width:].T
        height = max(1, _CELLS // max(other.size, 1))
        for low in range(0, len(one), height):
            block = one[low : low + height, None] + other[None]
            out[low : low + height] += self._upper(block)
        return out

    def _first(self) -> tuple[FloatArray, int]:
        """The first layer's weights, and how many of its columns are the source's."""
        first = self.parameters["hidden_0"]
        return first, first.shape[1] // 2

    def _upper(self, sums: FloatArray) -> FloatArray:
        """float32 [...]: the network's output for the sums float32 [..., h] of its first layer."""
        x = np.maximum(sums + self.parameters["bias_0"], 0.0)
        number = 1
        while f"hidden_{number}" in self.parameters:
            weights = self.parameters[f"hidden_{number}"]
            x = np.maximum(x @ weights.T + self.parameters[f"bias_{number}"], 0.0)
            number += 1
        out: FloatArray = x @ self.parameters["last"]
        return out

    def save(self, folder: str | Path) -> None:
        """Write parameters and vectors into one folder, each whole or not at all.

        Raises:
            StoreError: the folder exists already and is not one of ours; no space.
        """
        save_arrays(Path(folder), self.parameters, {}, kind=_KIND, version=_FORMAT)
        self.embeddings.save(Path(folder) / "embeddings")

    @classmethod
    def load(cls, folder: str | Path) -> NeuralScorer:
        """Read what `save` wrote.

        Raises:
            StoreError: no such folder; a file that is not what its manifest says.
        """
        parameters, _ = load_arrays(Path(folder), _KIND, _FORMAT)
        embeddings = Embeddings.load(Path(folder) / "embeddings")
        split = parameters["product"].size if "product" in parameters else embeddings.dim + 1
        rest = 2 * (embeddings.dim - split)
        first = parameters.get("hidden_0", np.empty((0, rest)))
        if split > embeddings.dim or "bias" not in parameters or first.shape[1] != rest:
            raise CorruptManifest("not the parameters of these vectors", source=folder)
        return cls(embeddings, parameters)
