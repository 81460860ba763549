"""Neural collaborative filtering as torch modules, and its fit on the common loop."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError, DimensionMismatch
from graphemb.graph import HeteroGraph
from graphemb.learning.decoders import Decoder
from graphemb.progress import OnEpoch
from graphemb.trainers.interaction.fitting import Shape, Towers, embeddings_of, learn
from graphemb.trainers.interaction.scorer import NeuralScorer
from graphemb.types import EdgeType, FloatArray

if TYPE_CHECKING:
    from graphemb.trainers.interaction.neuralcf import NeuralCF


class NeuralDecoder(Decoder):
    """A weighted product of the first components, plus a network over the rest.

    All edge types share it. The two halves of the first layer's weights are for source and
    target, so that neither is computed twice in a table of both.
    """

    product: Tensor

    def __init__(self, edge_types: Iterable[EdgeType], fields: NeuralCF) -> None:
        super().__init__("dot", (), fields.dim)
        self.split = fields.product_dim
        if fields.model == "gmf":
            self.register_buffer("product", torch.ones(self.split))
        else:
            self.product = nn.Parameter(torch.ones(self.split))
        self.hidden = nn.ModuleList()
        at = 2 * (fields.dim - self.split)
        for width in fields.hidden if at else ():
            self.hidden.append(nn.Linear(at, width))
            at = width
        self.final = nn.Linear(at, 1, bias=False) if self.hidden else None
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, edge_type: EdgeType, src: Tensor, dst: Tensor) -> Tensor:
        """Scores of pairs: float [b] for `dst` [b, dim], or [b, k] for [b, k, dim]."""
        src = src[:, None] if dst.dim() == 3 else src
        return self._scores(src, dst)

    def table(self, edge_type: EdgeType, src: Tensor, dst: Tensor) -> Tensor:
        """float [b, m]: every source with every target."""
        scores = (src[:, : self.split] * self.product) @ dst[:, : self.split].T + self.bias
        return scores if self.final is None else scores + self._network(src[:, None], dst[None])

    def _scores(self, src: Tensor, dst: Tensor) -> Tensor:
        query = src[..., : self.split] * self.product
        scores = (query * dst[..., : self.split]).sum(dim=-1) + self.bias
        return scores if self.final is None else scores + self._network(src, dst)

    def _network(self, src: Tensor, dst: Tensor) -> Tensor:
        assert self.final is not None
        first = self.hidden[0]
        assert isinstance(first, nn.Linear)
        one, other = first.weight.chunk(2, dim=1)
        x = functional.linear(src[..., self.split :], one, first.bias)
        x = functional.relu(x + functional.linear(dst[..., self.split :], other))
        for layer in self.hidden[1:]:
            x = functional.relu(layer(x))
        out: Tensor = self.final(x).squeeze(-1)
        return out

    def arrays(self) -> dict[str, FloatArray]:
        """What `NeuralScorer` is made of."""
        found = {"product": self.product, "bias": self.bias}
        for number, layer in enumerate(self.hidden):
            assert isinstance(layer, nn.Linear)
            found |= {f"hidden_{number}": layer.weight, f"bias_{number}": layer.bias}
        if self.final is not None:
            found["last"] = self.final.weight[0]
        return {name: part.detach().cpu().float().numpy() for name, part in found.items()}


def fit_neural(
    trainer: NeuralCF,
    graph: HeteroGraph,
    init: Embeddings | None,
    on_epoch: OnEpoch | None,
    checkpoint: Path | None,
) -> NeuralScorer:
    """See `NeuralCF.fit_scorer`."""

    def decode(edge_types: Iterable[EdgeType]) -> NeuralDecoder:
        return NeuralDecoder(edge_types, trainer)

    def begin(towers: Towers) -> None:
        if init is not None:
            _go_on_from(init, towers, trainer.product_dim)

    learned, towers = learn(trainer, Shape("ids"), graph, on_epoch, checkpoint, decode, begin)
    decoder = learned.model.decoder
    assert isinstance(decoder, NeuralDecoder)
    return NeuralScorer(
        embeddings_of(trainer, graph, learned, towers, learned.vectors()), decoder.arrays()
    )


def _go_on_from(init: Embeddings, towers: Towers, width: int) -> None:
    """The first `width` components of known nodes are those of `init`.

    Raises:
        DimensionMismatch: `init` is of another dimension.
        ConfigError: `init` holds none of the nodes, or the model has no product.
    """
    if not width:
        raise ConfigError("`mlp` has no product that could begin with vectors", field="init")
    if init.dim != width:
        raise DimensionMismatch(width, init.dim, source="init")
    known = 0
    for name, plan in towers.inputs.plans.items():
        if name not in init or plan.ids is None:
            continue
        places = init[name].ids.find(plan.ids)
        there = np.flatnonzero(places >= 0)
        known += there.size
        table = towers.inputs.tables[name]
        assert isinstance(table, nn.Embedding)
        with torch.no_grad():
            older = torch.from_numpy(init[name].matrix[places[there]])
            table.weight[torch.from_numpy(there), :width] = older
    if not known:
        raise ConfigError(
            "the older vectors are of none of these nodes", field="init", value=sorted(init)
        )
