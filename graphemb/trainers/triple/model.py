"""What torch learns of triples: a table of vectors per node type, and how three make a score."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphemb.graph import HeteroGraph
from graphemb.learning import losses
from graphemb.metrics import roc_auc
from graphemb.trainers.triple.triples import Triples
from graphemb.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from graphemb.trainers.triple.trainer import TripleInteraction

_SHUFFLE, _DRAWS, _VALID = 1, 2, 3
_BLOCK = 65_536
_START, _PAIRS = 0.35, 0.3


class TripleModel(nn.Module):
    """Vectors and their score; see `TripleScorer` for the formula."""

    def __init__(self, graph: HeteroGraph, triples: Triples, config: TripleInteraction) -> None:
        super().__init__()
        self.node_types, self.kind, dim = triples.node_types, config.score, config.dim
        # a product of three of these, summed over the components, stays near _START ** 3
        spread = _START * dim ** (-1 / 6)
        self.tables = nn.ParameterDict(
            {
                name: nn.Parameter(torch.randn(graph.num_nodes(name), dim) * spread)
                for name in dict.fromkeys(triples.node_types)
            }
        )
        self.trilinear = nn.Parameter(torch.ones(dim), requires_grad=config.score != "pairwise")
        # where two nodes say much from the start, triples are learned by heart before three speak
        self.pairs = nn.Parameter(torch.full((3, dim), _PAIRS))
        self.linear = nn.Parameter(torch.zeros(3, dim))
        self.bias = nn.Parameter(torch.zeros(1))
        if config.score == "mlp":
            self.hidden = nn.Linear(7 * dim, 2 * dim)
            self.last = nn.Parameter(torch.randn(2 * dim) * dim**-0.5)

    def forward(self, rows: Tensor) -> Tensor:
        """float [n]: scores of int64 triples [n, 3]."""
        named = zip(self.node_types, rows.unbind(1), strict=True)
        a, b, c = (functional.embedding(own, self.tables[name]) for name, own in named)
        ab, ac, bc = a * b, a * c, b * c
        scores: Tensor = ab @ self.pairs[0] + ac @ self.pairs[1] + bc @ self.pairs[2] + self.bias
        scores = scores + a @ self.linear[0] + b @ self.linear[1] + c @ self.linear[2]
        if self.kind != "pairwise":
            scores = scores + (ab * c) @ self.trilinear
        if self.kind == "mlp":
            joined = torch.cat([a, b, c, ab, ac, bc, ab * c], dim=1)
            scores = scores + functional.relu(self.hidden(joined)) @ self.last
        return scores

    def parameters_by_name(self) -> dict[str, FloatArray]:
        """Everything but the vectors, as `TripleScorer` wants it."""
        found: dict[str, Tensor] = {"pairs": self.pairs, "linear": self.linear, "bias": self.bias}
        found["trilinear"] = self.trilinear * (self.kind != "pairwise")
        if self.kind == "mlp":
            found |= {"hidden": self.hidden.weight, "hidden_bias": self.hidden.bias}
            found["last"] = self.last
        return {name: tensor.detach().cpu().float().numpy() for name, tensor in found.items()}


class TripleTask:
    """Triples that came to be above those that did not, and above altered ones.

    Args:
        triples: all of them; a share is held back to tell when to stop.
        sizes: nodes of each of the three node types.
    """

    def __init__(
        self,
        model: TripleModel,
        triples: Triples,
        sizes: tuple[int, int, int],
        config: TripleInteraction,
        device: torch.device,
    ) -> None:
        self.module, self.config, self.device, self.sizes = model.to(device), config, device, sizes
        held = held_back(triples, config.valid, config.seed)
        self.triples = triples.take(~held)
        came = triples.rows if triples.labels is None else triples.rows[triples.labels]
        self._known = np.unique(self._keys(came))
        self._questions = self._ask(triples.take(held))

    @property
    def num_steps(self) -> int:
        """Steps of an epoch."""
        return -(-len(self.triples) // self.config.batch_size)

    def steps(self, epoch: int) -> Iterator[Tensor]:
        """The loss of every step."""
        generator = np.random.default_rng([self.config.seed, epoch, _SHUFFLE])
        order = generator.permutation(len(self.triples))
        for step in range(self.num_steps):
            size = self.config.batch_size
            part = self.triples.take(order[step * size : (step + 1) * size])
            draws = np.random.default_rng([self.config.seed, epoch, step, _DRAWS])
            yield self._loss(part, draws)

    def _loss(self, part: Triples, draws: np.random.Generator) -> Tensor:
        """Logistic: of labels, and of triples that came to be against altered ones."""
        num = self.config.altered
        scores = self.module(self._put(part.rows))
        if part.labels is None:
            came = torch.ones(len(part), dtype=torch.bool, device=self.device)
        else:
            came = self._put(part.labels)
        pointwise = functional.softplus(torch.where(came, -scores, scores))
        if num == 0:
            return pointwise.mean()
        there = came.nonzero().squeeze(1)
        rows, keep = self.altered(part.rows[came.cpu().numpy()], num, draws)
        others = self.module(self._put(rows)).view(-1, num)
        against = losses.bce(scores[there], others, self._put(keep).view(-1, num))
        return (pointwise[~came].sum() + against.sum()) / len(part)

    def altered(
        self, rows: IntArray, num: int, draws: np.random.Generator
    ) -> tuple[IntArray, BoolArray]:
        """Triples with one node replaced by a random one of its type.

        Returns:
            int64 [n * num, 3], and bool [n * num]: False where the result is known to have been.
        """
        changed = np.repeat(rows, num, axis=0)
        end = draws.integers(3, size=len(changed))
        other = (draws.random(len(changed)) * np.array(self.sizes)[end]).astype(np.int64)
        changed[np.arange(len(changed)), end] = other
        return changed, ~np.isin(self._keys(changed), self._known)

    def validate(self) -> float | None:
        """ROC-AUC of what was held back."""
        if self._questions is None:
            return None
        rows, came = self._questions
        parts = [self.module(block).cpu() for block in torch.split(rows, _BLOCK)]
        scores = torch.cat(parts).float().numpy()
        return roc_auc(scores[came], scores[~came])

    def _ask(self, held: Triples) -> tuple[Tensor, BoolArray] | None:
        """Held-back triples and which came to be; without labels, altered ones beside them."""
        if held.labels is not None:
            both = held.labels.any() and not held.labels.all()
            return (self._put(held.rows), held.labels) if both else None
        draws = np.random.default_rng([self.config.seed, _VALID])
        others, keep = self.altered(held.rows, 1, draws)
        others = others[keep]
        if not len(others):
            return None
        came = np.arange(len(held) + len(others)) < len(held)
        return self._put(np.concatenate([held.rows, others])), came

    def _keys(self, rows: IntArray) -> IntArray:
        """int64 [n]: one number for each triple."""
        _, second, third = self.sizes
        return (rows[:, 0] * second + rows[:, 1]) * third + rows[:, 2]

    def _put(self, array: IntArray | BoolArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def held_back(triples: Triples, share: float, seed: int) -> BoolArray:
    """bool [t]: the last share by time, else a random one; nobody loses their first triple."""
    generator = np.random.default_rng([seed, _VALID, _SHUFFLE])
    order = generator.permutation(len(triples))
    if triples.times is not None:
        order = order[np.argsort(triples.times[order], kind="stable")]
    free = np.ones(len(triples), np.bool_)
    for place in range(3):
        free[np.unique(triples.rows[order, place], return_index=True)[1]] = False
    number = round(share * len(triples))
    held = np.zeros(len(triples), np.bool_)
    held[order[free][max(int(free.sum()) - number, 0) :]] = True
    return held
