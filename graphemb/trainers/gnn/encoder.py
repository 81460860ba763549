"""The network: first vectors, layers along messages, and vectors of all nodes layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphemb.graph import HeteroGraph
from graphemb.learning.batches import Links
from graphemb.learning.inputs import InputPlan, NodeInputs
from graphemb.learning.links import Rows
from graphemb.learning.loop import on_threads
from graphemb.trainers.gnn.fields import GNNFields
from graphemb.trainers.gnn.layers import MakeLayer, Schema
from graphemb.trainers.gnn.messages import Messages, Passing, SampledNeighbors
from graphemb.types import FloatArray, NodeType

_ROWS_AT_ONCE = 16_384


class GraphEncoder(nn.Module):
    """Maps rows to vectors by what comes along the edges.

    h_0 is the inputs; h_l = h_(l-1) + layer_l(act(h_(l-1))), where act is the identity for the
    first layer and ELU after it.

    Args:
        plans: inputs per node type.
        schema: node types, and edge types as messages go.
        make: one layer.
        fields: of the trainer.
    """

    messages: Messages

    def __init__(
        self,
        plans: Mapping[NodeType, InputPlan],
        schema: Schema,
        make: MakeLayer,
        fields: GNNFields,
    ) -> None:
        super().__init__()
        self.schema, self.fields = schema, fields
        self.inputs = NodeInputs(
            plans, fields.dim, unknown=fields.unknown, dropout=fields.column_dropout
        )
        self.layers = nn.ModuleList(
            make(schema) for _ in range(fields.num_layers if schema[1] else 0)
        )

    def bind(self, graph: HeteroGraph, messages: Messages) -> None:
        """From now on rows are those of `graph`, and messages come from `messages`."""
        self.inputs.bind(graph)
        self.messages = messages.to(next((part.device for part in self.parameters()), None))

    def forward(self, rows: Rows, links: Sequence[Links] | None = None) -> dict[NodeType, Tensor]:
        """float [n, dim] per node type; `links` carry no message."""
        passing, places = self.messages.around(rows, links)
        x = self.inputs(passing.rows)
        for number in range(len(self.layers)):
            x = self.layer(number, x, passing)
        alone = self.inputs({name: row for name, row in rows.items() if name not in places})
        out = {name: x[name][place] for name, place in places.items()}
        return {name: self.last(part) for name, part in {**out, **alone}.items()}

    def layer(
        self, number: int, x: Mapping[NodeType, Tensor], passing: Passing
    ) -> dict[NodeType, Tensor]:
        """The vectors after one layer, for those before it."""
        active = {name: functional.elu(part) for name, part in x.items()} if number else dict(x)
        found = self.layers[number](active, passing)
        drop = self.fields.dropout
        return {
            name: part + functional.dropout(found[name], drop, self.training)
            if name in found
            else part
            for name, part in x.items()
        }

    def last(self, vectors: Tensor) -> Tensor:
        """What leaves the network."""
        return functional.normalize(vectors) if self.fields.normalize else vectors


def all_vectors(encoder: GraphEncoder) -> dict[NodeType, FloatArray]:
    """float32 [n, dim] per node type, of all nodes of the graph that `encoder` is bound to.

    Layer by layer, block by block of nodes with all their neighbours: what one pass over the
    whole graph would give, in memory for one block and two layers of vectors.
    """
    encoder.eval()
    messages = encoder.messages
    device = next(encoder.parameters()).device
    hop = SampledNeighbors(messages.graph, messages.ways, (-1,), device)
    rows = {
        name: torch.arange(messages.graph.num_nodes(name), device=device)
        for name in messages.node_types
    }
    with torch.no_grad(), on_threads(encoder.fields.threads):
        x = encoder.inputs(rows)
        for number in range(len(encoder.layers)):
            x = {name: _layer(encoder, hop, number, name, x) for name in rows}
        return {name: encoder.last(part).float().cpu().numpy() for name, part in x.items()}


def _layer(
    encoder: GraphEncoder,
    hop: SampledNeighbors,
    number: int,
    node_type: NodeType,
    x: Mapping[NodeType, Tensor],
) -> Tensor:
    """The vectors of one node type after one layer."""
    parts = []
    size, device = len(x[node_type]), x[node_type].device
    for low in range(0, size, _ROWS_AT_ONCE):
        rows = torch.arange(low, min(low + _ROWS_AT_ONCE, size), device=device)
        passing, places = hop.around({node_type: rows}, None)
        near = {name: x[name][there] for name, there in passing.rows.items()}
        parts.append(encoder.layer(number, near, passing)[node_type][places[node_type]])
    return torch.cat(parts)
