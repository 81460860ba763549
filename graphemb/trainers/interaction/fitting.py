"""Towers as torch modules, and their fit on the common loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphemb.embeddings import Embeddings, Vectors
from graphemb.graph import HeteroGraph
from graphemb.graph.homogeneous import chosen_weights
from graphemb.learning import LinkFields
from graphemb.learning.batches import Links
from graphemb.learning.decoders import Decoder
from graphemb.learning.fields import Inputs
from graphemb.learning.fit import Decode, Learned, fit_links
from graphemb.learning.inputs import InputPlan, NodeInputs, plan_inputs
from graphemb.learning.links import Rows
from graphemb.progress import OnEpoch
from graphemb.trainers.base import Trainer, provenance, vectors_of
from graphemb.types import FloatArray, NodeType


@dataclass(frozen=True)
class Shape:
    """What a tower is: see `TwoTower`."""

    inputs: Inputs
    columns: Mapping[NodeType, tuple[str, ...]] | None = None
    hidden: tuple[int, ...] = ()
    skip: bool = False
    normalize: bool = False
    unknown: float = 0.0


class Towers(nn.Module):
    """A tower per node type, each over its own inputs."""

    def __init__(self, plans: Mapping[NodeType, InputPlan], dim: int, shape: Shape) -> None:
        super().__init__()
        self.inputs = NodeInputs(plans, dim, unknown=shape.unknown)
        self.normalize = shape.normalize
        self.layers = nn.ModuleDict()
        for name in plans if shape.hidden else ():
            self.layers[name] = _Layers(dim, shape.hidden, shape.skip)

    def forward(self, rows: Rows, links: Sequence[Links] | None = None) -> dict[NodeType, Tensor]:
        """float [n, dim] per node type; no message flows, so `links` are not looked at."""
        found = self.inputs(rows)
        found = {name: self._through(name, vectors) for name, vectors in found.items()}
        if self.normalize:
            return {name: functional.normalize(vectors) for name, vectors in found.items()}
        return found

    def _through(self, name: NodeType, vectors: Tensor) -> Tensor:
        if name not in self.layers:
            return vectors
        out: Tensor = self.layers[name](vectors)
        return out


class _Layers(nn.Module):
    """Hidden layers with ReLU, then a linear one back to `dim`."""

    def __init__(self, dim: int, widths: Sequence[int], skip: bool) -> None:
        super().__init__()
        self.skip = skip
        self.hidden = nn.ModuleList()
        at = dim
        for width in widths:
            self.hidden.append(nn.Linear(at, width))
            at = at + width if skip else width
        self.last = nn.Linear(at, dim)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            out = functional.relu(layer(x))
            x = torch.cat([x, out], dim=1) if self.skip else out
        vectors: Tensor = self.last(x)
        return vectors


def fit_towers(
    fields: LinkFields,
    shape: Shape,
    graph: HeteroGraph,
    on_epoch: OnEpoch | None,
    checkpoint: Path | None,
) -> Embeddings:
    """The vectors of towers, learned from a graph's links."""
    learned, towers = learn(fields, shape, graph, on_epoch, checkpoint)
    matrices = learned.vectors()
    decoder = learned.model.decoder
    for edge_type in learned.positives.edges:
        weights = _folded(decoder, str(edge_type))
        if weights is not None:
            matrix, there = matrices[edge_type.src]
            matrices[edge_type.src] = (matrix * weights, there)
    return embeddings_of(fields, graph, learned, towers, matrices)


def learn(
    fields: LinkFields,
    shape: Shape,
    graph: HeteroGraph,
    on_epoch: OnEpoch | None,
    checkpoint: Path | None,
    decode: Decode | None = None,
    begin: Callable[[Towers], None] | None = None,
) -> tuple[Learned, Towers]:
    """Train towers and a decoder; `begin` sets the first vectors where random ones are not it."""
    known = provenance(_as_trainer(fields), graph)

    def build(part: HeteroGraph) -> Towers:
        ends = _ends(part, fields)
        plans = plan_inputs(part, ends, shape.inputs, shape.columns)
        towers = Towers(_with_edges(plans, part), fields.dim, shape)
        towers.inputs.bind(part)
        if begin:
            begin(towers)
        return towers

    learned = fit_links(build, graph, fields, known, on_epoch, checkpoint, decode)
    towers = learned.model.encoder
    assert isinstance(towers, Towers)
    return learned, towers


def embeddings_of(
    fields: LinkFields,
    graph: HeteroGraph,
    learned: Learned,
    towers: Towers,
    matrices: Mapping[NodeType, tuple[FloatArray, np.ndarray]],
) -> Embeddings:
    """With their provenance; a node is missing where neither edge nor column tells of it."""
    parts: list[Vectors] = []
    for name, (matrix, met) in matrices.items():
        told = towers.inputs.plans[name].columns is not None
        there = np.ones_like(met) if told else met
        parts.append(vectors_of(name, graph.ids(name), matrix, there & matrix.any(axis=1)))
    known = provenance(_as_trainer(fields), graph)
    return Embeddings(parts, {**known, **learned.facts()})


def _ends(graph: HeteroGraph, fields: LinkFields) -> list[NodeType]:
    """The node types at an end of a chosen edge type, in the graph's order."""
    chosen = chosen_weights(fields.edge_types, graph.edge_types)
    met = {name for edge_type in chosen for name in (edge_type.src, edge_type.dst)}
    return [name for name in graph.node_types if name in met]


def _with_edges(
    plans: Mapping[NodeType, InputPlan], graph: HeteroGraph
) -> dict[NodeType, InputPlan]:
    """Only nodes with an edge have a vector of their own: no other could learn one."""
    found = {}
    for name, plan in plans.items():
        met = np.zeros(graph.num_nodes(name), np.bool_)
        for edge_type in graph.edge_types:
            if edge_type.src == name:
                met |= graph.degrees(edge_type) > 0
            if edge_type.dst == name:
                met |= graph.degrees(edge_type.reverse) > 0
        own = None if plan.ids is None else plan.ids.take(np.flatnonzero(met))
        found[name] = InputPlan(own, plan.columns)
    return found


def _folded(decoder: Decoder, key: str) -> FloatArray | None:
    """float32 [dim]: what sources are multiplied by, so that dot products rank as scores do."""
    if decoder.name != "distmult" and key not in decoder.scales:
        return None
    weights = decoder.relations[key] if decoder.name == "distmult" else torch.ones(())
    scale = decoder.scales[key] if key in decoder.scales else torch.ones(())
    folded: FloatArray = (weights.cpu() * scale.cpu()).detach().numpy()
    return folded


def _as_trainer(fields: LinkFields) -> Trainer:
    assert isinstance(fields, Trainer)
    return fields
