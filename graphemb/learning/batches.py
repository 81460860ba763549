"""Steps of an epoch: positives in random order, with the negatives that they are learned against.

What a step draws depends on the seed, the epoch and the step alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graphemb.learning.fields import LinkFields
from graphemb.learning.noise import Noise, draw_key
from graphemb.learning.positives import Positives
from graphemb.types import EdgeType, FloatArray, IntArray

_SHUFFLE, _DRAWS = 1, 2


@dataclass(frozen=True, eq=False)
class Links:
    """The positives of one edge type in a step. Rows are int64 tensors, -1 where there is none.

    Attributes:
        edge_type: of the edges.
        edges: int64 [b], their places in the training graph's CSR of the stored direction.
        src, dst: [b].
        weights: float32 [b], of each in the loss.
        own: [b, k], negatives of each.
        shared: [m], negatives of all.
        keep: bool [b, m], False where a shared one is a known positive.
        log_q: float32 [m], log of how often each shared one is drawn; None: not corrected.
        log_q_dst: float32 [b], the same of the positives' targets.
        pool: [p], candidates that hard negatives are ranked among.
        pool_keep: bool [b, p], as `keep`.
        lighter: [b], the target of a lighter edge of the same source.
    """

    edge_type: EdgeType
    edges: Tensor
    src: Tensor
    dst: Tensor
    weights: Tensor
    own: Tensor
    shared: Tensor
    keep: Tensor
    log_q: Tensor | None
    log_q_dst: Tensor | None
    pool: Tensor
    pool_keep: Tensor
    lighter: Tensor | None


class Batches:
    """Draws the links of every step.

    Args:
        positives: what to learn from.
        fields: batch size, negatives, weights, seed.
        device: where the tensors go.
    """

    def __init__(self, positives: Positives, fields: LinkFields, device: torch.device) -> None:
        self.positives, self.fields, self.device = positives, fields, device
        graph = positives.graph
        self.noise = {name: Noise(positives, name, fields) for name in positives.edges}
        self._sources = {name: graph[name].sources() for name in positives.edges}
        self._weights = {name: self._loss_weights(name) for name in positives.edges}

    @property
    def num_steps(self) -> int:
        """Steps of an epoch."""
        return -(-len(self.positives) // self.fields.batch_size)

    def order(self, epoch: int) -> IntArray:
        """int64 [positives]: the order of an epoch."""
        generator = np.random.default_rng([self.fields.seed, epoch, _SHUFFLE])
        return generator.permutation(len(self.positives))

    def draw(self, order: IntArray, epoch: int, step: int) -> list[Links]:
        """One step: a part for every edge type that is in it."""
        size = self.fields.batch_size
        numbers = order[step * size : (step + 1) * size]
        picked = self.positives.pick(numbers)
        return [
            self._links(edge_type, edges, epoch, draw_key(self.fields.seed, epoch, step, place))
            for place, (edge_type, edges) in enumerate(picked)
        ]

    def _links(self, edge_type: EdgeType, edges: IntArray, epoch: int, key: int) -> Links:
        fields, noise = self.fields, self.noise[edge_type]
        generator = np.random.default_rng([key, _DRAWS])
        src = self._sources[edge_type][edges].astype(np.int64)
        dst = self.positives.graph[edge_type].neighbors[edges].astype(np.int64)
        hard = min(epoch, fields.num_hard)
        by_score = hard > 0 and fields.hard == "score"
        pool = noise.shared(fields.hard_pool if by_score else 0, generator)
        shared = self._shared(noise, dst, generator)
        log_q = log_q_dst = None
        if fields.log_q and fields.loss == "softmax" and fields.negatives != "own":
            log_q, log_q_dst = (
                self._put(self._log_q(noise, nodes, dst.size)) for nodes in (shared, dst)
            )
        near = noise.near(src, 0 if by_score else hard, generator)
        stored = self.positives.graph[edge_type].edges
        return Links(
            edge_type,
            self._put(edges if stored is None else stored[edges]),
            self._put(src),
            self._put(dst),
            self._put(self._weights[edge_type][edges]),
            self._put(np.hstack([self._own(noise, src, key, generator), near])),
            self._put(shared),
            self._put(~noise.joined(src, shared)),
            log_q,
            log_q_dst,
            self._put(pool),
            self._put(~noise.joined(src, pool)),
            self._lighter(edge_type, edges, src, generator),
        )

    def _own(
        self, noise: Noise, src: IntArray, key: int, generator: np.random.Generator
    ) -> IntArray:
        """int64 [b, k]: given by the user where there are any, else drawn; -1 for none."""
        own = self.fields.negatives == "own"
        given = noise.given(src, self.fields.num_negatives if own else 1, generator)
        if not own:
            return given
        drawn = noise.own(src, self.fields.num_negatives, key)
        return np.where(given >= 0, given, drawn) if given.shape[1] else drawn

    def _shared(self, noise: Noise, dst: IntArray, generator: np.random.Generator) -> IntArray:
        kind, num = self.fields.negatives, self.fields.num_negatives
        drawn = noise.shared(num if kind in ("shared", "mixed") else 0, generator)
        return np.concatenate([dst, drawn]) if kind in ("in_batch", "mixed") else drawn

    def _log_q(self, noise: Noise, nodes: IntArray, batch: int) -> FloatArray:
        """float32 [len(nodes)]: log of how many of each a step is expected to hold."""
        kind, num = self.fields.negatives, self.fields.num_negatives
        expected = np.zeros(nodes.size, np.float32)
        if kind in ("in_batch", "mixed"):
            expected += batch * noise.share[nodes]
        if kind in ("shared", "mixed"):
            expected += num * noise.chances(nodes)
        return np.log(np.maximum(expected, 1e-12))

    def _lighter(
        self, edge_type: EdgeType, edges: IntArray, src: IntArray, generator: np.random.Generator
    ) -> Tensor | None:
        adjacency = self.positives.graph[edge_type]
        if self.fields.weights != "rank" or adjacency.weights is None:
            return None
        size = adjacency.offsets[src + 1] - adjacency.offsets[src]
        other = adjacency.offsets[src] + (generator.random(src.size) * size).astype(np.int64)
        lighter = adjacency.weights[other] < adjacency.weights[edges]
        lighter &= adjacency.neighbors[other] != adjacency.neighbors[edges]
        return self._put(np.where(lighter, adjacency.neighbors[other], -1).astype(np.int64))

    def _loss_weights(self, edge_type: EdgeType) -> FloatArray:
        """float32 [m]: an edge's share in the loss, 1 on average over its edge type."""
        adjacency = self.positives.graph[edge_type]
        scale = np.float32(self.positives.weights[edge_type])
        if self.fields.weights == "ignore" or adjacency.weights is None:
            return np.full(adjacency.num_edges, scale)
        mean = max(float(adjacency.weights.mean(dtype=np.float64)), 1e-30)
        return adjacency.weights * (scale / np.float32(mean))

    def _put(self, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
