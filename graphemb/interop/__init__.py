"""Graphs in and out of other libraries: NetworkX, PyTorch Geometric and SciPy.

Tables of pandas, polars and Arrow need no conversion: `HeteroGraph.from_tables` takes them, and
`node_table` and `edge_table` give Arrow.
"""

from graphemb.interop.networkx import from_networkx, to_networkx
from graphemb.interop.pyg import from_pyg, to_pyg
from graphemb.interop.scipy import from_scipy, to_scipy

__all__ = ["from_networkx", "from_pyg", "from_scipy", "to_networkx", "to_pyg", "to_scipy"]
