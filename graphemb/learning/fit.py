"""From a graph and a function that builds an encoder to learned vectors, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from graphemb.checkpoint import Checkpoints
from graphemb.graph import HeteroGraph
from graphemb.learning.decoders import Decoder
from graphemb.learning.fields import LinkFields
from graphemb.learning.links import LinkModel, LinkTask
from graphemb.learning.loop import History, device_of, on_threads, seeded, train
from graphemb.learning.positives import Positives
from graphemb.progress import OnEpoch
from graphemb.types import BoolArray, EdgeType, FloatArray, NodeType

_ROWS_AT_ONCE = 65_536

Build = Callable[[HeteroGraph], nn.Module]
"""Makes an encoder for a graph, whose validation edges are gone; torch's generator is seeded."""
Decode = Callable[[Iterable[EdgeType]], Decoder]
"""Makes a decoder for the edge types to be learned."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What came out of `fit_links`.

    Attributes:
        model: encoder and decoder with the best parameters, on their device, in `eval` mode.
        positives: what was learned from; `positives.graph` is the graph without validation edges.
        history: losses and validation of every epoch.
        threads: that torch works with.
    """

    model: LinkModel
    positives: Positives
    history: History
    threads: int = 1

    def vectors(self) -> dict[NodeType, tuple[FloatArray, BoolArray]]:
        """Per node type float32 [n, dim], and bool [n]: who has a positive."""
        device = next(self.model.parameters()).device
        found = {}
        for node_type, learned in self.positives.nodes().items():
            parts = []
            for low in range(0, learned.size, _ROWS_AT_ONCE):
                rows = torch.arange(low, min(low + _ROWS_AT_ONCE, learned.size), device=device)
                with torch.no_grad(), on_threads(self.threads):
                    block = self.model.vectors({node_type: rows})[node_type]
                parts.append(block.cpu().numpy())
            found[node_type] = (np.concatenate(parts), learned)
        return found

    def facts(self) -> dict[str, Any]:
        """JSON-able: what provenance keeps of the training."""
        return {"training": asdict(self.history)}


def fit_links(
    build: Build,
    graph: HeteroGraph,
    fields: LinkFields,
    identity: Mapping[str, Any],
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
    decode: Decode | None = None,
) -> Learned:
    """Hold validation edges back, build the encoder, train it with the fields' decoder.

    Args:
        decode: makes another decoder than the fields say.
        identity: what a checkpoint must be of: `trainers.base.provenance(trainer, graph)`.
        checkpoint: a folder to write checkpoints to and to go on from.

    Raises:
        UnknownName: an edge type that is not in the graph.
        TrainingError: the loss is not finite, or diverges.
        ConfigError, StoreError: a checkpoint of another training, or a damaged one.
    """
    device = device_of(fields)
    positives = Positives.of(graph, fields)
    with seeded(fields.seed):
        encoder = build(positives.graph)
        decoder = (decode or _decoder_of(fields))(positives.edges)
    task = LinkTask(LinkModel(encoder, decoder), positives, fields, device)
    checkpoints = None if checkpoint is None else Checkpoints(Path(checkpoint), identity)
    history = train(task, fields, on_epoch=on_epoch, checkpoints=checkpoints)
    return Learned(task.module.eval(), positives, history, fields.threads)


def _decoder_of(fields: LinkFields) -> Decode:
    return lambda edge_types: Decoder(
        fields.decoder, edge_types, fields.dim, calibrated=fields.calibrated
    )
