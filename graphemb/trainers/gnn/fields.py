"""What all graph neural networks here are configured by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphemb.checks import check_choice, check_int, check_number
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.graph.homogeneous import chosen_weights
from graphemb.learning import LinkFields
from graphemb.learning.fields import Inputs, check_inputs
from graphemb.types import EdgeType, NodeType

WHOLE_GRAPH = 1_000_000
"""Edges of the largest graph that is in every step as a whole, unless `fanouts` are given."""


@dataclass(frozen=True, kw_only=True)
class GNNFields(LinkFields):
    """Layers that pass messages along edges, learned so that edges score high.

    Messages pass along the chosen edge types, both ways. The edges that a step learns from
    carry none in it, so an epoch of two steps lets one random half of the edges predict the
    other. Besides its messages a node keeps what it was: a layer's output is added to its input.
    The other fields are those of `LinkFields` and `LoopFields`.

    Attributes:
        num_layers: how far messages come.
        message_types: edge types that carry messages beside `edge_types`, and are not learned.
        inputs: of a node: `ids`, a learned vector each; `features`, its columns; `both`. A node
            type without columns always has learned vectors.
        columns: which, per node type; None, or a type not named: all that tell something.
        unknown: the chance that training takes a node's own vector away and puts the one of all
            unknown nodes there, which new nodes will have.
        column_dropout: share of a node's encoded columns that training hides; what comes later
            is told from few columns, so this helps new nodes most.
        dropout: share of components a layer forgets in training.
        normalize: vectors have length 1, so that dot products are cosines.
        fanouts: neighbours drawn per edge type at each layer, nearest first, -1 for all. None:
            the whole graph in every step up to a million edges, beyond that 10 a layer.

    Nodes without edges are missing unless they have columns that are looked at. Node types
    without edges or columns are left out.
    """

    num_layers: int = 2
    message_types: tuple[EdgeType, ...] = ()
    inputs: Inputs = "ids"
    columns: Mapping[NodeType, tuple[str, ...]] | None = None
    unknown: float = 0.1
    column_dropout: float = 0.0
    dropout: float = 0.0
    normalize: bool = False
    fanouts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("num_layers", self.num_layers, low=1, high=20)
        check_inputs(self.inputs, self.columns)
        check_number("unknown", self.unknown, low=0.0, high=0.9)
        check_number("column_dropout", self.column_dropout, low=0.0, high=0.9)
        check_number("dropout", self.dropout, low=0.0, high=0.9)
        check_choice("normalize", self.normalize, (False, True))
        if self.fanouts is not None:
            for number in self.fanouts:
                check_int("fanouts", number, low=-1)
            if len(self.fanouts) != self.num_layers:
                raise ConfigError(
                    f"a fan-out for each of the {self.num_layers} layers is wanted",
                    field="fanouts",
                    value=self.fanouts,
                )

    def used_types(self, graph: HeteroGraph) -> list[EdgeType]:
        """The edge types that carry messages or are learned, or are negatives that are given.

        Raises:
            UnknownName: one that is not in the graph.
        """
        if self.edge_types is None:
            return list(graph.edge_types)
        chosen = [*chosen_weights(self.edge_types, graph.edge_types), *self.message_types]
        apart = (self.negative_edges or {}).values()
        return [graph[edge_type].edge_type.stored for edge_type in (*chosen, *apart)]

    def check_heads(self, heads: int) -> None:
        """Refuse a number of heads that does not divide `dim`.

        Raises:
            ConfigError: it does not.
        """
        check_int("heads", heads, low=1)
        if self.dim % heads:
            raise ConfigError(f"dim {self.dim} must be a multiple", field="heads", value=heads)
