"""Graph neural networks on PyTorch Geometric's layers, which can embed nodes that come later.

`fit` gives vectors; `fit_encoder` gives an encoder, whose `embed` takes a graph with new nodes.
"""

from graphemb.trainers.gnn.fields import GNNFields
from graphemb.trainers.gnn.models import GAT, GNN, HGT, RGCN, GraphSAGE
from graphemb.trainers.gnn.pinsage import PinSage

__all__ = ["GAT", "GNN", "GNNFields", "GraphSAGE", "HGT", "PinSage", "RGCN"]
