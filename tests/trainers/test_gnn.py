"""Graph neural networks: they find planted communities, find nothing in noise, embed newcomers."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from graphemb.embeddings import Embeddings
from graphemb.errors import ChecksumMismatch, ConfigError, StoreError
from graphemb.files import sha256_file
from graphemb.graph import HeteroGraph
from graphemb.manifest import MANIFEST
from graphemb.metrics import roc_auc
from graphemb.negatives import NegativeSampler
from graphemb.split import split_edges
from graphemb.testing import BUYS, KNOWS, SELLS, TO, communities, community_share
from graphemb.trainers.base import Trainer
from graphemb.trainers.gnn import GAT, GNN, HGT, RGCN, GraphSAGE, PinSage
from graphemb.trainers.gnn.encoder import GraphEncoder, all_vectors
from graphemb.trainers.gnn.inductive import Encoder
from graphemb.types import EdgeType

FAST: dict[str, Any] = {"dim": 16, "epochs": 15, "batch_size": 400, "learning_rate": 0.03}
MODELS: list[GNN] = [
    GraphSAGE(**FAST, valid=0.0),
    GAT(**FAST, valid=0.0),
    RGCN(**FAST, valid=0.0),
    HGT(**FAST, valid=0.0),
    PinSage(**FAST, valid=0.0, num_layers=1),
]
NAMES = [type(model).__name__ for model in MODELS]


def held_out_auc(trainer: Trainer, graph: HeteroGraph, edge_type: EdgeType) -> float:
    """Dot products of held-out edges against uniform negatives."""
    split = split_edges(graph, edge_type, by="random", test=0.2, seed=1)
    vectors = trainer.fit(split.train)
    history = graph[edge_type].to_scipy()
    drawn = NegativeSampler(num=5).sample(split.test.src, split.test.dst, history)
    pairs = [(split.test.src, split.test.dst), (np.repeat(split.test.src, 5), drawn.dst.ravel())]
    scores = []
    for src, dst in pairs:
        ends = [
            matrix_of(vectors, split.train, name)[rows]
            for name, rows in ((edge_type.src, src), (edge_type.dst, dst))
        ]
        scores.append((ends[0] * ends[1]).sum(axis=1))
    return roc_auc(*scores)


def matrix_of(vectors: Embeddings, graph: HeteroGraph, node_type: str) -> np.ndarray[Any, Any]:
    """The vectors in graph order, zeros for who is missing."""
    part = vectors[node_type]
    out = np.zeros((graph.num_nodes(node_type), part.dim), np.float32)
    out[graph.rows(node_type, part.ids)] = part.matrix
    return out


def noise(seed: int = 0) -> HeteroGraph:
    """Everybody buys anything: nothing can be learned."""
    rng = np.random.default_rng(seed)
    pairs = np.unique(rng.integers(0, 100, (1200, 2)), axis=0)
    return HeteroGraph.from_tables(
        {"user": {"id": np.arange(100)}, "product": {"id": np.arange(100)}},
        {BUYS: {"src": pairs[:, 0], "dst": pairs[:, 1]}},
    )


@pytest.mark.parametrize("trainer", MODELS, ids=NAMES)
def test_planted_communities_are_found(trainer: GNN) -> None:
    assert held_out_auc(trainer, communities(), BUYS) > 0.8


@pytest.mark.parametrize("trainer", MODELS, ids=NAMES)
def test_noise_teaches_nothing(trainer: GNN) -> None:
    assert held_out_auc(replace(trainer, epochs=5), noise(), BUYS) == pytest.approx(0.5, abs=0.07)
