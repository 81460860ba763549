"""The heterogeneous graph: ids and rows, CSR per edge type, node and edge columns."""

from graphemb.graph.adjacency import Adjacency
from graphemb.graph.columns import TableLike, micros
from graphemb.graph.hetero import HeteroGraph
from graphemb.graph.homogeneous import EdgeTypeChoice, HomogeneousCSR
from graphemb.graph.policies import Policies

__all__ = [
    "Adjacency",
    "EdgeTypeChoice",
    "HeteroGraph",
    "HomogeneousCSR",
    "Policies",
    "TableLike",
    "micros",
]
