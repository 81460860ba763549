"""Our sampler under PyTorch Geometric's `NodeLoader` and `LinkLoader`; no compiled extension.

sampler = NeighborSampler(graph, [10, 5])
data = loader_data(graph)
loader = NodeLoader(data, GraphSampler(sampler), ("user", rows), batch_size=512)
loader = LinkLoader(
    data,
    GraphSampler(sampler),
    (BUYS, data[BUYS].edge_index),
    neg_sampling="binary",
    batch_size=512,
    shuffle=True,
)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.sampler import (
    BaseSampler,
    EdgeSamplerInput,
    HeteroSamplerOutput,
    NegativeSampling,
    NodeSamplerInput,
)
from torch_geometric.sampler.neighbor_sampler import edge_sample

from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.interop import to_pyg
from graphemb.sampling.sampled import Excluded
from graphemb.sampling.sampler import NeighborSampler
from graphemb.types import EdgeType, IntArray, NodeType


def loader_data(graph: HeteroGraph) -> HeteroData:
    """What the loaders cut batches from: `to_pyg`, and every edge type walked back as well.

    The reverse of `user-buys-product` is `product-~buys-user`; it has the same edges in the same
    order, with weights, times and columns, turned round.
    """
    data, _ = to_pyg(graph)
    for edge_type in graph.edge_types:
        store, back = data[tuple(edge_type)], data[tuple(edge_type.reverse)]
        for name, value in list(store.items()):
            back[name] = value.flip(0) if name == "edge_index" else value
    return data


class GraphSampler(BaseSampler):  # type: ignore[misc]
    """A `NeighborSampler` as the loaders call it.

    Every batch is another draw, numbered by torch's own generator: the same after the same
    `torch.manual_seed`, and different in every worker. In link sampling the seed links, their
    parallel copies and reverses carry no messages: in no neighbourhood where they are shared,
    and not in their own where every seed has one (other seeds' past may show them). Negatives
    come from the caller, with labels, or from `NegativeSampling`, which is blind to positives.
    """

    def __init__(self, sampler: NeighborSampler) -> None:
        self.sampler = sampler

    def sample_from_nodes(self, index: NodeSamplerInput) -> HeteroSamplerOutput:
        """The neighbourhood of some nodes; `time` as int64 microseconds for temporal samplers.

        Raises:
            ConfigError: nodes without a type; times where the sampler is not temporal; a node
                twice where seeds share a neighbourhood.
        """
        node_type = _typed(index.input_type)
        if not self.sampler.disjoint and index.node.unique().numel() < index.node.numel():
            raise ConfigError(
                "a node is twice among the seeds of a batch",
                source=node_type,
                hint="NeighborSampler(..., disjoint=True) gives each seed its own neighbourhood",
            )
        times = None if index.time is None else {node_type: index.time}
        out = self._sample({node_type: index.node}, times, ())
        out.metadata = (index.input_id, index.time)
        return out

    def sample_from_edges(
        self, index: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None
    ) -> HeteroSamplerOutput:
        """The neighbourhood of the ends of some links, without these links.

        Raises:
            ConfigError: links without a type; times where the sampler is not temporal; half a
                negative for each link where every seed has its own neighbourhood.
        """
        edge_type = EdgeType(*_typed(index.input_type))
        if index.time is not None and self.sampler.temporal is None:
            raise ConfigError(
                "links have times, but the sampler is not temporal",
                field="time",
                source=edge_type,
                hint="NeighborSampler(..., temporal='uniform')",
            )
        if self.sampler.disjoint and neg_sampling is not None and neg_sampling.amount % 1:
            raise ConfigError(
                "a whole number of negatives for each link is wanted",
                field="neg_sampling",
                value=neg_sampling.amount,
            )
        src, dst = index.row.numpy(), index.col.numpy()

        def sample(seeds: Mapping[NodeType, Tensor], times: Any) -> HeteroSamplerOutput:
            pairs = Excluded(edge_type, src, dst)
            if self.sampler.disjoint:
                trees = np.arange(sum(nodes.numel() for nodes in seeds.values()))
                links = trees % max(src.size, 1)  # sources, targets and negatives, each in turn
                pairs = Excluded(edge_type, src[links], dst[links], trees)
            return self._sample(seeds, times, (pairs,))

        sizes = {name: self.sampler.graph.num_nodes(name) for name in edge_type[::2]}
        return edge_sample(index, sample, sizes, self.sampler.disjoint, None, neg_sampling)

    def _sample(
        self,
        seeds: Mapping[NodeType, Tensor],
        times: Mapping[NodeType, Tensor] | None,
        exclude: tuple[Excluded, ...],
    ) -> HeteroSamplerOutput:
        found = self.sampler.sample(
            {name: rows.numpy() for name, rows in seeds.items()},
            times=None if times is None else {name: cut.numpy() for name, cut in times.items()},
            exclude=exclude,
            draw=int(torch.randint(2**62, ())),
        )
        return HeteroSamplerOutput(
            node=_tensors(found.nodes),
            row=_tensors({tuple(kind): ends[0] for kind, ends in found.edge_index.items()}),
            col=_tensors({tuple(kind): ends[1] for kind, ends in found.edge_index.items()}),
            edge=_tensors({tuple(kind): places for kind, places in found.positions.items()}),
            batch=None if found.trees is None else _tensors(found.trees),
            num_sampled_nodes=dict(found.num_nodes),
            num_sampled_edges={tuple(kind): counts for kind, counts in found.num_edges.items()},
        )


def _typed(name: Any) -> Any:
    if name is None:
        raise ConfigError("the loader's data must be a HeteroData", hint="see loader_data(graph)")
    return name


def _tensors(arrays: Mapping[Any, IntArray]) -> dict[Any, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
