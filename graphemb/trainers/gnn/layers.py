"""Layers: PyG's, each given the same shape, from the vectors of nodes to new ones of them.

A layer maps `x`, float [n, dim] per node type, along `Passing` to the like. A node type without
messages gets what the layer makes of its own vector, or zeros; the encoder adds the old ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from graphemb.trainers.gnn.messages import Passing
from graphemb.types import EdgeType, NodeType

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyG's own use of what torch deprecates
    from torch_geometric.nn import GATConv, HGTConv, RGCNConv, SAGEConv

Vectors = Mapping[NodeType, Tensor]
Schema = tuple[Sequence[NodeType], Sequence[EdgeType]]
"""Node types, and edge types as messages go."""
MakeLayer = Callable[[Schema], nn.Module]


class PerEdgeType(nn.Module):
    """A convolution for every edge type; what a node gathers along all of them is summed.

    Args:
        schema: of the graph.
        make: the convolution of one edge type, from (sender, receiver) vectors to new ones.
    """

    def __init__(self, schema: Schema, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict({str(edge_type): make() for edge_type in schema[1]})

    def forward(self, x: Vectors, passing: Passing) -> dict[NodeType, Tensor]:
        """The sum over edge types."""
        out: dict[NodeType, Tensor] = {}
        for edge_type, edges in passing.edges.items():
            ends = (x[edge_type.src], x[edge_type.dst])
            found: Tensor = self.convolutions[str(edge_type)](ends, edges)
            out[edge_type.dst] = out[edge_type.dst] + found if edge_type.dst in out else found
        return out


def sage(schema: Schema, dim: int, aggregate: str) -> nn.Module:
    """GraphSAGE's convolution (Hamilton et al. 2017) for every edge type.

    Differs in where it starts: with the neighbours' mean (or maximum, or sum) as it is. As the
    encoder adds a node's own vector, an untrained network smooths the inputs, and whoever is like
    somebody's neighbours is near to them from the first step on. From random matrices that has to
    be learned, at the expense of nodes that come later.
    """

    def make() -> nn.Module:
        layer = SAGEConv((dim, dim), dim, aggr=aggregate)
        nn.init.eye_(layer.lin_l.weight)
        nn.init.zeros_(layer.lin_l.bias)
        nn.init.zeros_(layer.lin_r.weight)
        made: nn.Module = layer
        return made

    return PerEdgeType(schema, make)


def attention(schema: Schema, dim: int, heads: int) -> nn.Module:
    """Graph attention (Veličković et al. 2018) for every edge type, the heads side by side.

    What is weighed starts as the neighbours' vectors, as in `sage`.
    """

    def make() -> nn.Module:
        layer = GATConv((dim, dim), dim // heads, heads, add_self_loops=False)
        nn.init.eye_(layer.lin_src.weight)
        made: nn.Module = layer
        return made

    return PerEdgeType(schema, make)


class Relational(nn.Module):
    """R-GCN's convolution (Schlichtkrull et al. 2018) over all node types in one row space."""

    def __init__(self, schema: Schema, dim: int, bases: int | None) -> None:
        super().__init__()
        self.numbers = {edge_type: number for number, edge_type in enumerate(schema[1])}
        self.convolution = RGCNConv(dim, dim, len(self.numbers), num_bases=bases)

    def forward(self, x: Vectors, passing: Passing) -> dict[NodeType, Tensor]:
        """One convolution, then the node types apart again."""
        sizes = [len(part) for part in x.values()]
        starts = dict(zip(x, [0, *torch.tensor(sizes).cumsum(0).tolist()], strict=False))
        edges, relations = [], []
        for edge_type, ends in passing.edges.items():
            shift = torch.tensor([[starts[edge_type.src]], [starts[edge_type.dst]]])
            edges.append(ends + shift.to(ends.device))
            relations.append(ends.new_full((ends.shape[1],), self.numbers[edge_type]))
        whole = self.convolution(
            torch.cat(list(x.values())), torch.cat(edges, dim=1), torch.cat(relations)
        )
        return dict(zip(x, whole.split(sizes), strict=True))


class Transformer(nn.Module):
    """The heterogeneous graph transformer's convolution (Hu et al. 2020)."""

    def __init__(self, schema: Schema, dim: int, heads: int) -> None:
        super().__init__()
        metadata = (list(schema[0]), [tuple(edge_type) for edge_type in schema[1]])
        self.convolution = HGTConv(dim, dim, metadata, heads)

    def forward(self, x: Vectors, passing: Passing) -> dict[NodeType, Tensor]:
        """One convolution."""
        edges = {tuple(edge_type): ends for edge_type, ends in passing.edges.items()}
        found = self.convolution(dict(x), edges)
        return {name: part for name, part in found.items() if part is not None}


class Importance(nn.Module):
    """PinSage's convolution (Ying et al. 2018): the mean of neighbours by their importance.

    Neighbours of all node types are pooled together, each type through a transform of its own.
    """

    def __init__(self, schema: Schema, dim: int) -> None:
        super().__init__()
        names = schema[0]
        self.senders = nn.ModuleDict({name: nn.Linear(dim, dim) for name in names})
        self.receivers = nn.ModuleDict({name: nn.Linear(2 * dim, dim) for name in names})

    def forward(self, x: Vectors, passing: Passing) -> dict[NodeType, Tensor]:
        """The new vectors of all nodes; the paper's activation and norm are the encoder's."""
        sent = {name: torch.relu(self.senders[name](part)) for name, part in x.items()}
        pooled = {name: torch.zeros_like(part) for name, part in x.items()}
        total = {name: part.new_zeros(len(part)) for name, part in x.items()}
        for edge_type, (src, dst) in passing.edges.items():
            weights = passing.weights[edge_type]
            weights = torch.ones_like(src, dtype=torch.float32) if weights is None else weights
            found = sent[edge_type.src][src] * weights[:, None]
            pooled[edge_type.dst] = pooled[edge_type.dst].index_add(0, dst, found)
            total[edge_type.dst] = total[edge_type.dst].index_add(0, dst, weights)
        out = {}
        for name, part in x.items():
            mean = pooled[name] / total[name].clamp(min=1e-12)[:, None]
            out[name] = self.receivers[name](torch.cat([part, mean], dim=1))
        return out
