"""What a model is told of a node: a learned vector of its own, its columns, or both.

A plan is made from one graph and can be bound to another: known ids find their vectors again,
all new ones share a vector for the unknown, columns are encoded by the statistics of the first
graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from graphemb.features import TabularEncoder
from graphemb.graph import HeteroGraph
from graphemb.ids import Ids
from graphemb.learning.fields import Inputs
from graphemb.types import NodeType


@dataclass(frozen=True, eq=False)
class InputPlan:
    """What is told of one node type's nodes.

    Attributes:
        ids: those that have a vector of their own; None: none has.
        columns: how columns are encoded; None: they are not looked at.
    """

    ids: Ids | None
    columns: TabularEncoder | None


def plan_inputs(
    graph: HeteroGraph,
    node_types: Iterable[NodeType],
    inputs: Inputs,
    columns: Mapping[NodeType, Sequence[str]] | None = None,
) -> dict[NodeType, InputPlan]:
    """A plan for each node type; one without columns that tell something gets learned ids.

    Args:
        columns: which to encode, per node type; None, or a type not named: all that tell.

    Raises:
        UnknownName: no such column.
        GraphError: a column that cannot be encoded.
    """
    plans = {}
    for node_type in node_types:
        encoder = None
        if inputs != "ids":
            chosen = (columns or {}).get(node_type)
            encoder = TabularEncoder.fit(graph, node_type, chosen)
            encoder = encoder if encoder.dim else None
        own = inputs != "features" or encoder is None
        plans[node_type] = InputPlan(graph.ids(node_type) if own else None, encoder)
    return plans


class NodeInputs(nn.Module):
    """The first vectors of nodes, by per-type tables and projections; `bind` it to a graph first.

    Args:
        plans: per node type.
        dim: components of a vector.
        unknown: the chance that training hides a node's own vector behind the unknown's, which
            so learns to stand for nodes that come later.
        dropout: the chance that training hides a component of a node's encoded columns.
        sparse: tables whose gradients are sparse, for small steps on large tables.
    """

    def __init__(
        self,
        plans: Mapping[NodeType, InputPlan],
        dim: int,
        *,
        unknown: float = 0.0,
        dropout: float = 0.0,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        self.plans = dict(plans)
        self.unknown, self.dropout = unknown, dropout
        self.tables = nn.ModuleDict()
        self.projections = nn.ModuleDict()
        for name, plan in self.plans.items():
            if plan.ids is not None:
                table = nn.Embedding(len(plan.ids) + 1, dim, sparse=sparse)
                nn.init.normal_(table.weight, std=dim**-0.5)
                self.tables[name] = table
            if plan.columns is not None:
                self.projections[name] = nn.Linear(plan.columns.dim, dim)
        self.bound = nn.Module()

    def bind(self, graph: HeteroGraph) -> None:
        """From now on rows are those of `graph`."""
        self.bound = nn.Module()
        for name, plan in self.plans.items():
            if plan.ids is not None:
                places = plan.ids.find(graph.ids(name))
                places = np.where(places >= 0, places, len(plan.ids))
                self.bound.register_buffer(f"{name}_place", torch.from_numpy(places), False)
            if plan.columns is not None:
                matrix = torch.from_numpy(plan.columns.encode(graph).matrix)
                self.bound.register_buffer(f"{name}_columns", matrix, False)
        self.bound.to(next((parameter.device for parameter in self.parameters()), None))

    def forward(self, rows: Mapping[NodeType, Tensor]) -> dict[NodeType, Tensor]:
        """float [n, dim] per node type, for its rows int64 [n]."""
        return {name: self._of(name, row) for name, row in rows.items()}

    def _of(self, name: NodeType, rows: Tensor) -> Tensor:
        parts = []
        plan = self.plans[name]
        if plan.ids is not None:
            places: Tensor = self.bound.get_buffer(f"{name}_place")[rows]
            if self.training and self.unknown:
                hidden = torch.rand(places.shape, device=places.device) < self.unknown
                places = places.masked_fill(hidden, len(plan.ids))
            parts.append(self.tables[name](places))
        if plan.columns is not None:
            columns = self.bound.get_buffer(f"{name}_columns")[rows]
            columns = nn.functional.dropout(columns, self.dropout, self.training)
            parts.append(self.projections[name](columns))
        total: Tensor = torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
        return total
