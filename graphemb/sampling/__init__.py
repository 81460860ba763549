"""Neighbourhoods of nodes for mini-batches, drawn by our own kernels.

`NeighborSampler` gives plain arrays; `graphemb.sampling.pyg` gives the same to the loaders of
PyTorch Geometric, which need no compiled extension then. `visits` gives PinSage's neighbourhoods:
those that short walks visit most.
"""

from graphemb.sampling.sampled import Excluded, SampledGraph
from graphemb.sampling.sampler import NeighborSampler
from graphemb.sampling.visits import visits

__all__ = ["Excluded", "NeighborSampler", "SampledGraph", "visits"]
