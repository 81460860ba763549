"""`LightGCN`: vectors learned through parameter-free propagation, with gradients by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from graphemb.embeddings import Embeddings
from graphemb.errors import TrainingError
from graphemb.graph import HeteroGraph
from graphemb.progress import EpochEvent, OnEpoch
from graphemb.trainers.base import provenance, split_matrix
from graphemb.trainers.propagation.fields import PropagationFields
from graphemb.trainers.propagation.training import Training
from graphemb.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class LightGCN(PropagationFields):
    """Light graph convolution (He et al. 2020), learned in seconds rather than hours.

    A node's vector is a weighted mean over the powers of S = D^-a (A + s I) D^-a times first
    vectors, which are all that is learned. Differs from the paper in the recipe. By default the
    targets of many sources at once are told from negatives that all of them share, by a decoupled
    softmax (Yeh et al. 2022): one matrix product for a step, where pairs drawn one by one
    with one negative each need a thousand epochs. Sources have length 1 and targets their length
    to a power, between cosine and dot product. Training starts from a spectral embedding, and
    first vectors themselves do not count.

    Attributes:
        dim: components of a vector.
        epochs: rounds over all sources; with `bce` one step each.
        layers: the weight of each power of S, from 0.
        degree_exponent: a.
        self_loops: s.
        kin: messages also flow between each target and so many others that share the most
            neighbours with it; 0: none.
        kin_weight: what these weigh together, as a share of the node's degree.
        loss: `softmax`, or `bce`: the cross-entropy of every pair and one negative for each, with
            a learned scale and bias of the product, all pairs of all edge types in one step.
        batch_size: sources in a step of `softmax`.
        num_negatives: targets, drawn uniformly, that a step of `softmax` compares with.
        temperature: products are divided by it, for `softmax`.
        length_power: of targets, for `softmax`: 0 is cosine, 1 the plain product.
        message_share: the share of pairs, drawn anew for each step, that carry messages; the rest
            are the pairs to be told from negatives. 1: all are both.
        start: first vectors by `svd`, or `random`.
        start_length: their mean length, as a root of mean squares, per node type.
        regularization: half the penalty on the squared length of each first vector, in every
            step; a step's loss is a mean over its pairs.
        learning_rate: of Adam.
        final_rate: the share of it to which it falls, step by step; 1: it stays.
        scale, bias: where those of `bce` start.
        beta2: of Adam, its memory of squared gradients.
        edge_types: which, with what weight; None: all, weight 1. An edge type's sources are asked
            for its targets; messages flow both ways.
        seed: of first vectors, negatives and the order of sources.

    Judge by dot product. Nodes without edges are missing.

    Raises:
        ConfigError: a field out of its range.
    """

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        """One float32 vector [dim] per node with edges.

        Raises:
            UnknownName: an edge type that is not in the graph.
            TrainingError: the loss is no longer finite.
        """
        training = Training.of(self, graph)
        vectors = np.zeros((training.merged.num_nodes, self.dim), np.float32)
        if training.tasks:
            with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
                vectors = self._learned(training, on_epoch)
        elif on_epoch:
            on_epoch(EpochEvent(self.epochs, self.epochs))
        learned = np.asarray(vectors.any(axis=1))
        parts = split_matrix(vectors, learned, graph, self.edge_types)
        return Embeddings(parts, provenance(self, graph))

    def _learned(self, training: Training, on_epoch: OnEpoch | None) -> FloatArray:
        vectors = training.start()
        for epoch, loss in enumerate(training.epochs(vectors), 1):
            if not np.isfinite(loss) or not np.isfinite(vectors).all():
                raise TrainingError(
                    f"the loss is {loss} in epoch {epoch}",
                    field="learning_rate",
                    value=self.learning_rate,
                    hint="a lower learning_rate or a higher temperature may help",
                )
            if on_epoch:
                on_epoch(EpochEvent(epoch, self.epochs, loss=loss))
        return training.result(vectors)
