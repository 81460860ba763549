"""Decoders: from the vectors of two nodes to the score of an edge between them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from graphemb.learning.fields import DecoderName
from graphemb.types import EdgeType

_TINY = 1e-12


class Decoder(nn.Module):
    """Scores of one kind, with the parameters of each edge type.

    - `dot`: s . d
    - `distmult`: s . (r * d) with a vector r per edge type (Yang et al. 2015)
    - `transe`: -|s + r - d| (Bordes et al. 2013)
    - `twhin`: (s + r) . d (El-Kishky et al. 2022)
    - `mlp`: two layers over s, d and s * d

    Args:
        name: which of these.
        edge_types: that will be scored.
        dim: components of a vector.
        calibrated: scores get a learned scale and bias per edge type.
    """

    def __init__(
        self,
        name: DecoderName,
        edge_types: Iterable[EdgeType],
        dim: int,
        *,
        calibrated: bool = False,
    ) -> None:
        super().__init__()
        keys = [str(edge_type) for edge_type in edge_types]
        self.name = name
        self.relations = nn.ParameterDict()
        self.layers = nn.ModuleDict()
        self.scales = nn.ParameterDict()
        self.biases = nn.ParameterDict()
        for key in keys:
            if name == "distmult":
                self.relations[key] = nn.Parameter(torch.ones(dim))
            elif name in ("transe", "twhin"):
                self.relations[key] = nn.Parameter(torch.randn(dim) * dim**-0.5)
            elif name == "mlp":
                self.layers[key] = nn.Sequential(
                    nn.Linear(3 * dim, dim), nn.ReLU(), nn.Linear(dim, 1)
                )
            if calibrated:
                self.scales[key] = nn.Parameter(torch.ones(()))
                self.biases[key] = nn.Parameter(torch.zeros(()))

    def forward(self, edge_type: EdgeType, src: Tensor, dst: Tensor) -> Tensor:
        """Scores of pairs.

        Args:
            src: float [b, dim].
            dst: float [b, dim], or [b, k, dim] for k targets of each source.

        Returns:
            float [b], or [b, k].
        """
        key, several = str(edge_type), dst.dim() == 3
        if self.name == "mlp":
            src = src[:, None].expand_as(dst) if several else src
            both: Tensor = self.layers[key](torch.cat([src, dst, src * dst], dim=-1))
            scores = both.squeeze(-1)
        else:
            query = self._query(key, src)
            if self.name == "transe":
                gap = (query[:, None] if several else query) - dst
                scores = -(gap.square().sum(dim=-1) + _TINY).sqrt()
            elif several:
                scores = torch.bmm(dst, query[:, :, None]).squeeze(-1)
            else:
                scores = (query * dst).sum(dim=-1)
        return self._calibrated(key, scores)

    def table(self, edge_type: EdgeType, src: Tensor, dst: Tensor) -> Tensor:
        """float [b, m]: every source [b, dim] with every target [m, dim]."""
        if self.name == "mlp":
            scores: Tensor = self(edge_type, src, dst.expand(len(src), *dst.shape))
            return scores
        key = str(edge_type)
        query = self._query(key, src)
        return self._calibrated(
            key, -torch.cdist(query, dst) if self.name == "transe" else query @ dst.T
        )

    def _query(self, key: str, src: Tensor) -> Tensor:
        """What a target is compared with."""
        if self.name == "distmult":
            src = src * self.relations[key]
        elif self.name in ("transe", "twhin"):
            src = src + self.relations[key]
        return src

    def _calibrated(self, key: str, scores: Tensor) -> Tensor:
        if key not in self.scales:
            return scores
        calibrated: Tensor = scores * self.scales[key] + self.biases[key]
        return calibrated
