"""Fitting a network: messages from the graph without what is held back, then vectors of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from graphemb.embeddings import Embeddings, Vectors
from graphemb.graph import HeteroGraph
from graphemb.learning.fit import fit_links
from graphemb.learning.inputs import plan_inputs
from graphemb.learning.loop import device_of
from graphemb.progress import OnEpoch
from graphemb.trainers.base import provenance, vectors_of
from graphemb.trainers.gnn.encoder import GraphEncoder, all_vectors
from graphemb.trainers.gnn.fields import WHOLE_GRAPH
from graphemb.trainers.gnn.inductive import Encoder
from graphemb.trainers.gnn.messages import (
    Messages,
    SampledNeighbors,
    WholeGraph,
    ends_of,
    reached,
)
from graphemb.types import FloatArray, NodeType

if TYPE_CHECKING:
    from graphemb.trainers.gnn.models import GNN

_FANOUT = 10


def fit_encoder(
    trainer: GNN, graph: HeteroGraph, on_epoch: OnEpoch | None, checkpoint: Path | None
) -> Encoder:
    """See `GNN.fit_encoder`."""
    known = provenance(trainer, graph)
    graph = graph.select(trainer.used_types(graph))

    def build(part: HeteroGraph) -> nn.Module:
        messages = _messages(trainer, part)
        plans = plan_inputs(part, messages.node_types, trainer.inputs, trainer.columns)
        network = GraphEncoder(
            plans, (messages.node_types, messages.ways), trainer.make_layer(), trainer
        )
        network.bind(part, messages)
        return network

    learned = fit_links(build, graph, trainer, known, on_epoch, checkpoint)
    network = learned.model.encoder
    assert isinstance(network, GraphEncoder)
    whole = graph.select(learned.positives.graph.edge_types)
    matrices = {}
    if len(learned.positives):
        network.bind(whole, _messages(trainer, whole))
        matrices = all_vectors(network)
    parts = _parts(trainer, whole, network, matrices)
    used = tuple(kind for kind in whole.edge_types if whole.num_edges(kind))
    return Encoder(trainer, network, used, Embeddings(parts, {**known, **learned.facts()}))


def _messages(trainer: GNN, graph: HeteroGraph) -> Messages:
    carrier, ways = trainer.carrier(graph)
    fanouts = trainer.fanouts
    if fanouts is None:
        if carrier.num_edges() <= WHOLE_GRAPH:
            return WholeGraph(carrier, ways)
        fanouts = (_FANOUT,) * trainer.num_layers
    return SampledNeighbors(carrier, ways, fanouts, device_of(trainer))


def _parts(
    trainer: GNN,
    graph: HeteroGraph,
    network: GraphEncoder,
    matrices: dict[NodeType, FloatArray],
) -> list[Vectors]:
    """The vectors of all node types at an end of an edge type; who knows nothing is missing."""
    met = reached(graph)
    parts = []
    for name in ends_of(graph, graph.edge_types):
        ids = graph.ids(name)
        if name not in matrices:
            parts.append(Vectors(name, ids.take([]), np.zeros((0, trainer.dim), np.float32), ids))
            continue
        told = network.inputs.plans[name].columns is not None
        there = np.ones(len(ids), np.bool_) if told else met[name]
        parts.append(vectors_of(name, ids, matrices[name], there))
    return parts
